"""All operators and sensors, with the parameters that each requires."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicDeleteConnectionOperator,
    PolytomicTestConnectionOperator,
    PolytomicUpdateConnectionOperator,
)
from airflow_provider_polytomic.operators.listing import (
    PolytomicListExecutionsOperator,
    PolytomicListOrganizationsOperator,
    PolytomicListSyncsOperator,
)
from airflow_provider_polytomic.operators.snapshots import PolytomicCheckSnapshotOperator
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.schemas import PolytomicBulkSchemaSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor

REQUIRED_PARAMETERS: dict[Any, dict[str, Any]] = {
    PolytomicStartSyncOperator: {"sync_id": "s"},
    PolytomicStartBulkSyncOperator: {"bulk_sync_id": "s"},
    PolytomicCancelSyncOperator: {"sync_id": "s"},
    PolytomicCancelBulkSyncOperator: {"bulk_sync_id": "s"},
    PolytomicListOrganizationsOperator: {},
    PolytomicListSyncsOperator: {},
    PolytomicListExecutionsOperator: {"sync_id": "s"},
    PolytomicCheckSnapshotOperator: {"snapshot": "crm.json"},
    PolytomicCreateConnectionOperator: {"name": "n", "connection_type": "t"},
    PolytomicTestConnectionOperator: {},
    PolytomicUpdateConnectionOperator: {"connection_id": "c"},
    PolytomicDeleteConnectionOperator: {"connection_id": "c"},
    PolytomicSyncStatusSensor: {"sync_id": "s"},
    PolytomicBulkSyncStatusSensor: {"bulk_sync_id": "s"},
    PolytomicBulkSchemaSensor: {"bulk_sync_id": "s", "schema": "Account"},
    PolytomicFreshnessSensor: {"sync_id": "s"},
    PolytomicWaitForSyncsSensor: {"runs": []},
}
