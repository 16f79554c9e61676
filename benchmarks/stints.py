"""How many times a run needs a worker, told from what the operator classes offer."""

from __future__ import annotations

import inspect
from importlib import import_module

OWNED = (
    ("Polytomic, model syncs", "airflow_provider_polytomic.operators.syncs", "PolytomicStartSyncOperator"),
    ("Polytomic, bulk syncs", "airflow_provider_polytomic.operators.bulk_syncs", "PolytomicStartBulkSyncOperator"),
    ("Polytomic, sensor", "airflow_provider_polytomic.sensors.syncs", "PolytomicSyncStatusSensor"),
)
PEERS = (
    ("Airbyte", "airflow.providers.airbyte.operators.airbyte", "AirbyteTriggerSyncOperator"),
    ("dbt Cloud", "airflow.providers.dbt.cloud.operators.dbt", "DbtCloudRunJobOperator"),
    ("Fivetran", "fivetran_provider_async.operators", "FivetranOperator"),
    ("Databricks", "airflow.providers.databricks.operators.databricks", "DatabricksRunNowOperator"),
)


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return a row an operator: who, and the stints when it waits in the worker, deferred, started by its trigger, and
    ended by it too.
    """
    return [(label, *_stints(getattr(import_module(module), name))) for label, module, name in (*OWNED, *PEERS)]


def _stints(operator: type) -> tuple[str, str, str, str]:
    offered = {name for each in operator.__mro__ for name in _parameters(each)}
    by_trigger = "start_from_trigger" in offered or getattr(operator, "start_from_trigger", False)
    return (
        "1, for the whole run",
        "2" if "deferrable" in offered else "not offered",
        "1" if by_trigger else "not offered",
        "0" if "end_from_trigger" in offered else "not offered",
    )


def _parameters(operator: type) -> list[str]:
    own = operator.__dict__.get("__init__")
    return list(inspect.signature(own).parameters) if inspect.isfunction(own) else []
