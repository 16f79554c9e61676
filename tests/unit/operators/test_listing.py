"""The operators that list syncs and their executions."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from airflow_provider_polytomic.api import bulk_syncs
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.listing import (
    PolytomicListExecutionsOperator,
    PolytomicListOrganizationsOperator,
    PolytomicListSyncsOperator,
)
from tests.support.organizations import partner_connection


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


def test_a_pattern_may_be_rendered_natively(emulator, task_instance):
    emulator.add_model_sync(name="2024")
    emulator.add_model_sync(name="2025")
    operator = PolytomicListSyncsOperator(task_id="list", name_pattern=2024)
    assert [each["name"] for each in task_instance(operator).execute()] == ["2024"]


def test_a_refused_api_key_fails_the_task_with_one_message(emulator, task_instance, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection.replace(emulator.api_key, "wrong"))
    with pytest.raises(PolytomicRequestRefused, match="model syncs could not be listed.*401"):
        task_instance(PolytomicListSyncsOperator(task_id="list")).execute()


def test_an_invalid_kind_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="kind must be one of 'model', 'bulk'"):
        PolytomicListSyncsOperator(task_id="list", kind="other")


class TestOrganizations:
    @pytest.fixture
    def listed(self, emulator, task_instance, monkeypatch):
        """Return a function that lists the organizations of a partner with two customers."""
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", partner_connection(emulator))
        for name in ("Customer A", "Customer B"):
            emulator.add_organization(name=name, id=name[-1])

        def listed(**options):
            return task_instance(PolytomicListOrganizationsOperator(task_id="list", **options)).execute()

        return listed

    def test_the_organizations_are_listed_the_partners_own_first(self, emulator, listed):
        own, *customers = listed()
        assert own["organization_id"] == emulator.organization_id
        assert customers == [
            {"organization_id": "A", "name": "Customer A"},
            {"organization_id": "B", "name": "Customer B"},
        ]
        assert listed(include_owner=False) == customers
        assert listed(name_pattern="* B") == listed(name_pattern="* B", include_owner=False) == [customers[1]]

    def test_the_key_of_one_organization_is_refused(self, emulator, listed, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
        with pytest.raises(PolytomicRequestRefused, match="The organizations could not be listed.*403"):
            listed()


class TestExecutions:
    @pytest.fixture
    def history(self, kind):
        """Return a function that runs a sync with these outcomes, one after the other, and returns its id."""

        def run(*outcomes, **plan):
            sync_id = kind.add(**{"duration": 0, **plan})
            for outcome in outcomes:
                kind.emulator.plan(sync_id, outcome=outcome)
                kind.emulator.clock.advance(60.0)
                kind.emulator.start(sync_id)
            kind.emulator.clock.advance(60.0)
            return sync_id

        return run

    @pytest.fixture
    def listed(self, kind, task_instance):
        def listed(**options):
            return task_instance(PolytomicListExecutionsOperator(task_id="list", kind=kind.name, **options)).execute()

        return listed

    def test_the_results_are_listed_newest_first(self, kind, history, listed):
        sync_id = history("completed", "failed", "completed", name="Contacts")
        results = listed(sync_id=sync_id)
        assert [one["outcome"] for one in results] == ["success", "failed", "success"]
        assert [one["created_at"] for one in results] == sorted((one["created_at"] for one in results), reverse=True)
        assert {(one["kind"], one["sync_id"], one["sync_name"]) for one in results} == {
            (kind.name, sync_id, "Contacts")
        }
        assert json.loads(json.dumps(results)) == results

    def test_no_request_is_sent_for_each_execution(self, kind, history, listed, monkeypatch):
        sync_id = history(*["completed"] * 20)
        template = "https://polytomic.test/{organization_id}/{sync_id}/{execution_id}"
        connection = json.loads(kind.emulator.airflow_connection)
        connection["extra"] = {**json.loads(connection.get("extra") or "{}"), "link_template": template}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
        kind.emulator.clear_requests()
        results = listed(sync_id=sync_id)
        assert {one["url"].rpartition("/")[2] for one in results} == {one["execution_id"] for one in results}
        assert len(results) == 20
        assert len(kind.emulator.requests) <= 4, "name, link, page"

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            ("failed", ["failed"]),
            (["failed", "canceled"], ["canceled", "failed"]),
            ("running", []),
            ([], ["canceled", "success", "failed"]),
        ],
    )
    def test_the_outcome_selects_executions(self, history, listed, outcome, expected):
        sync_id = history("failed", "completed", "canceled")
        assert [one["outcome"] for one in listed(sync_id=sync_id, outcome=outcome)] == expected

    @pytest.mark.parametrize("outcome", ["['failed', 'canceled']", '["failed", "canceled"]', {"failed", "canceled"}])
    def test_the_outcome_may_be_rendered(self, history, listed, outcome):
        sync_id = history("failed", "completed", "canceled")
        assert [one["outcome"] for one in listed(sync_id=sync_id, outcome=outcome)] == ["canceled", "failed"]

    def test_a_rendered_outcome_that_does_not_exist_is_refused(self, kind, task_instance):
        task = PolytomicListExecutionsOperator(task_id="list", sync_id="s", outcome="{{ params.outcome }}")
        task.outcome = "completed"
        with pytest.raises(PolytomicRequestRefused, match="outcome must be one of .*, not 'completed'. Next: check"):
            task_instance(task).execute()
        assert kind.emulator.requests == []

    def test_a_time_selects_executions_that_have_ended_since(self, kind, history, listed):
        sync_id = history("failed", "failed", "failed")
        [last, middle, _] = listed(sync_id=sync_id)
        kind.emulator.plan(sync_id, duration=float("inf"))
        kind.emulator.start(sync_id)
        assert listed(sync_id=sync_id)[0]["outcome"] == "running"
        assert listed(sync_id=sync_id, completed_after=middle["completed_at"]) == [last, middle]
        assert listed(sync_id=sync_id, completed_after=datetime(2100, 1, 1, tzinfo=timezone.utc)) == []

    def test_the_limit_ends_the_search(self, kind, history, listed):
        sync_id = history(*["completed"] * 5)
        assert len(listed(sync_id=sync_id, limit=2)) == 2
        assert len(listed(sync_id=sync_id, limit=1000)) == 5

    def test_a_sync_may_be_named(self, history, listed):
        sync_id = history("completed", name="Contacts")
        assert [one["sync_id"] for one in listed(sync_name="Contacts")] == [sync_id]
        with pytest.raises(PolytomicRequestRefused, match="nearest names are 'Contacts'"):
            listed(sync_name="Contact")

    def test_an_unknown_sync_is_refused(self, kind, listed):
        with pytest.raises(PolytomicRequestRefused, match="executions of .* could not be listed.*404"):
            listed(sync_id="00000000-0000-4000-8000-00000000dead")

    @pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1001}, {"limit": True}, {"outcome": "completed"}])
    def test_invalid_parameters_are_refused_when_the_dag_file_is_parsed(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            PolytomicListExecutionsOperator(task_id="list", sync_id="s", **options)

    def test_the_hook_lists_them_by_the_operation(self, kind, history):
        sync_id = history("completed", "failed")
        area = "syncs" if kind.name == "model" else "bulk_syncs"
        rows = PolytomicHook().call(f"{area}.list_executions", sync_id=sync_id)
        assert [row["status"] for row in rows] == ["failed", "completed"]
