from __future__ import annotations

import json
import os

import httpx

from airflow_provider_polytomic.emulator.pytest_plugin import polytomic_emulator

__all__ = ["polytomic_emulator"]


def test_airflow_is_pointed_at_it(polytomic_emulator):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    answer = httpx.get(f"{connection['host']}/api/me", headers={"Authorization": f"Bearer {connection['password']}"})
    assert answer.status_code == 200
    assert [each.path for each in polytomic_emulator.requests] == ["/api/me"]


def test_each_test_starts_afresh(polytomic_emulator):
    assert (polytomic_emulator.requests, polytomic_emulator.syncs) == ([], [])
