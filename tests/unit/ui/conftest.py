from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.plugins_manager import AirflowPlugin


@pytest.fixture
def server(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An API server whose page shows the syncs of the emulator to a user who may read connections."""
    if not hasattr(AirflowPlugin, "external_views"):
        pytest.skip("this Airflow has no pages of plugins")
    from tests.support.airflow_api_server import READER, api_server

    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
    with api_server(monkeypatch, "polytomic_default", "polytomic_other") as server:
        server.log_in(READER)
        yield server
