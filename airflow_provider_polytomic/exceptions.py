"""What a task raises. All are Airflow exceptions, so that ``soft_fail`` and retry policies see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicError
    from airflow_provider_polytomic.runs import Cause, Execution, Standard


class PolytomicTaskError(AirflowException):
    """Root of what the operators, sensors and the hook raise."""


class PolytomicRunError(PolytomicTaskError):
    """An execution has not ended as the task wants it.

    :param result: what is known of the execution, as in XCom; None if nothing is
    """

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


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


@contextmanager
def refusing(
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
    from airflow_provider_polytomic.api.redaction import redact

    advice_for: dict[type[PolytomicError], str] = {
        api.PolytomicAuthError: f"Polytomic does not accept the API key of the Airflow connection {conn_id!r}: is it "
        "whole and not revoked, and does it need an organization id?",
        api.PolytomicPermissionError: f"the API key of the Airflow connection {conn_id!r} may not do this",
        api.PolytomicNotFoundError: f"is the id right, and does the API key of the Airflow connection {conn_id!r} "
        "belong to the organization that has it?",
        api.PolytomicValidationError: "correct what Polytomic names",
    }
    advice = advice_for.get(type(error))
    said = redact(str(error), *hidden).rstrip(".")
    lines = [f"  problem: {redact(problem, *hidden)}" for problem in problems[:PROBLEMS_NAMED]]
    named = "\n".join(["", *lines, "  "]) if lines else " "
    if advice:
        return PolytomicRequestRefused(f"{what}: {said}.{named}Next: {advice}")
    return PolytomicUnavailable(
        f"{what}: {said}. Next: is the host of the Airflow connection {conn_id!r} right and Polytomic up? "
        "A retry of the task goes on where this attempt stopped"
    )


def shortfall(
    execution: Execution,
    standard: Standard,
    again: str = "a retry or a clear of the task starts it again",
    cause: Cause | None = None,
) -> PolytomicRunError:
    """Say what an ended execution lacks of what the task asks, given that it lacks something.

    :param again: how it comes to another execution
    :param cause: what is known of why it ended so
    """
    from airflow_provider_polytomic.runs import Cause, Outcome, remedy, report

    cause = cause or Cause()
    kind: type[PolytomicRunError] = PolytomicRunIncomplete
    said, advice = "is incomplete", remedy(execution, cause) or "mend the schemas named above"
    if execution.outcome is Outcome.CANCELED:
        kind, said, advice = PolytomicRunCanceled, "was canceled, and not by this task", _ASK
    elif execution.outcome is Outcome.FAILED:
        kind, said, advice = PolytomicRunFailed, "failed", remedy(execution, cause) or "mend the cause"
    elif standard.exceeded_by(execution):
        count = execution.counts["error"]
        said = f"has {count} record errors, more than the {standard.max_errors} that max_errors allows"
        advice = "mend the records, or allow more errors"
    steps = [advice, again, *_schema_advice(execution)]
    if execution.outcome is Outcome.PARTIAL and kind is PolytomicRunIncomplete:
        steps.append("fail_on_partial=False accepts it as it is")
    return kind(report(execution, said, "; ".join(steps), cause), execution.result())


_ASK = "see in Polytomic's history of the sync who has canceled it, since its API does not say"

SCHEMAS_NAMED = 10


def _schema_advice(execution: Execution) -> list[str]:
    """Say how only what failed can be synced again, where something else did not fail."""
    failed = [row["schema"] for row in execution.failed_schemas]
    if not failed or len(failed) == len(execution.schemas):
        return []
    named = f"schemas={failed!r}" if len(failed) <= SCHEMAS_NAMED else "schemas=[…]"
    return [f"retry_failed_schemas=True lets a retry sync only what failed, {named} a task of its own"]
