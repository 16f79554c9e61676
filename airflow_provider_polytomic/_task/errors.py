"""What a task says of a run that has not ended as it should, with what can be looked up about it by then."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import AirflowException, AirflowSkipException
from airflow_provider_polytomic._task.link import linked
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic.exceptions import (
    PolytomicRunError,
    PolytomicRunFailed,
    PolytomicRunTimeout,
    after_failure,
    reporting,
    translate_api_errors,
)
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.executions import Diagnostics, Execution
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds for the answer of one request."""

PATIENCE_FOR_CAUSE = 8.0
"""Seconds after which a cause that is still looked for is left alone."""


def find_diagnostics(execution: Execution, conn_id: str) -> Diagnostics:
    """Return what Polytomic says besides, as far as it does within a few seconds; nothing here changes the verdict.

    A thread asks, since an answer that comes drop by drop keeps to no time-out of the HTTP client.

    :param conn_id: id of the Airflow connection
    """
    from airflow_provider_polytomic.executions import Diagnostics

    found = [Diagnostics()]
    try:
        config = PolytomicHook(conn_id).config()
        asking = Thread(target=_ask, args=(execution, config, found), name="polytomic-cause", daemon=True)
        asking.start()
        asking.join(PATIENCE_FOR_CAUSE)
    except Exception as error:
        log.debug("The cause of %s could not be looked for: %s", execution.id, type(error).__name__)
    return found[-1]


def _ask(execution: Execution, config: ConnectionConfig, found: list[Diagnostics]) -> None:
    """Add to ``found`` what is found, each time with more in it."""
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.files import read_beginning
    from airflow_provider_polytomic.executions import collect_diagnostics, first_records

    try:
        with PolytomicClient(config=replace(config, max_requests_per_minute=None)) as client:
            cause = client.run(collect_diagnostics(execution, config.secrets))
        found.append(cause)
        if cause.error_file and not config.hide_error_records:
            beginning = read_beginning(cause.error_file, config)
            found.append(replace(cause, records=first_records(beginning or "", *config.secrets)))
    except Exception as error:
        log.debug("The cause of %s could not be looked for: %s", execution.id, type(error).__name__)


def translate_execution_errors(what: str, kind: str, sync_id: str, conn_id: str) -> AbstractContextManager[None]:
    """Do as :func:`translate_api_errors` does, and name what is wrong with the sync where Polytomic does not accept a request."""
    return translate_api_errors(what, conn_id, problems=partial(_problems_of, kind, sync_id, conn_id))


def _problems_of(kind: str, sync_id: str, conn_id: str) -> list[str]:
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import sync_kind

    try:
        config = replace(PolytomicHook(conn_id).config(), max_requests_per_minute=None)
        with PolytomicClient(config=config) as client:
            sync = client.send(sync_kind(kind).api.get(sync_id).with_timeout(PATIENCE))
        return [problem.message or problem.code for problem in getattr(sync, "problems", ())]
    except Exception as error:
        log.debug("The problems of %s could not be looked for: %s", sync_id, type(error).__name__)
        return []


def already_running_error(other: Execution, if_running: str) -> AirflowException:
    """Return what to raise where an execution that is not ours runs: a skip, if the task wants that."""
    from airflow_provider_polytomic.executions import report

    advice = 'if_running="wait" waits for its end and then starts ours, if_running="join" waits for this one'
    message = report(other, "is running already", [advice])
    return AirflowSkipException(message) if if_running == "skip" else PolytomicRunFailed(message, other.result())


def timeout_error(context: Context, execution: Execution, conn_id: str, advice: str) -> PolytomicRunError:
    """Push the result of an execution whose time was up, and return what to raise.

    :param advice: what to do next where it has not ended, or was canceled
    """
    execution = linked(context, execution)
    TaskExecutionState(context).push_result(execution.result())
    cause = find_diagnostics(execution, conn_id)
    again = "a retry or a clear of the task starts it again"
    headline, steps = ended_too_late(execution, cause, "this task's time was up", again, advice)
    return reporting(PolytomicRunTimeout, execution, headline, steps, cause)


def ended_too_late(execution: Execution, cause: Diagnostics, when: str, again: str, advice: str) -> tuple[str, str]:
    """Say of an execution whose time was up what became of it, and what to do.

    :param when: the moment, as a sentence
    :param again: how it comes to another execution
    :param advice: what to do where it has not ended, or was canceled
    """
    from airflow_provider_polytomic.executions import Outcome

    outcome = execution.outcome
    if outcome is Outcome.CANCELED:
        return "has not ended in time, and was canceled by this task", f"{again}; {advice}"
    if outcome is Outcome.FAILED:
        return f"failed, after {when}", f"{after_failure(execution, cause)}; {again}"
    if outcome is Outcome.PARTIAL:
        return f"is incomplete, and ended after {when}", f"mend the schemas named above; {again}; allow more time"
    if outcome is Outcome.SUCCESS:
        return (
            f"has ended, but after {when}",
            "the data has arrived: mark the task as success, or allow more time; a retry or a clear of it syncs again",
        )
    return "has not ended in time", advice
