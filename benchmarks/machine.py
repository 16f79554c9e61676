"""Describe the machine and the versions of a run, without the name of the machine."""

from __future__ import annotations

import os
import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version

import psutil

PACKAGES = (
    "airflow-provider-polytomic",
    "apache-airflow",
    "apache-airflow-providers-airbyte",
    "airbyte-api",
    "apache-airflow-providers-dbt-cloud",
    "airflow-provider-fivetran-async",
    "apache-airflow-providers-databricks",
    "httpx",
    "aiohttp",
    "pydantic",
)


def facts() -> list[tuple[str, str]]:
    """Return the date, the machine and the versions."""
    return [
        ("date", datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("processor", f"{psutil.cpu_count()} cores, {_processor()}"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", sys.version.split()[0]),
        *((name, version(name)) for name in PACKAGES),
    ]


def load() -> float:
    """Return the load average over the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
