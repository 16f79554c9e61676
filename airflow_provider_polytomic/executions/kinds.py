"""The two kinds of sync, and references to their executions.

Model syncs and bulk syncs have an API module each, with the same function names. Code for both kinds takes a
:class:`SyncKind` and calls, for example, ``kind.api.get_status(sync_id)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import ModuleType
from typing import Any

from airflow_provider_polytomic.api import bulk_syncs, syncs
from airflow_provider_polytomic.api.call import Call, UnusableResponse, validated
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.results import SyncKindName

MAX_ID_LENGTH = 100
"""Characters of an id from outside in a message."""

MAX_LOGGED_NAME_LENGTH = 48
"""Characters of a name in a line of a log, which then fits a screen together with two ids."""


@dataclass(frozen=True)
class SyncKind:
    """Describe one kind of sync.

    :param name: ``model`` or ``bulk``
    :param label: name of the kind in messages
    :param api: API module of the kind, ``syncs`` or ``bulk_syncs``
    :param read: function that normalizes an execution, given the sync's id and the API's model of the execution
    """

    name: SyncKindName
    label: str
    api: ModuleType
    read: Callable[[str, Any], Execution]


_KINDS = {
    "model": SyncKind("model", "model sync", syncs, Execution.of_model_sync),
    "bulk": SyncKind("bulk", "bulk sync", bulk_syncs, Execution.of_bulk_sync),
}


def sync_kind(name: str) -> SyncKind:
    """Return the kind of this name, ``model`` or ``bulk``.

    :raises ValueError: if there is no such kind
    """
    if name not in _KINDS:
        raise ValueError(f"Unknown kind of sync: {name!r}. Use 'model' or 'bulk'")
    return _KINDS[name]


def short_name(name: str) -> str:
    """Return a name as a line of a log has room for it."""
    return name if len(name) <= MAX_LOGGED_NAME_LENGTH else f"{name[: MAX_LOGGED_NAME_LENGTH - 1]}…"


@dataclass(frozen=True)
class ExecutionRef:
    """Refer to one execution of one sync.

    :param kind: ``model`` or ``bulk``
    :param sync_id: id of the sync
    :param execution_id: id of the execution
    :param sync_name: name of the sync, where it is known
    """

    kind: SyncKindName
    sync_id: str
    execution_id: str
    sync_name: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        ids = f"execution {self.execution_id} of {sync_kind(self.kind).label} {self.sync_id}"
        return one_line(f"{short_name(self.sync_name)!r} ({ids})" if self.sync_name else ids)

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution]:
        """Request the execution.

        :param without_retries: send one request only, for callers that poll anyway
        """
        execution: Execution = yield from send(self._poll if without_retries else self._call)
        return execution

    @property
    def _call(self) -> Call[Execution]:
        call: Call[Any] = sync_kind(self.kind).api.get_execution(self.sync_id, self.execution_id)
        return replace(call, model=object).converted(
            partial(_read, call.model, self.kind, self.sync_id, self.execution_id, self.sync_name)
        )

    @cached_property
    def _poll(self) -> Call[Execution]:
        """Request that is built once, and sent at each poll."""
        return self._call.without_retries()


def _read(
    model: Any, kind: SyncKindName, sync_id: str, execution_id: str, sync_name: str | None, payload: Any
) -> Execution:
    """Read the response about one execution; one that shows it running is read no further than the progress needs."""
    running = Execution.of_running(sync_id, payload) if kind == "model" else None
    execution = running or sync_kind(kind).read(sync_id, validated(model, payload))
    if execution.id.strip().lower() != execution_id.strip().lower():
        raise UnusableResponse(f"the response is about another execution: {one_line(execution.id, MAX_ID_LENGTH)}")
    return replace(execution, sync_name=sync_name) if sync_name else execution
