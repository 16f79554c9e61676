"""The operator that lists syncs."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api import bulk_syncs
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.listing import PolytomicListSyncsOperator


def test_five_hundred_bulk_syncs_are_listed_completely_and_in_order(emulator, task_instance):
    for number in range(500):
        emulator.clock.advance(1)
        emulator.add_bulk_sync(name=f"Bulk {number}", schemas=[{"id": "contact"}])
    listed = task_instance(PolytomicListSyncsOperator(task_id="list", kind="bulk")).execute()
    assert [sync["name"] for sync in listed] == [f"Bulk {number}" for number in reversed(range(500))]
    assert set(listed[0]) == {"kind", "sync_id", "name", "active"}
    assert len([request for request in emulator.requests if request.path == "/api/bulk/syncs"]) == 10


def test_a_page_is_requested_with_its_first_row(emulator):
    for number in range(120):
        emulator.add_bulk_sync(name=f"Bulk {number}", schemas=[{"id": "contact"}])
    rows = PolytomicHook().pages(bulk_syncs.list())
    for _ in range(50):
        next(rows)
    assert len(emulator.requests) == 1
    next(rows)
    assert len(emulator.requests) == 2


def test_the_list_is_filtered_by_name_state_and_connection(emulator, task_instance):
    wanted = emulator.add_model_sync(name="CRM contacts", target_connection_id="00000000-0000-4000-8000-00000000000a")
    emulator.add_model_sync(name="CRM deals", target_connection_id="00000000-0000-4000-8000-00000000000b")
    emulator.add_model_sync(name="Ads", target_connection_id="00000000-0000-4000-8000-00000000000a")
    emulator.add_model_sync(name="CRM old", active=False, target_connection_id="00000000-0000-4000-8000-00000000000a")
    operator = PolytomicListSyncsOperator(
        task_id="list", active=True, name_pattern="CRM *", connection_id="00000000-0000-4000-8000-00000000000a"
    )
    assert task_instance(operator).execute() == [
        {"kind": "model", "sync_id": wanted.id, "name": "CRM contacts", "active": True}
    ]


def test_a_refused_api_key_fails_the_task_with_one_message(emulator, task_instance, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection.replace(emulator.api_key, "wrong"))
    with pytest.raises(PolytomicRequestRefused, match="model syncs could not be listed.*401"):
        task_instance(PolytomicListSyncsOperator(task_id="list")).execute()


def test_an_invalid_kind_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="kind must be one of 'model', 'bulk'"):
        PolytomicListSyncsOperator(task_id="list", kind="other")
