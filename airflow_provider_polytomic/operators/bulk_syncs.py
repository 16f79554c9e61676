"""Operators for bulk syncs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic._task.asset_events import SchemaOutlets
from airflow_provider_polytomic._task.client import answer_timeout
from airflow_provider_polytomic._task.sync_task import SYNC_PARAMETERS
from airflow_provider_polytomic._task.values import as_bool, as_ids, choice
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.operators._cancel import BaseCancelOperator
from airflow_provider_polytomic.operators._start import BaseStartOperator

if TYPE_CHECKING:
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import Execution, ExecutionRef, IfRunning, StartRequest, StartResult
    from airflow_provider_polytomic.results import SchemaResult

T = TypeVar("T")


class PolytomicStartBulkSyncOperator(BaseStartOperator):
    """Start a bulk sync and wait for its end.

    A retry after a lost worker finds the execution that this task instance has started. A retry after a failed
    execution starts another one. A clear always runs the sync again.

    :param bulk_sync_id: Id of the bulk sync (str); default None. (templated)
    :param bulk_sync_name: Exact name of the bulk sync (str), instead of its id; default None. (templated)
    :param schemas: Ids of the schemas to sync (sequence of str); default None: all enabled schemas. (templated)
    :param resync_mode: ``"refetch"``, ``"resync"`` or ``"rebuild"`` (str); default None: sync the changes. (templated)
    :param fetch_mode: ``"none"``, ``"incremental"`` or ``"full"`` (str), where supported; default None. (templated)
    :param test: Whether to sync only a few records (bool), without ``resync_mode``; default False. (templated)
    :param fail_on_partial: Whether the task fails if schemas fail (bool), or only logs a warning; default True.
    :param retry_failed_schemas: Whether a retry of the task syncs only the schemas that have not completed (bool); the
        result then has the last state of each schema across the attempts; default False.
    :param schema_outlets: Which outlets of ``bulk_sync_asset(schema=…)`` get an event (str): ``"with_rows"``, if the
        schema completed and received rows, or ``"always"``; default ``"with_rows"``.
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
    :raises PolytomicRunIncomplete: if schemas fail, or more records have errors than ``max_errors``, or fewer
        records are sent than ``min_records`` or ``max_deviation`` allow
    :raises PolytomicRunTimeout: if the execution does not end before the timeout
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises AirflowSkipException: if another execution is running and ``if_running`` is ``"skip"``
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicStartBulkSyncOperator(
            task_id="salesforce_to_snowflake",
            bulk_sync_id="9f2c4b61-5f3c-4a4e-8a77-0d3ab3a3b6f1",
            schemas=["Account", "Contact"],
            deferrable=True,
        )

    .. seealso::
        How-to: ``docs/bulk_syncs.md``. API: ``POST /api/bulk/syncs/{id}/executions``
    """

    kind = "bulk"
    _sync_parameters = SYNC_PARAMETERS["bulk"]
    template_fields: Sequence[str] = (
        "bulk_sync_id", "bulk_sync_name", "schemas", "resync_mode", "fetch_mode", "test",
        *BaseStartOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        bulk_sync_id: str | None = None,
        bulk_sync_name: str | None = None,
        schemas: Sequence[str] | None = None,
        resync_mode: str | None = None,
        fetch_mode: str | None = None,
        test: bool = False,
        fail_on_partial: bool = True,
        retry_failed_schemas: bool = False,
        schema_outlets: SchemaOutlets = "with_rows",
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
        self.bulk_sync_id = bulk_sync_id
        self.bulk_sync_name = bulk_sync_name
        self._check_sync_parameters()
        self.schemas = schemas
        self.resync_mode = resync_mode
        self.fetch_mode = fetch_mode
        self.test = test
        self.fail_on_partial = fail_on_partial
        self.retry_failed_schemas = retry_failed_schemas
        self.schema_outlets: SchemaOutlets = choice(schema_outlets, "schema_outlets", "with_rows", "always")
        self._wanted_schemas: list[str] = []

    def _check_request(self) -> Flow[None]:
        from airflow_provider_polytomic.executions import UnknownSchemas, find_schemas

        named = as_ids(self.schemas, "schemas")
        if not (named or self.retry_failed_schemas):
            return
        try:
            self._wanted_schemas = yield from self._after_refresh(lambda number: find_schemas(self._sync_id, named))
        except UnknownSchemas as error:
            known = f"choose from {', '.join(error.known)}" if error.known else "check its schemas in Polytomic"
            raise PolytomicRequestRefused(f"{self._label} has {error}. Next: {known}") from None

    def _start_once(self, request: StartRequest, on_started: Callable[[ExecutionRef], None]) -> Flow[StartResult]:
        start = super()._start_once
        # After a refresh, the refusal of the first start may be recorded under its Idempotency-Key.
        return self._after_refresh(
            lambda number: start(replace(request, attempts_before=request.attempts_before + number), on_started)
        )

    def _after_refresh(self, attempt: Callable[[int], Flow[T]]) -> Flow[T]:
        from airflow_provider_polytomic.executions import REFRESH_TIMEOUT, repeat_after_refresh

        return repeat_after_refresh(attempt, self._sync_id, timeout=answer_timeout(self.timeout, REFRESH_TIMEOUT))

    def _request_body(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        test = as_bool(self.test, "test")
        if test and self.resync_mode:
            raise PolytomicRequestRefused("test=True and resync_mode exclude each other. Next: remove one of them")
        schemas = as_ids(self.schemas, "schemas")
        if self.retry_failed_schemas and previous_executions:
            schemas = self._uncompleted_schemas(previous_executions) or schemas
        return {
            "schemas": schemas,
            "resync_mode": self.resync_mode or None,
            "fetch_mode": self.fetch_mode or None,
            "test": test or None,
        }

    def _is_followed(self, execution: Execution) -> Flow[bool]:
        if self.retry_failed_schemas and self._uncompleted_schemas([execution]):  # Some schemas send fewer records.
            return not self._criteria.is_met_by(execution)
        return (yield from super()._is_followed(execution))

    def _previous_schema_results(self, previous_executions: Sequence[Execution]) -> list[SchemaResult]:
        return list(_last_schema_results(previous_executions).values()) if self.retry_failed_schemas else []

    def _uncompleted_schemas(self, executions: Sequence[Execution]) -> list[str]:
        """List the wanted schemas that have not completed; an execution has no result of a schema before its start."""
        from airflow_provider_polytomic.executions.outcome import is_completed_schema

        results = _last_schema_results(executions)
        completed = {schema for schema, result in results.items() if is_completed_schema(result["status"])}
        return [schema for schema in self._wanted_schemas if schema not in completed]


def _last_schema_results(executions: Sequence[Execution]) -> dict[str, SchemaResult]:
    return {result["schema"]: result for execution in executions for result in execution.schemas}


class PolytomicCancelBulkSyncOperator(BaseCancelOperator):
    """Cancel the running execution of a bulk sync; succeed if none is running.

    :param bulk_sync_id: Id of the bulk sync (str); default None. (templated)
    :param bulk_sync_name: Exact name of the bulk sync (str), instead of its id; default None. (templated)
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

        PolytomicCancelBulkSyncOperator(task_id="cancel", bulk_sync_id="9f2c4b61-5f3c-4a4e-8a77-0d3ab3a3b6f1")

    .. seealso::
        How-to: ``docs/cancel.md``. API: ``POST /api/bulk/syncs/{id}/executions/{execution id}/cancel``
    """

    kind = "bulk"
    _sync_parameters = SYNC_PARAMETERS["bulk"]
    template_fields: Sequence[str] = ("bulk_sync_id", "bulk_sync_name", *BaseCancelOperator.template_fields)

    def __init__(
        self,
        *,
        bulk_sync_id: str | None = None,
        bulk_sync_name: str | None = None,
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
        self.bulk_sync_id = bulk_sync_id
        self.bulk_sync_name = bulk_sync_name
        self._check_sync_parameters()
