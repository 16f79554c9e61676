"""What a task raises. All are Airflow exceptions, so that ``soft_fail`` and retry policies see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicError
    from airflow_provider_polytomic.runs import Execution, Standard


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


@contextmanager
def refusing(what: str, conn_id: str, hidden: Sequence[str] = ()) -> Iterator[None]:
    """Turn a request that fails into what the task raises: what failed, in Polytomic's words, and what to do.

    :param what: what could not be done, as a sentence without its end
    :param conn_id: id of the Airflow connection that is used
    :param hidden: texts that must not be in the message
    """
    from airflow_provider_polytomic.api import PolytomicError

    try:
        yield
    except PolytomicError as error:
        raise _refusal(error, what, conn_id, hidden) from None


def _refusal(error: PolytomicError, what: str, conn_id: str, hidden: Sequence[str]) -> PolytomicTaskError:
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
    said = redact(str(error), *hidden)
    if advice:
        return PolytomicRequestRefused(f"{what}: {said}. Next: {advice}")
    return PolytomicUnavailable(
        f"{what}: {said}. Next: is the host of the Airflow connection {conn_id!r} right and Polytomic up? "
        "A retry of the task goes on where this attempt stopped"
    )


def shortfall(
    execution: Execution, standard: Standard, again: str = "a retry or a clear of the task starts it again"
) -> PolytomicRunError | None:
    """Say what an ended execution lacks of what the task asks; None if it lacks nothing.

    :param again: how it comes to another execution
    """
    from airflow_provider_polytomic.runs import Outcome, report

    if standard.met_by(execution):
        return None
    result = execution.result()
    if execution.outcome is Outcome.CANCELED:
        return PolytomicRunCanceled(report(execution, "was canceled", again), result)
    if execution.outcome is Outcome.FAILED:
        return PolytomicRunFailed(report(execution, "failed", f"mend the cause; {again}"), result)
    if standard.exceeded_by(execution):
        count = execution.counts["error"]
        said = f"has {count} record errors, more than the {standard.max_errors} that max_errors allows"
        return PolytomicRunIncomplete(report(execution, said, "mend the records, or allow more errors"), result)
    advice = f"mend the schemas named above; {again}; fail_on_partial=False accepts it as it is"
    return PolytomicRunIncomplete(report(execution, "is incomplete", advice), result)
