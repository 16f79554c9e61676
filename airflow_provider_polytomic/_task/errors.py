"""Build the exceptions of tasks: refused requests, and unsuccessful executions with diagnostics from the API."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import AirflowException, AirflowSkipException
from airflow_provider_polytomic._task.deadline import run_with_deadline
from airflow_provider_polytomic._task.link import found_sync, with_link
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic.exceptions import (
    PolytomicRecordsRejected,
    PolytomicRequestRefused,
    PolytomicRunCanceled,
    PolytomicRunError,
    PolytomicRunFailed,
    PolytomicRunIncomplete,
    PolytomicRunTimeout,
    PolytomicTaskError,
    PolytomicUnavailable,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import PolytomicError
    from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
    from airflow_provider_polytomic.executions import Diagnostics, Execution, SuccessCriteria
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig
    from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

log = logging.getLogger(__name__)
E = TypeVar("E", bound=PolytomicTaskError)

PROBLEMS_TIMEOUT = 3.0
"""Seconds to wait for the problems of a sync."""

FAILURE_REPORT_TIMEOUT = 8.0
"""Seconds to wait for all diagnostics of an execution."""

MAX_PROBLEMS_SHOWN = 5
MAX_SCHEMAS_NAMED = 10
MAX_REFUSAL_LENGTH = 1000

RETRY_STARTS_AGAIN = "retry or clear the task to start the sync again"
ADVICE_FOR_TIMEOUT = "set a longer timeout, or check in Polytomic why the execution is slow"
ADVICE_FOR_RUNNING = "cancel the execution in Polytomic if it must not continue: it was left running"

_INACTIVE = re.compile(r"\b(not active|inactive)\b", re.IGNORECASE)


@contextmanager
def translate_api_errors(failure: str, hook: PolytomicHook, *, sync: tuple[str, str] | None = None) -> Iterator[None]:
    """Raise an exception of this provider for a failed request: what failed, why, and what to do next.

    :param failure: what could not be done, as a sentence without its full stop
    :param hook: hook that has sent the request
    :param sync: kind and id of a sync; if Polytomic rejects the request as invalid, the message lists its problems
    """
    from airflow_provider_polytomic.api import PolytomicError, PolytomicValidationError

    try:
        yield
    except PolytomicError as error:
        may_have_problems = isinstance(error, PolytomicValidationError) and not error.advice
        problems = _problems_of(*sync, hook) if sync and may_have_problems else []
        raise _translate(error, failure, hook.polytomic_conn_id, problems) from None


def _translate(error: PolytomicError, failure: str, conn_id: str, problems: Sequence[str]) -> PolytomicTaskError:
    from airflow_provider_polytomic import api
    from airflow_provider_polytomic.api.redaction import one_line, redact

    failure, connection = failure[:1].upper() + failure[1:], f"the Airflow connection {conn_id!r}"
    advice_by_class: dict[type[PolytomicError], str] = {
        api.PolytomicAuthError: f"check that the API key of {connection} is complete and not revoked, and whether "
        + (
            "its organization id is right"
            if "organization_id" in error.settings_in_use
            else "it needs an organization id"
        ),
        api.PolytomicPermissionError: f"grant the missing permission to the API key of {connection}",
        api.PolytomicNotFoundError: f"check the id, and whether the API key of {connection} belongs to the same "
        "organization",
        api.PolytomicValidationError: "correct what Polytomic reports",
    }
    if isinstance(error, api.PolytomicNotFoundError) and not _has_id(error.path):
        advice_by_class[type(error)] = f"check the host of {connection}, and the id of the organization if one is set"
    advice = error.advice or advice_by_class.get(type(error))
    reason = one_line(redact(str(error)), MAX_REFUSAL_LENGTH).rstrip(".")
    if isinstance(error, api.PolytomicValidationError) and not error.advice and _INACTIVE.search(reason):
        advice = "activate the sync in Polytomic"
    lines = [f"  problem: {one_line(redact(problem))}" for problem in problems[:MAX_PROBLEMS_SHOWN]]
    separator = "\n".join(["", *lines, "  "]) if lines else " "
    if advice:
        return PolytomicRequestRefused(f"{failure}: {reason}.{separator}Next: {advice}")
    steps = "\n".join(f"    - {step}" for step in _steps_if_unavailable(error, connection))
    return PolytomicUnavailable(f"{failure}: {reason}.\n  Next:\n{steps}")


def _has_id(path: str) -> bool:
    """Return whether the path of a request has the id of an object; that of a list has none."""
    from airflow_provider_polytomic.api.catalogue import OPERATIONS

    return all(path != operation.path_template for operation in OPERATIONS.values())


def _steps_if_unavailable(error: PolytomicError, connection: str) -> list[str]:
    from airflow_provider_polytomic import api
    from airflow_provider_polytomic.api.errors import is_proxy_refusal

    if is_proxy_refusal(error):
        where = connection if "proxy" in error.settings_in_use else "the environment variable that the message names"
        return [f"correct the user and the password in the proxy of {where}"]
    if isinstance(error, api.PolytomicResponseError) and not error.transient:
        return [f"correct the host of {connection}: it is the address at which you open Polytomic in the browser"]
    step = f"check the host of {connection}, and whether Polytomic is up"
    if isinstance(error, api.PolytomicConflictError):
        step = "check in Polytomic what else changes the sync, and wait until that has finished"
    elif isinstance(error, api.PolytomicRateLimitError):
        limit = "a lower " if "max_requests_per_minute" in error.settings_in_use else ""
        step = f"run fewer tasks at a time, or set {limit}max_requests_per_minute in {connection}"
    return [step, "retry the task, which continues where this attempt stopped"]


def _problems_of(kind: str, sync_id: str, hook: PolytomicHook) -> list[str]:
    """Return what Polytomic reports as wrong with a sync."""
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import sync_kind

    try:
        config = replace(hook.config(), max_requests_per_minute=None)
        with PolytomicClient(config=config) as client:
            sync = client.send(sync_kind(kind).api.get(sync_id).with_timeout(PROBLEMS_TIMEOUT))
        return [problem.message or problem.code for problem in getattr(sync, "problems", ())]
    except Exception as error:
        log.debug("Could not get the problems of %s: %s", sync_id, type(error).__name__)
        return []


def find_diagnostics(execution: Execution, task: Any) -> Diagnostics:
    """Return what else Polytomic knows about an unsuccessful execution, as far as it responds in time.

    :param task: an operator or sensor, with which this shares the settings of the sync
    """
    from airflow_provider_polytomic.executions import Diagnostics

    found = [Diagnostics()]
    try:
        config, sync = task._hook.config(), found_sync(task, execution.sync_id)
        run_with_deadline(
            lambda: _collect(execution, config, sync, found), FAILURE_REPORT_TIMEOUT, name="polytomic-diagnostics"
        )
    except Exception as error:
        log.debug("Could not get the diagnostics of execution %s: %s", execution.id, type(error).__name__)
    task._found_sync = found[-1].sync or task._found_sync
    return found[-1]


def _collect(
    execution: Execution, config: ConnectionConfig, sync: Sync | BulkSync | None, found: list[Diagnostics]
) -> None:
    """Append the diagnostics to ``found``, and then the same with records that have errors."""
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.files import read_beginning
    from airflow_provider_polytomic.executions import collect_diagnostics, first_records

    with PolytomicClient(config=replace(config, max_requests_per_minute=None)) as client:
        diagnostics = client.run(collect_diagnostics(execution, config.secrets, sync))
    found.append(diagnostics)
    if diagnostics.error_file and not config.hide_error_records:
        beginning = read_beginning(diagnostics.error_file, config)
        found.append(replace(diagnostics, records=first_records(beginning or "", *config.secrets)))


def already_running_error(other: Execution, if_running: str) -> AirflowException:
    """Return the exception for an execution that is running already: a skip if ``if_running`` is ``"skip"``."""
    from airflow_provider_polytomic.executions import report

    steps = [
        'set if_running="wait" to wait for its end and then start another execution',
        'set if_running="join" to wait for this execution and use its result',
    ]
    message = report(other, "is already running", steps)
    return AirflowSkipException(message) if if_running == "skip" else PolytomicRunFailed(message, other.result())


def error_for(
    context: Context,
    execution: Execution,
    criteria: SuccessCriteria,
    diagnostics: Diagnostics,
    retry_hint: str = RETRY_STARTS_AGAIN,
    shortage: str | None = None,
) -> PolytomicRunError:
    """Return the exception for an ended execution that does not meet the criteria, or has sent too few records.

    :param retry_hint: how another execution is started
    :param shortage: why it has sent too few records, if it has
    """
    from airflow_provider_polytomic.executions import Outcome, advice_for

    error_class: type[PolytomicRunError] = PolytomicRunIncomplete
    headline = "is incomplete"
    advice = advice_for(execution, diagnostics) or "correct the schemas named above"
    if shortage:
        headline = shortage
        advice = "check whether the source had its data in time, or set a lower min_records or a higher max_deviation"
    elif execution.outcome is Outcome.CANCELED:
        error_class, headline = PolytomicRunCanceled, "was canceled, and not by this task"
        advice = "check in the sync's history in Polytomic who canceled it: the API does not say"
    elif execution.outcome is Outcome.FAILED:
        error_class, advice = PolytomicRunFailed, advice_after_failure(execution, diagnostics)
        shown = execution.schema is None or execution.failed_schemas
        headline = "failed" if shown else "was not synced before its execution ended"
    elif criteria.exceeded_by(execution):
        headline = f"has {execution.counts['error']} record errors, more than max_errors={criteria.max_errors} allows"
        advice = "correct the records, or set a higher max_errors"
        task: Any = context["task"]
        if task._retry_is_plain:
            return _error_for_rejected(execution, headline, advice, diagnostics)
    steps = [advice, *_steps_to_run_again(context, execution, retry_hint)]
    if execution.outcome is Outcome.PARTIAL and criteria.fail_on_partial:
        steps.append("set fail_on_partial=False to accept it as it is")
    return _run_error(error_class, execution, headline, steps, diagnostics)


def _error_for_rejected(
    execution: Execution, headline: str, advice: str, diagnostics: Diagnostics
) -> PolytomicRunError:
    """Return the exception for too many record errors in a task whose retry starts the sync without a resync."""
    if diagnostics.resends_rejected is None:
        _warn_of_unread_setting(execution)
    if diagnostics.resends_rejected is not False:
        return _run_error(PolytomicRunIncomplete, execution, headline, [advice, RETRY_STARTS_AGAIN], diagnostics)
    steps = [
        advice,
        "start the sync once with resync=True or resync it in Polytomic: another execution would not send the records "
        "again, so this task is not retried",
        "set retry_resync=True, so that a retry sends all records the next time, or let Polytomic retry records with "
        "errors in the sync's error handling",
    ]
    return _run_error(PolytomicRecordsRejected, execution, headline, steps, diagnostics)


def _warn_of_unread_setting(execution: Execution) -> None:
    log.warning(
        "Could not read the error handling of model sync %s: assuming that the next execution sends the rejected "
        "records again. Set retry_resync=True to send all records in any case",
        execution.sync_id,
    )


def timeout_error(context: Context, execution: Execution, steps: Sequence[str], *, answers: bool) -> PolytomicRunError:
    """Push the result of an execution that has exceeded its timeout, and return the exception.

    :param steps: what to do next if it has not ended or was canceled
    :param answers: whether Polytomic responds, so that there may be diagnostics
    """
    from airflow_provider_polytomic.executions import Diagnostics, Outcome

    execution = with_link(context, execution)
    problem = TaskExecutionState(context).push_result(execution.result())
    diagnostics = find_diagnostics(execution, context["task"]) if answers else Diagnostics()
    headline = "has not ended in time"
    if execution.outcome is Outcome.CANCELED:
        headline, steps = "has not ended in time, and was canceled by this task", [RETRY_STARTS_AGAIN, *steps]
    elif execution.outcome is Outcome.FAILED:
        headline = "failed after the timeout of this task"
        steps = [advice_after_failure(execution, diagnostics), RETRY_STARTS_AGAIN]
    elif execution.outcome is Outcome.PARTIAL:
        headline = "is incomplete, and ended after the timeout of this task"
        steps = ["correct the schemas named above", RETRY_STARTS_AGAIN, longer_timeout(context)]
    elif execution.outcome is Outcome.SUCCESS:
        headline = "has ended, but after the timeout of this task"
        steps = [
            "mark the task as success, since the data has arrived; a retry or a clear runs the sync again",
            longer_timeout(context),
        ]
    return with_problem(_run_error(PolytomicRunTimeout, execution, headline, steps, diagnostics), problem)


def longer_timeout(context: Context) -> str:
    """Return which limit of a start operator to raise: the one that ends its wait first."""
    task = context["task"]
    limit, timeout = task.execution_timeout, getattr(task, "timeout", None)
    is_first = limit is not None and (timeout is None or limit.total_seconds() < timeout)
    return f"set a longer {'execution_timeout' if is_first else 'timeout'}"


def with_problem(error: E, problem: str) -> E:
    """Add a further problem to the message of a failure, below its cause.

    :param problem: a sentence, or "" for none
    """
    if problem:
        error.args = (f"{error}\n  {problem}",)
    return error


def _run_error(
    error_class: type[PolytomicRunError],
    execution: Execution,
    headline: str,
    steps: Sequence[str],
    diagnostics: Diagnostics,
) -> PolytomicRunError:
    from airflow_provider_polytomic.executions import report

    message = report(execution, headline, steps, diagnostics)
    without_records = report(execution, headline, steps, replace(diagnostics, records=()))
    return error_class(message, execution.result(), without_records)


def advice_after_failure(execution: Execution, diagnostics: Diagnostics) -> str:
    """Return what to do about a failed execution."""
    from airflow_provider_polytomic.executions import advice_for

    named = execution.errors or execution.failed_schemas or diagnostics.problems or diagnostics.unhealthy_connections
    default = "correct what is named above" if named else "open the execution's log in Polytomic, which may say more"
    return advice_for(execution, diagnostics) or default


def _steps_to_run_again(context: Context, execution: Execution, retry_hint: str) -> list[str]:
    """Return how to start the sync again and, if other schemas have not failed, the failed schemas only."""
    failed = [row["schema"] for row in execution.failed_schemas]
    if not failed or len(failed) == len(execution.schemas):
        return [retry_hint]
    named = f"schemas={failed!r}" if len(failed) <= MAX_SCHEMAS_NAMED else "schemas=[…]"
    in_another_task = f"start them in another task with {named}"
    task, ti = context["task"], context["ti"]
    if not hasattr(task, "retry_failed_schemas"):
        return [retry_hint, in_another_task]
    if not task.retry_failed_schemas:
        only_failed = (
            "set retry_failed_schemas=True on the start operator, so that a retry syncs only the failed schemas"
        )
        return [retry_hint, f"{only_failed}, or {in_another_task}"]
    if ti.try_number <= ti.max_tries:
        return ["wait for the next attempt, which syncs only the failed schemas; a clear syncs all schemas"]
    return [f"clear the task, which syncs all schemas, or {in_another_task}: no retry is left"]
