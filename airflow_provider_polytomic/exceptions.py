"""Exceptions of operators, sensors and the hook.

All derive from ``AirflowException``, so that ``soft_fail`` and retry policies apply to them::

    PolytomicTaskError
    ├── PolytomicRunError            an execution has not ended as the task requires
    │   ├── PolytomicRunFailed
    │   ├── PolytomicRunCanceled
    │   ├── PolytomicRunIncomplete
    │   │   └── PolytomicRecordsRejected   not retried: no retry would send the records again
    │   └── PolytomicRunTimeout
    ├── PolytomicSnapshotOutdated    the schemas of a bulk sync differ from a committed snapshot; not retried
    ├── PolytomicUnavailable         no usable response; a retry may succeed
    └── PolytomicRequestRefused      not retried

.. code-block:: python

    from airflow_provider_polytomic.exceptions import PolytomicRunIncomplete

    def notify(context):
        if isinstance(context["exception"], PolytomicRunIncomplete):
            print(context["exception"].result["counts"])

.. seealso::
    How-to: ``docs/errors/index.md``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_polytomic.results import ExecutionResult


class PolytomicTaskError(AirflowException):
    """Base of the exceptions that operators, sensors and the hook raise.

    .. code-block:: python

        try:
            PolytomicHook().get_conn()
        except PolytomicTaskError as error:
            print(error)

    .. seealso::
        How-to: ``docs/errors/task_error.md``
    """


class PolytomicRunError(PolytomicTaskError):
    """An execution has not ended as the task requires.

    :param message: The failure report (str).
    :param result: Result of the execution (dict), as in XCom; default None, if nothing is known of it.
    :param message_without_records: The report without records of the data (str), for readers who must not see them;
        default: the message.
    """

    def __init__(
        self, message: str, result: ExecutionResult | None = None, message_without_records: str | None = None
    ) -> None:
        super().__init__(message)
        self.result = result
        self.message_without_records = message_without_records or message


class PolytomicRunFailed(PolytomicRunError):
    """The execution failed, or another execution runs and the task must not wait for it."""


class PolytomicRunCanceled(PolytomicRunError):
    """The execution was canceled, and not by this task."""


class PolytomicRunIncomplete(PolytomicRunError):
    """The execution ended, but schemas failed, more records have errors than allowed, or too few were sent."""


class PolytomicRecordsRejected(PolytomicRunIncomplete, AirflowFailException):
    """More records have errors than allowed, and another execution would not send them again.

    Airflow does not retry the task: a second execution would find nothing changed and end without errors, although the
    rejected records are missing in the target.
    """


class PolytomicRunTimeout(PolytomicRunError):
    """The execution did not end before the timeout."""


class PolytomicUnavailable(PolytomicTaskError):
    """Polytomic sent no usable response; a retry of the task may succeed."""


class PolytomicRequestRefused(PolytomicTaskError, AirflowFailException):
    """Polytomic refuses the request (400, 401, 403, 404, 422), or a parameter or the connection is invalid.

    Airflow does not retry the task, because a retry would fail in the same way.
    """


class PolytomicSnapshotOutdated(PolytomicTaskError, AirflowFailException):
    """The name or the schemas of a bulk sync differ from a committed snapshot.

    Airflow does not retry the task, because a person must decide about the difference.
    """
