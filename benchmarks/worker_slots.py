"""Count the uses of a worker slot per execution, from the parameters of the operators."""

from __future__ import annotations

import inspect
from importlib import import_module

OPERATORS = (
    ("Polytomic, model syncs", "airflow_provider_polytomic.operators.syncs", "PolytomicStartSyncOperator"),
    ("Polytomic, bulk syncs", "airflow_provider_polytomic.operators.bulk_syncs", "PolytomicStartBulkSyncOperator"),
    ("Polytomic, sensor", "airflow_provider_polytomic.sensors.syncs", "PolytomicSyncStatusSensor"),
    ("Airbyte", "airflow.providers.airbyte.operators.airbyte", "AirbyteTriggerSyncOperator"),
    ("dbt Cloud", "airflow.providers.dbt.cloud.operators.dbt", "DbtCloudRunJobOperator"),
    ("Fivetran", "fivetran_provider_async.operators", "FivetranOperator"),
    ("Databricks", "airflow.providers.databricks.operators.databricks", "DatabricksRunNowOperator"),
)


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return for each operator its uses of a worker slot: in a worker, deferred, and begun or ended by its trigger."""
    return [(label, *_uses(getattr(import_module(module), name))) for label, module, name in OPERATORS]


def _uses(operator: type) -> tuple[str, str, str, str]:
    offered = {name for each in operator.__mro__ for name in _parameters(each)}
    begins_in_triggerer = "start_from_trigger" in offered or getattr(operator, "start_from_trigger", False)
    return (
        "1, until the end",
        "2" if "deferrable" in offered else "not offered",
        "1" if begins_in_triggerer else "not offered",
        "0" if "end_from_trigger" in offered else "not offered",
    )


def _parameters(operator: type) -> list[str]:
    own = operator.__dict__.get("__init__")
    return list(inspect.signature(own).parameters) if inspect.isfunction(own) else []
