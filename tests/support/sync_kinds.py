"""The two kinds of sync: their operators, their sensors, and their syncs in the emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

CLASSES = {
    "model": (PolytomicStartSyncOperator, PolytomicCancelSyncOperator, PolytomicSyncStatusSensor),
    "bulk": (PolytomicStartBulkSyncOperator, PolytomicCancelBulkSyncOperator, PolytomicBulkSyncStatusSensor),
}


@dataclass
class Kind:
    """One kind of sync.

    :param name: ``"model"`` or ``"bulk"``
    :param by_name: whether operators and sensors get the name of a sync instead of its id
    """

    name: str
    emulator: Any
    by_name: bool = False

    def __post_init__(self) -> None:
        self.start_class, self.cancel_class, self.sensor_class = CLASSES[self.name]
        self.id_name = "sync_id" if self.name == "model" else "bulk_sync_id"

    def add(self, **plan: Any) -> str:
        """Add a sync whose executions go as planned, and return its id."""
        if self.by_name:
            plan.setdefault("name", f"Nightly {len(self.emulator.syncs)}")
        if self.name == "model":
            return str(self.emulator.add_model_sync(**plan).id)
        return str(self.emulator.add_bulk_sync(**{"schemas": [{"id": "contact"}], **plan}).id)

    def start(self, sync_id: Any, **options: Any) -> Any:
        """Return a start operator."""
        return self.start_class(task_id="sync", **{**self.named(sync_id), "poll_interval": 5, **options})

    def cancel(self, sync_id: Any, **options: Any) -> Any:
        """Return a cancel operator."""
        return self.cancel_class(task_id="cancel", **{**self.named(sync_id), **options})

    def sensor(self, sync_id: Any, **options: Any) -> Any:
        """Return a status sensor."""
        options = {"poke_interval": 5, "timeout": 600, "deferrable": False, **options}
        return self.sensor_class(task_id="wait", **{**self.named(sync_id), **options})

    def named(self, sync_id: Any) -> dict[str, Any]:
        """Return the parameter that names a sync, by its name or by its id."""
        names = {sync.id: sync.name for sync in self.emulator.syncs} if self.by_name else {}
        return {self.id_name[:-2] + "name": names[sync_id]} if sync_id in names else {self.id_name: sync_id}

    @property
    def starts(self) -> list[Any]:
        """The requests that start an execution."""
        return self._posts("/executions")

    @property
    def cancels(self) -> list[Any]:
        """The requests that cancel an execution."""
        return self._posts("/cancel")

    def _posts(self, ending: str) -> list[Any]:
        return [one for one in self.emulator.requests if one.method == "POST" and one.path.endswith(ending)]


class SchemaKind(Kind):
    """A bulk sync, of which a sensor waits for one schema."""

    def __init__(self, emulator: Any) -> None:
        super().__init__("bulk", emulator)
        self.sensor_class = PolytomicBulkSchemaSensor

    def add(self, **plan: Any) -> str:
        """Add a bulk sync whose schema has the outcome of the plan."""
        outcome = plan.pop("outcome", "completed")
        return super().add(**{"schemas": [{"id": "contact", "outcome": outcome}], **plan})

    def sensor(self, sync_id: Any, **options: Any) -> Any:
        """Return a sensor for the schema ``contact``."""
        return super().sensor(sync_id, **{"schema": "contact", **options})
