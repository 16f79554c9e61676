"""What a task raises. All are Airflow exceptions, so that ``soft_fail`` and retry policies see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicError


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


def refusal(error: PolytomicError, what: str, conn_id: str) -> PolytomicTaskError:
    """Turn a failed request into what the task raises: what failed, in Polytomic's words, and what to do.

    :param what: what could not be done, as a sentence without its end
    :param conn_id: id of the Airflow connection that was used
    """
    from airflow_provider_polytomic import api

    advice_for: dict[type[PolytomicError], str] = {
        api.PolytomicAuthError: f"Polytomic does not accept the API key of the Airflow connection {conn_id!r}: is it "
        "whole and not revoked, and does it need an organization id?",
        api.PolytomicPermissionError: f"the API key of the Airflow connection {conn_id!r} may not do this",
        api.PolytomicNotFoundError: f"is the id right, and does the API key of the Airflow connection {conn_id!r} "
        "belong to the organization that has it?",
        api.PolytomicValidationError: "correct what Polytomic names",
    }
    advice = advice_for.get(type(error))
    if advice:
        return PolytomicRequestRefused(f"{what}: {error}. Next: {advice}")
    return PolytomicUnavailable(
        f"{what}: {error}. Next: is the host of the Airflow connection {conn_id!r} right and Polytomic up? "
        "A retry of the task goes on where this attempt stopped"
    )
