from __future__ import annotations

import json
import os

import httpx

from airflow_provider_polytomic.emulator.pytest_plugin import polytomic_emulator

__all__ = ["polytomic_emulator"]


def test_the_airflow_connection_leads_to_the_emulator(polytomic_emulator):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    response = httpx.get(f"{connection['host']}/api/me", headers={"Authorization": f"Bearer {connection['password']}"})
    assert response.status_code == 200
    assert [each.path for each in polytomic_emulator.requests] == ["/api/me"]


def test_each_test_has_an_empty_emulator(polytomic_emulator):
    assert (polytomic_emulator.requests, polytomic_emulator.syncs) == ([], [])
