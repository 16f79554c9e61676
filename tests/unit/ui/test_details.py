"""What a row opens into: the latest executions with their causes, schemas, and the console log."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.ui import cache, refresh
from airflow_provider_polytomic.ui.details import MAX_REPORTS


@pytest.fixture
def details(server):
    """Return a function that opens the row of a sync."""

    def details(sync):
        server.wait_for_syncs(
            lambda answer: any(row["sync_id"] == sync.id and row["is_read"] for row in answer["rows"]),
            f"{sync.kind}:{sync.id}",
        )
        return server.get(f"connections/polytomic_default/syncs/{sync.kind}/{sync.id}").json()

    return details


def test_a_failure_has_the_words_of_the_failure_report(emulator, details):
    sync = emulator.add_model_sync(name="Orders", errors=["The CRM refused the login: the session has expired"])
    emulator.finish(emulator.start(sync.id).id, "failed")
    emulator.finish(emulator.start(sync.id).id, "completed")
    executions = details(sync)["executions"]
    assert [each["outcome"] for each in executions] == ["success", "failed"]
    assert executions[0]["report"] is None
    report = executions[1]["report"]
    assert f"Model sync 'Orders' {sync.id} failed" in report
    assert "Polytomic says: The CRM refused the login: the session has expired" in report
    assert "re-authorize the sync's source or target in Polytomic" in report
    assert "start the sync again, or clear the task that runs it" in report


def test_the_latest_failures_only_have_a_report(emulator, details):
    sync = emulator.add_model_sync()
    for _ in range(MAX_REPORTS + 2):
        emulator.finish(emulator.start(sync.id).id, "failed")
    reports = [each["report"] for each in details(sync)["executions"]]
    assert [bool(report) for report in reports] == [True] * MAX_REPORTS + [False] * 2


def test_a_bulk_sync_has_its_schemas(emulator, details):
    schemas = [{"id": "Account", "records": 5}, {"id": "Contact", "outcome": "failed", "message": "no such column"}]
    sync = emulator.add_bulk_sync(schemas=schemas)
    emulator.start(sync.id)
    emulator.clock.advance(60)
    answer = details(sync)
    assert [(each["schema"], each["status"]) for each in answer["schemas"]] == [
        ("Account", "completed"),
        ("Contact", "failed"),
    ]
    assert "schema Contact failed: no such column" in answer["executions"][0]["report"]


def test_the_end_of_the_console_log_is_shown_in_order(emulator, details):
    sync = emulator.add_model_sync(duration=200)
    emulator.start(sync.id)
    emulator.clock.advance(100)
    lines = details(sync)["console"]
    assert len(lines) == 20
    assert lines == sorted(lines)


def test_a_sync_that_has_never_run_has_no_executions(emulator, details):
    answer = details(emulator.add_model_sync())
    assert (answer["executions"], answer["schemas"], answer["console"]) == ([], [], [])


def test_people_who_open_the_same_row_share_the_requests(emulator, details, monkeypatch):
    monkeypatch.setattr(cache, "SYNC_DETAILS_TIMEOUT", 600.0)
    sync = emulator.add_model_sync()
    emulator.finish(emulator.start(sync.id).id)
    assert details(sync) == details(sync)
    assert len([each for each in emulator.requests if each.path.endswith("/consolelog")]) == 1


def test_an_end_that_the_details_find_is_sent_to_the_list_too(server, emulator, details, monkeypatch):
    monkeypatch.setattr(refresh, "RUNNING_STATUS_INTERVAL", 600.0)
    sync = emulator.add_model_sync()
    execution = emulator.start(sync.id)
    details(sync)
    before = server.syncs()
    emulator.finish(execution.id, "failed")
    monkeypatch.setattr(cache.ConnectionCache, "details", lambda self, key, flow: self._run(flow))
    details(sync)
    answer = server.get("connections/polytomic_default/syncs", table=before["table"], version=before["version"]).json()
    assert [row["failing"] for row in answer["rows"]] == [True]


def test_details_say_what_is_wrong_if_polytomic_does_not_answer(server, emulator, details, monkeypatch):
    monkeypatch.setattr(cache, "SYNC_DETAILS_TIMEOUT", -1.0)
    sync = emulator.add_model_sync()
    execution = emulator.finish(emulator.start(sync.id).id)
    details(sync)
    emulator.fault("status", status=403, path=f"/api/syncs/{sync.id}/executions/{execution.id}")
    answer = server.get(f"connections/polytomic_default/syncs/model/{sync.id}")
    assert answer.status_code == 502
    assert "lacks the permission" in answer.json()["problem"]["advice"]


def test_a_sync_that_the_page_does_not_show_has_no_details(server, emulator):
    sync = emulator.add_model_sync()
    assert server.get(f"connections/polytomic_other/syncs/model/{sync.id}").status_code == 404
    assert server.get("connections/polytomic_default/syncs/other/x").status_code == 422
