"""Mixin for operators and sensors of one sync: its id, its executions and the criteria for their success."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.events import ExecutionEvent, unexpected_event_error
from airflow_provider_polytomic._task.link import LinkedTask
from airflow_provider_polytomic._task.state import TaskExecutionState
from airflow_provider_polytomic._task.values import as_id, check_exactly_one, exactly_one
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import ExecutionRef, SuccessCriteria
    from airflow_provider_polytomic.results import SyncKindName

T = TypeVar("T")

SYNC_PARAMETERS: dict[SyncKindName, tuple[str, str]] = {
    "model": ("sync_id", "sync_name"),
    "bulk": ("bulk_sync_id", "bulk_sync_name"),
}
"""The parameters with the id and with the name of the sync, of which a task takes one, for each kind of sync."""

SENSOR_CLASSES: dict[SyncKindName, str] = {
    "model": "PolytomicSyncStatusSensor",
    "bulk": "PolytomicBulkSyncStatusSensor",
}
"""The sensors that wait for one execution, which may begin in the triggerer."""


class SyncTask(LinkedTask, ClientTask):
    """Read the sync of a task from its parameters, and resolve its name when the task runs.

    A name stands for the same sync in all attempts since the last clear, even if syncs are renamed meanwhile: another
    attempt must neither start another sync nor lose the execution that is running.
    """

    kind: SyncKindName
    max_errors: int | None = None
    fail_on_partial = True
    _retry_is_plain = False
    """True for a task whose retry starts the same sync again without a resync."""
    class_names: ClassVar[dict[SyncKindName, str]]
    """Class to use for each kind of sync."""
    _sync_parameters = SYNC_PARAMETERS["model"]
    _resolved_sync_id: str | None = None

    def _check_sync_parameters(self) -> None:
        """Refuse both an id and a name, and none of them, as far as that is known when the DAG file is parsed."""
        check_exactly_one(**self._sync_values)

    @property
    def _sync_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._sync_parameters}

    @property
    def _given_name(self) -> str | None:
        """The name of the sync; None if its id is given."""
        given = exactly_one(**self._sync_values)
        return str(getattr(self, given)) if given == self._sync_parameters[1] else None

    @property
    def _sync_id(self) -> str:
        """The id of the sync; a name must have been resolved."""
        if self._resolved_sync_id is not None:
            return self._resolved_sync_id
        assert self._given_name is None, "the name is not resolved yet"
        name = self._sync_parameters[0]
        return as_id(getattr(self, name), name)

    @property
    def _label(self) -> str:
        from airflow_provider_polytomic.api.redaction import one_line, redact
        from airflow_provider_polytomic.executions import sync_kind

        name = None if self._resolved_sync_id else self._given_name
        return f"{sync_kind(self.kind).label.capitalize()} {repr(one_line(redact(name))) if name else self._sync_id}"

    @property
    def _criteria(self) -> SuccessCriteria:
        from airflow_provider_polytomic.executions import SuccessCriteria

        return SuccessCriteria(self.max_errors, self.fail_on_partial)

    def _with_advice(self, flow: Flow[T], choices: Mapping[SyncKindName, str] | None = None) -> Flow[T]:
        """Run a flow; if it is refused, advise to use the right class or id, or to resolve the name again.

        :param choices: what to use for each kind of sync; default: :attr:`class_names`
        """
        from airflow_provider_polytomic.executions import with_advice_on_id, with_advice_on_name

        if self._given_name is not None:
            return with_advice_on_name(flow)
        return with_advice_on_id(flow, self.kind, self._sync_id, choices or self.class_names)

    def _resolve_sync(self, context: Context, poll_interval: float = 0.0, timeout: float = 0.0) -> Flow[None]:
        """Resolve the name of the sync, unless an attempt since the last clear has done so.

        :param poll_interval: seconds between two requests
        :param timeout: seconds within which a failed request is repeated
        :raises PolytomicRequestRefused: if no sync has the name, or several have it
        :raises PolytomicError: if Polytomic does not list the syncs
        """
        from airflow_provider_polytomic.executions import (
            UnresolvedName,
            repeat_while_transient,
            resolve_sync,
            shown_name,
        )

        name = self._given_name
        if name is None or self._resolved_sync_id is not None:
            return
        state, hook = TaskExecutionState(context), self._hook
        facts = {"name": name, "conn_id": str(hook.polytomic_conn_id), "organization_id": hook.organization_id}
        sync_id = state.get_sync_id(facts)
        if sync_id is None:
            try:
                sync_id = yield from repeat_while_transient(
                    partial(resolve_sync, self.kind, name), self._label, poll_interval, timeout
                )
            except UnresolvedName as error:
                raise PolytomicRequestRefused(str(error)) from None
            state.save_sync_id(sync_id, facts)
            self._resolved_name = shown_name(name)
        self._resolved_sync_id = sync_id

    def _resume_sync(self, event: ExecutionEvent) -> None:
        """Continue with the sync that a trigger has waited for, although its name may be that of another one by now.

        :raises PolytomicTaskError: if the event lacks the sync, and the task has only its name
        """
        self._resolved_sync_id = event.sync_id or self._resolved_sync_id
        is_known = self._resolved_sync_id is not None or self._given_name is None
        if not is_known and (event.error is None or event.execution_id):
            raise unexpected_event_error(event.serialize())

    def _ref(self, execution_id: str) -> ExecutionRef:
        from airflow_provider_polytomic.executions import ExecutionRef

        return ExecutionRef(self.kind, self._sync_id, execution_id, self._sync_name or None)
