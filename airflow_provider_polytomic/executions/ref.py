"""Which execution is meant, in three words that can be carried anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind


@dataclass(frozen=True)
class ExecutionRef:
    """One execution of one sync.

    :param kind: ``model`` or ``bulk``
    """

    kind: str
    sync_id: str
    execution_id: str

    def __str__(self) -> str:
        return f"execution {self.execution_id} of {sync_kind(self.kind).label} {self.sync_id}"

    def fetch(self, *, without_retries: bool = False) -> Flow[Execution]:
        """Ask how it is.

        :param without_retries: leave it at one request, for callers that come back anyway
        """
        kind = sync_kind(self.kind)
        call = kind.get(self.sync_id, self.execution_id)
        told = yield from send(call.without_retries() if without_retries else call)
        return kind.read(self.sync_id, told)
