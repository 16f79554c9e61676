"""What a task raises. All are Airflow exceptions, so that ``soft_fail`` and retry policies see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicError
    from airflow_provider_polytomic.executions import Diagnostics, Execution, SuccessCriteria
    from airflow_provider_polytomic.results import ExecutionResult


class PolytomicTaskError(AirflowException):
    """Root of what the operators, sensors and the hook raise."""


class PolytomicRunError(PolytomicTaskError):
    """An execution has not ended as the task wants it.

    :param result: what is known of the execution, as in XCom; None if nothing is
    :param without_records: the message without any record of the data, for those who must not see them; default: the
        message
    """

    def __init__(self, message: str, result: ExecutionResult | None = None, without_records: str | None = None) -> None:
        super().__init__(message)
        self.result = result
        self.without_records = without_records or message


class PolytomicRunFailed(PolytomicRunError):
    """The execution failed, or could not be started because another one runs."""


class PolytomicRunCanceled(PolytomicRunError):
    """The execution was canceled."""


class PolytomicRunIncomplete(PolytomicRunError):
    """The execution ended, and some schemas failed or more records had errors than are allowed."""


class PolytomicRunTimeout(PolytomicRunError):
    """The execution had not ended when the time was up."""


class PolytomicUnavailable(PolytomicTaskError):
    """Polytomic gave no usable answer; another attempt may get one."""


class PolytomicRequestRefused(PolytomicTaskError, AirflowFailException):
    """Polytomic refuses the request (400, 401, 403, 404, 422), or it cannot be made as it is; no retry mends that."""


PROBLEMS_NAMED = 5

LONGEST_REFUSAL = 1000
"""Letters of what Polytomic says of a request that are repeated."""

_INACTIVE = re.compile(r"\b(not active|inactive)\b", re.IGNORECASE)


@contextmanager
def translate_api_errors(
    what: str, conn_id: str, hidden: Sequence[str] = (), problems: Callable[[], Sequence[str]] = tuple
) -> Iterator[None]:
    """Turn a request that fails into what the task raises: what failed, in Polytomic's words, and what to do.

    :param what: what could not be done, as a sentence without its end
    :param conn_id: id of the Airflow connection that is used
    :param hidden: texts that must not be in the message
    :param problems: looks up what is wrong, where Polytomic does not accept the request as it is
    """
    from airflow_provider_polytomic.api import PolytomicError, PolytomicValidationError

    try:
        yield
    except PolytomicError as error:
        found = problems() if isinstance(error, PolytomicValidationError) else ()
        raise _refusal(error, what, conn_id, hidden, found) from None


def _refusal(
    error: PolytomicError, what: str, conn_id: str, hidden: Sequence[str], problems: Sequence[str]
) -> PolytomicTaskError:
    from airflow_provider_polytomic import api
    from airflow_provider_polytomic.api.redaction import one_line, redact

    advice_for: dict[type[PolytomicError], str] = {
        api.PolytomicAuthError: f"Polytomic does not accept the API key of the Airflow connection {conn_id!r}: is it "
        "whole and not revoked, and does it need an organization id?",
        api.PolytomicPermissionError: f"the API key of the Airflow connection {conn_id!r} may not do this",
        api.PolytomicNotFoundError: f"is the id right, and does the API key of the Airflow connection {conn_id!r} "
        "belong to the organization that has it?",
        api.PolytomicValidationError: "correct what Polytomic names",
    }
    advice = advice_for.get(type(error))
    said = one_line(redact(str(error), *hidden), LONGEST_REFUSAL).rstrip(".")
    if isinstance(error, api.PolytomicValidationError) and _INACTIVE.search(said):
        advice = "activate it in Polytomic"
    lines = [f"  problem: {one_line(redact(problem, *hidden))}" for problem in problems[:PROBLEMS_NAMED]]
    named = "\n".join(["", *lines, "  "]) if lines else " "
    if advice:
        return PolytomicRequestRefused(f"{what}: {said}.{named}Next: {advice}")
    return PolytomicUnavailable(f"{what}: {said}. Next: {_passing_advice(error, conn_id)}")


def _passing_advice(error: PolytomicError, conn_id: str) -> str:
    from airflow_provider_polytomic import api

    again = "A retry of the task goes on where this attempt stopped"
    connection = f"the Airflow connection {conn_id!r}"
    if isinstance(error, api.PolytomicConflictError):
        return f"something else is at work on it: see in Polytomic what, and let it end. {again}"
    if isinstance(error, api.PolytomicRateLimitError):
        return (
            "Polytomic limits requests: let fewer tasks run at a time, or set max_requests_per_minute in "
            f"{connection}. {again}"
        )
    if isinstance(error, api.PolytomicResponseError) and not error.transient:
        return f"correct the host of {connection}: it is the address at which you open Polytomic in the browser"
    return f"is the host of {connection} right and Polytomic up? {again}"


def error_for(
    execution: Execution,
    standard: SuccessCriteria,
    again: str = "a retry or a clear of the task starts it again",
    cause: Diagnostics | None = None,
) -> PolytomicRunError:
    """Say what an ended execution lacks of what the task asks, given that it lacks something.

    :param again: how it comes to another execution
    :param cause: what is known of why it ended so
    """
    from airflow_provider_polytomic.executions import Diagnostics, Outcome, advice_for

    cause = cause or Diagnostics()
    kind: type[PolytomicRunError] = PolytomicRunIncomplete
    said, advice = "is incomplete", advice_for(execution, cause) or "mend the schemas named above"
    if execution.outcome is Outcome.CANCELED:
        kind, said, advice = PolytomicRunCanceled, "was canceled, and not by this task", _ASK
    elif execution.outcome is Outcome.FAILED:
        kind, said, advice = PolytomicRunFailed, "failed", after_failure(execution, cause)
    elif standard.exceeded_by(execution):
        count = execution.counts["error"]
        said = f"has {count} record errors, more than the {standard.max_errors} that max_errors allows"
        advice = "mend the records, or allow more errors"
    steps = [advice, again, *_schema_advice(execution)]
    if execution.outcome is Outcome.PARTIAL and kind is PolytomicRunIncomplete:
        steps.append("fail_on_partial=False accepts it as it is")
    return reporting(kind, execution, said, "; ".join(steps), cause)


def reporting(
    kind: type[PolytomicRunError], execution: Execution, headline: str, advice: str, cause: Diagnostics
) -> PolytomicRunError:
    """Return an error whose message is the report of an execution.

    :param kind: class of the error
    :param headline: what became of the execution, as the end of a sentence about the sync
    :param advice: what to do next
    :param cause: what is known besides
    """
    from airflow_provider_polytomic.executions import report

    texts = [report(execution, headline, advice.split("; "), each) for each in (cause, replace(cause, records=()))]
    return kind(texts[0], execution.result(), texts[1])


def after_failure(execution: Execution, cause: Diagnostics) -> str:
    """Say what to do about a failed execution."""
    from airflow_provider_polytomic.executions import advice_for

    known = advice_for(execution, cause)
    named = execution.errors or execution.failed_schemas or cause.problems or cause.unhealthy_connections
    unknown = "mend what is named above" if named else "open the execution's log in Polytomic, which may say more"
    return known or unknown


_ASK = "see in Polytomic's history of the sync who has canceled it, since its API does not say"

SCHEMAS_NAMED = 10


def _schema_advice(execution: Execution) -> list[str]:
    """Say how only what failed can be synced again, where something else did not fail."""
    failed = [row["schema"] for row in execution.failed_schemas]
    if not failed or len(failed) == len(execution.schemas):
        return []
    named = f"schemas={failed!r}" if len(failed) <= SCHEMAS_NAMED else "schemas=[…]"
    of_start = "retry_failed_schemas=True of the task that starts it"
    return [f"{of_start} lets a retry sync only what failed, {named} a task of its own"]
