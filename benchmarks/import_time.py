"""Measure the import time of operators in a DAG file that has already imported ``airflow.sdk``.

Prints the median of five new processes for each module: ``python benchmarks/import_time.py [module …]``.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

PROCESSES = 5
MODULES = (
    "airflow_provider_polytomic.operators.syncs",
    "airflow_provider_polytomic.operators.bulk_syncs",
    "airflow_provider_polytomic.operators.listing",
    "airflow_provider_polytomic.operators.connections",
    "airflow_provider_polytomic.sensors.syncs",
)
PEERS = {
    "airflow.providers.airbyte.operators.airbyte": "Airbyte",
    "airflow.providers.dbt.cloud.operators.dbt": "dbt Cloud",
    "fivetran_provider_async.operators": "Fivetran",
    "airflow.providers.databricks.operators.databricks": "Databricks",
}

MEASURE = """
import sys, time
try:
    from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
except ImportError:  # Airflow 2
    from airflow.models.dag import DAG
    from airflow.sensors.base import BaseSensorOperator
began = time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - began) * 1000)
"""


def measure(module: str) -> list[float]:
    """Import ``module`` in new processes, and return the milliseconds in ascending order."""
    _milliseconds(module)
    return sorted(_milliseconds(module) for _ in range(PROCESSES))


def _milliseconds(module: str) -> float:
    with_bytecode = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, module], capture_output=True, text=True, check=True, env=with_bytecode
    )
    return float(ran.stdout.splitlines()[-1])


def main() -> None:
    """Measure the import times and print them."""
    for module in sys.argv[1:] or MODULES:
        times = measure(module)
        print(f"{statistics.median(times):6.1f} ms  {module}  ({times[0]:.1f} to {times[-1]:.1f})")  # noqa: T201


if __name__ == "__main__":
    main()
