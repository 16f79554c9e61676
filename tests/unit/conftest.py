from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator


@dataclass
class Kind:
    """One kind of sync: its operators, and its syncs in the emulator."""

    name: str
    emulator: Any
    start_class: Any
    cancel_class: Any
    id_name: str

    def add(self, **plan: Any) -> str:
        """Add a sync that does as planned, and return its id."""
        if self.name == "model":
            return self.emulator.add_model_sync(**plan).id
        return self.emulator.add_bulk_sync(**{"schemas": [{"id": "contact"}], **plan}).id

    def start(self, sync_id: Any, **options: Any) -> Any:
        return self.start_class(task_id="sync", **{self.id_name: sync_id, "poll_interval": 5, **options})

    def cancel(self, sync_id: Any, **options: Any) -> Any:
        return self.cancel_class(task_id="cancel", **{self.id_name: sync_id, **options})

    def requests(self, method: str, ending: str) -> list[Any]:
        return [one for one in self.emulator.requests if one.method == method and one.path.endswith(ending)]

    @property
    def starts(self) -> list[Any]:
        return self.requests("POST", "/executions")

    @property
    def cancels(self) -> list[Any]:
        return self.requests("POST", "/cancel")


KINDS = {
    "model": (PolytomicStartSyncOperator, PolytomicCancelSyncOperator, "sync_id"),
    "bulk": (PolytomicStartBulkSyncOperator, PolytomicCancelBulkSyncOperator, "bulk_sync_id"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, emulator: Any) -> Kind:
    return Kind(request.param, emulator, *KINDS[request.param])


@pytest.fixture(params=[False, True], ids=["worker", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return request.param
