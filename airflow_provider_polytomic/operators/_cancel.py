"""Base of the operators that cancel the running execution of a sync."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.client import open_client
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.link import push_link, with_link
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic.durations import duration
from airflow_provider_polytomic.exceptions import PolytomicRunTimeout
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName


class BaseCancelOperator(SyncTask, BaseOperator):
    """Cancel the running execution of a sync; succeed if none is running."""

    template_fields: Sequence[str] = ("polytomic_conn_id", "organization_id")
    operator_extra_links = (PolytomicSyncLink(),)
    class_names: ClassVar[dict[SyncKindName, str]] = {
        "model": "PolytomicCancelSyncOperator",
        "bulk": "PolytomicCancelBulkSyncOperator",
    }
    _sync_action = "canceled"

    def __init__(
        self,
        *,
        polytomic_conn_id: str,
        organization_id: str | None,
        wait_for_completion: bool,
        poll_interval: float | timedelta,
        timeout: float | timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        self.wait_for_completion = wait_for_completion
        self.poll_interval = duration(poll_interval, "poll_interval")
        self.timeout = duration(timeout, "timeout")

    def execute(self, context: Context) -> ExecutionResult | None:
        """Cancel the execution and return its result; None if none was running."""
        from airflow_provider_polytomic.api.redaction import one_line
        from airflow_provider_polytomic.executions import (
            DeadlinePassed,
            Execution,
            cancel_current,
            report,
        )

        client = open_client(self._hook, self.timeout)
        with translate_api_errors(f"{self._label} could not be canceled", self._hook):
            client.run(self._resolve_sync(context))
        canceling = cancel_current(
            self.kind,
            self._sync_id,
            poll_interval=self.poll_interval,
            timeout=self.timeout if self.wait_for_completion else None,
            on_found=partial(push_link, self, context, client),
        )
        try:
            with translate_api_errors(f"{self._label} could not be canceled", self._hook):
                execution = client.run(self._with_advice(canceling))
        except DeadlinePassed as passed:
            unknown = Execution.unknown(self.kind, self._sync_id, passed.target.execution_id)  # type: ignore[union-attr]
            last = with_link(context, passed.execution or unknown)
            steps = ["check in Polytomic why it has not ended", "set a longer timeout"]
            message = report(last, f"has not ended within {self.timeout:g} s after its cancellation", steps)
            raise PolytomicRunTimeout(message, last.result()) from None
        if execution is None:
            self.log.info("%s: no execution is running", self._label)
            return None
        self.log.info("%s: execution %s is %s", self._label, one_line(execution.id), execution.status)
        return storable(with_link(context, execution).result(), "the result")
