"""The base of the operators that cancel."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.link import linked, show_link
from airflow_provider_polytomic.exceptions import PolytomicRunTimeout, translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName


class PolytomicCancelOperator(BaseOperator):
    """Cancel whatever execution of a sync runs; that nothing runs is a success.

    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param wait_for_completion: wait until the execution has ended, which may still be as completed; default True
    :param poll_interval: seconds between two looks at it; default 5
    :param timeout: seconds to wait for its end, then the task fails; default 600
    """

    kind: SyncKindName
    template_fields: Sequence[str] = ("polytomic_conn_id",)
    operator_extra_links = (PolytomicSyncLink(),)

    def __init__(
        self,
        *,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        wait_for_completion: bool = True,
        poll_interval: float = 5.0,
        timeout: float = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.polytomic_conn_id = polytomic_conn_id
        self.wait_for_completion = wait_for_completion
        self.poll_interval = poll_interval
        self.timeout = timeout

    @property
    @abstractmethod
    def _sync_id(self) -> str:
        """The id of the sync, as text."""

    def execute(self, context: Context) -> ExecutionResult | None:
        """Cancel, and return the execution that was running; None where none was."""
        from airflow_provider_polytomic.executions import DeadlinePassed, Execution, cancel_current, report, sync_kind

        sync_id = self._sync_id
        label = f"{sync_kind(self.kind).label.capitalize()} {sync_id}"
        timeout = self.timeout if self.wait_for_completion else None
        client = PolytomicHook(self.polytomic_conn_id).get_conn()
        canceling = cancel_current(
            self.kind,
            sync_id,
            poll_interval=self.poll_interval,
            timeout=timeout,
            on_found=partial(show_link, self, context, client),
        )
        try:
            with translate_api_errors(f"{label} could not be canceled", self.polytomic_conn_id):
                execution = client.run(canceling)
        except DeadlinePassed as passed:
            unknown = Execution.unknown(self.kind, sync_id, passed.target.execution_id)  # type: ignore[union-attr]
            last = linked(context, passed.execution or unknown)
            advice = "see in Polytomic why, or allow more time"
            message = report(last, f"has not ended within {self.timeout:g} s after its cancellation", [advice])
            raise PolytomicRunTimeout(message, last.result()) from None
        if execution is None:
            self.log.info("%s: nothing was running", label)
            return None
        self.log.info("%s: execution %s is %s", label, execution.id, execution.status)
        return linked(context, execution).result()
