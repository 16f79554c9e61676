"""What a task says of a run that has not ended as it should, with what can be looked up about it by then."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import AirflowException, AirflowSkipException
from airflow_provider_polytomic.exceptions import PolytomicRunFailed, PolytomicRunTimeout, refusing
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators._ledger import Ledger
from airflow_provider_polytomic.operators._link import linked

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.runs import Cause, Execution

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds for the answer of one request."""


def look_for_cause(execution: Execution, conn_id: str) -> Cause:
    """Return what Polytomic says besides, within a few seconds; whatever goes wrong here changes no verdict.

    :param conn_id: id of the Airflow connection
    """
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.files import read_beginning
    from airflow_provider_polytomic.runs import Cause, cause_of, first_records

    cause = Cause()
    try:
        config = PolytomicHook(conn_id).config()
        with PolytomicClient(config=config) as client:
            cause = client.run(cause_of(execution, config.secrets))
        if cause.error_file and not config.hide_error_records:
            beginning = read_beginning(cause.error_file, config)
            cause = replace(cause, records=first_records(beginning or "", *config.secrets))
    except Exception as error:
        log.debug("The cause of %s could not be looked for: %s", execution.id, type(error).__name__)
    return cause


def refusing_run(what: str, kind: str, sync_id: str, conn_id: str) -> AbstractContextManager[None]:
    """Do as :func:`refusing` does, and name what is wrong with the sync where Polytomic does not accept a request."""
    return refusing(what, conn_id, problems=partial(_problems_of, kind, sync_id, conn_id))


def _problems_of(kind: str, sync_id: str, conn_id: str) -> list[str]:
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.runs import kind_of

    try:
        with PolytomicClient(config=PolytomicHook(conn_id).config()) as client:
            sync = client.send(kind_of(kind).sync(sync_id).within(PATIENCE))
        return [problem.message or problem.code for problem in getattr(sync, "problems", ())]
    except Exception as error:
        log.debug("The problems of %s could not be looked for: %s", sync_id, type(error).__name__)
        return []


def in_use(other: Execution, if_running: str) -> AirflowException:
    """Return what to raise where an execution that is not ours runs: a skip, if the task wants that."""
    from airflow_provider_polytomic.runs import report

    advice = 'if_running="wait" waits for its end and then starts ours, if_running="join" waits for this one'
    message = report(other, "is running already", advice)
    return AirflowSkipException(message) if if_running == "skip" else PolytomicRunFailed(message, other.result())


def late(context: Context, execution: Execution, conn_id: str, advice: str) -> PolytomicRunTimeout:
    """Push the result of an execution whose time was up, and return what to raise."""
    from airflow_provider_polytomic.runs import Outcome, report

    execution = linked(context, execution)
    Ledger(context).push_result(execution.result())
    headline = "has not ended in time"
    if execution.outcome.final:
        by_us = execution.outcome is Outcome.CANCELED
        headline += ", and was canceled by this task" if by_us else ", but before this task could cancel it"
    cause = look_for_cause(execution, conn_id)
    return PolytomicRunTimeout(report(execution, headline, advice, cause), execution.result())
