"""Which execution is meant, in three words that can be carried anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_polytomic.api.protocol import Protocol, send
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of


@dataclass(frozen=True)
class Run:
    """One execution of one sync.

    :param kind: ``model`` or ``bulk``
    """

    kind: str
    sync_id: str
    execution_id: str

    def __str__(self) -> str:
        return f"execution {self.execution_id} of {kind_of(self.kind).label} {self.sync_id}"

    def look(self, *, once: bool = False) -> Protocol[Execution]:
        """Ask how it is.

        :param once: leave it at one request, for callers that come back anyway
        """
        kind = kind_of(self.kind)
        call = kind.get(self.sync_id, self.execution_id)
        told = yield from send(call.once() if once else call)
        return kind.read(self.sync_id, told)
