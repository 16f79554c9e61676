"""Operators for model syncs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._task.values import as_bool, as_ids, as_list, with_lists
from airflow_provider_polytomic.operators._cancel import BaseCancelOperator
from airflow_provider_polytomic.operators._start import BaseStartOperator

if TYPE_CHECKING:
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import Execution, IfRunning


class PolytomicStartSyncOperator(BaseStartOperator):
    """Start a model sync and wait for its end.

    A retry after a lost worker finds the execution that this task instance has started. A retry after a failed
    execution starts another one. A clear always runs the sync again.

    :param sync_id: Id of the model sync (str); default None. (templated)
    :param sync_name: Exact name of the model sync (str), instead of its id; default None. (templated)
    :param resync: Whether to sync all records (bool) instead of the changed ones; default False. (templated)
    :param test: Whether to start a test execution (bool); passed to Polytomic; default False. (templated)
    :param identities: Values of the identity field (sequence of str) of the records to sync; default None: all records.
        (templated)
    :param source_identities: Records to sync (sequence of sequences of dict), each by the dicts of its fields with
        ``source`` and ``value``, instead of ``identities``; default None. (templated)
    :param retry_resync: Whether a retry after an execution with too many record errors syncs all records (bool). With
        the default False, Airflow does not retry the task if Polytomic would not send the rejected records again.
        (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param wait_for_completion: Whether to wait for the end of the execution (bool) or only start it; default True.
    :param deferrable: Whether to wait in the triggerer (bool); default: Airflow's ``[operators] default_deferrable``.
    :param poll_interval: Seconds (float or timedelta) between two status requests, and the longest time that the end
        goes unnoticed; default 30.
    :param timeout: Seconds (float or timedelta) to wait from the start of the execution; then it is canceled if
        ``cancel_on_kill`` is set, and the task fails; default None: no limit.
    :param if_running: What to do (str) if an execution of somebody else is running: ``"wait"`` for its end and start
        another one, ``"join"`` it, ``"fail"``, or ``"skip"`` the task; default ``"wait"``.
    :param cancel_on_kill: Whether to cancel the execution (bool) when the task is killed, marked, cleared or timed out.
        A restart of the triggerer cancels nothing, and a joined execution is never canceled; default True.
    :param max_errors: Largest number of record errors (int) with which the task succeeds; default None: any number,
        with a warning.
    :param min_records: Smallest number of records (int) that an execution must send for the task to succeed; default
        None: any.
    :param max_deviation: Largest share (float, from 0 to 1) by which the number of records may be below the median of
        the successful executions before, with requests for these; default None: any.
    :param console_log: Whether to copy the execution's console log to the task log (bool); default False.
    :param fail_if_scheduled: Whether to fail before the start (bool) if the sync has a schedule of its own in
        Polytomic, with one more request; default False, which logs the schedule.
    :raises PolytomicRunFailed: if the execution fails, or another one is running and ``if_running`` is ``"fail"``
    :raises PolytomicRunCanceled: if the execution is canceled
    :raises PolytomicRunIncomplete: if more records have errors than ``max_errors``, or fewer
        records are sent than ``min_records`` or ``max_deviation`` allow
    :raises PolytomicRecordsRejected: if so, and another execution would not send them again; not retried
    :raises PolytomicRunTimeout: if the execution does not end before the timeout
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises AirflowSkipException: if another execution is running and ``if_running`` is ``"skip"``
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicStartSyncOperator(
            task_id="contacts_to_hubspot",
            sync_id="248df4b7-aa70-47b8-a036-33ac447e668d",
            deferrable=True,
        )

    .. seealso::
        How-to: ``docs/model_syncs.md``. API: ``POST /api/syncs/{id}/executions``
    """

    kind = "model"
    template_fields: Sequence[str] = (
        "sync_id", "sync_name", "resync", "test", "identities", "source_identities", "retry_resync",
        *BaseStartOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        sync_id: str | None = None,
        sync_name: str | None = None,
        resync: bool = False,
        test: bool = False,
        identities: Sequence[str] | None = None,
        source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
        retry_resync: bool = False,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 30.0,
        timeout: float | timedelta | None = None,
        if_running: IfRunning = "wait",
        cancel_on_kill: bool = True,
        max_errors: int | None = None,
        min_records: int | None = None,
        max_deviation: float | None = None,
        console_log: bool = False,
        fail_if_scheduled: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poll_interval=poll_interval,
            timeout=timeout,
            if_running=if_running,
            cancel_on_kill=cancel_on_kill,
            max_errors=max_errors,
            min_records=min_records,
            max_deviation=max_deviation,
            console_log=console_log,
            fail_if_scheduled=fail_if_scheduled,
            **kwargs,
        )
        self.sync_id = sync_id
        self.sync_name = sync_name
        self._check_sync_parameters()
        self.resync = resync
        self.test = test
        self.identities = identities
        self.source_identities = source_identities
        self.retry_resync = retry_resync

    @property
    def _retry_is_plain(self) -> bool:  # type: ignore[override]
        return not (as_bool(self.resync, "resync") or as_bool(self.retry_resync, "retry_resync"))

    def _request_body(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        resync = as_bool(self.resync, "resync")
        if as_bool(self.retry_resync, "retry_resync"):
            resync |= any(execution.counts["error"] > (self.max_errors or 0) for execution in previous_executions)
        return {
            "resync": resync or None,
            "test": as_bool(self.test, "test") or None,
            "identities": as_ids(self.identities, "identities"),
            "source_identities": with_lists(as_list(self.source_identities, "source_identities")),
        }

    def _is_followed(self, execution: Execution) -> Flow[bool]:
        """Return whether a later attempt starts another execution: not if that would not resend rejected records."""
        from airflow_provider_polytomic.executions import Outcome, find_resends_rejected

        rejected = execution.outcome is Outcome.SUCCESS and self._criteria.exceeded_by(execution)
        if rejected and self._retry_is_plain:
            return (yield from find_resends_rejected(self._sync_id)) is not False
        return (yield from super()._is_followed(execution))


class PolytomicCancelSyncOperator(BaseCancelOperator):
    """Cancel the running execution of a model sync; succeed if none is running.

    :param sync_id: Id of the model sync (str); default None. (templated)
    :param sync_name: Exact name of the model sync (str), instead of its id; default None. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param wait_for_completion: Whether to wait for the end of the execution (bool), which may still end as completed;
        default True.
    :param poll_interval: Seconds (float or timedelta) between two status requests; default 5.
    :param timeout: Seconds (float or timedelta) to wait for the end; then the task fails; default 600.
    :raises PolytomicRunTimeout: if the execution does not end before the timeout
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicCancelSyncOperator(task_id="cancel", sync_id="248df4b7-aa70-47b8-a036-33ac447e668d")

    .. seealso::
        How-to: ``docs/cancel.md``. API: ``POST /api/syncs/{id}/executions/{execution id}/cancel``
    """

    kind = "model"
    template_fields: Sequence[str] = ("sync_id", "sync_name", *BaseCancelOperator.template_fields)

    def __init__(
        self,
        *,
        sync_id: str | None = None,
        sync_name: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        wait_for_completion: bool = True,
        poll_interval: float | timedelta = 5.0,
        timeout: float | timedelta = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            wait_for_completion=wait_for_completion,
            poll_interval=poll_interval,
            timeout=timeout,
            **kwargs,
        )
        self.sync_id = sync_id
        self.sync_name = sync_name
        self._check_sync_parameters()
