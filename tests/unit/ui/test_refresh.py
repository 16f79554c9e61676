"""The requests that keep the page up to date: few, and first for what is on a screen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest

from airflow_provider_polytomic.api import (
    PolytomicAuthError,
    PolytomicClient,
    PolytomicRateLimitError,
    PolytomicServerError,
)
from airflow_provider_polytomic.hooks._connection import ConnectionConfig
from airflow_provider_polytomic.ui.refresh import (
    LIST_INTERVAL,
    NEWEST_INTERVAL,
    RUNNING_STATUS_INTERVAL,
    Refresher,
    RequestBudget,
)
from airflow_provider_polytomic.ui.rows import SyncTable, Viewed


class Page:
    """A refresher with its table, and the time it goes by."""

    def __init__(self, emulator, per_minute=60, **settings):
        self.emulator = emulator
        self.now = 0.0
        self.table = SyncTable()
        self.viewed = Viewed(timeout=30)
        config = ConnectionConfig(api_key=emulator.api_key, base_url=emulator.url, max_retries=0, **settings)
        budget = RequestBudget(per_minute, lambda: self.now)
        self.refresher = Refresher(self.table, self.viewed, budget, config, lambda: self.now)
        self._client = PolytomicClient(config=config)

    def refresh(self, *viewed, after=0.0):
        """Refresh once, some seconds after the last time, and return the paths of the requests."""
        self.now += after
        before = len(self.emulator.requests)
        self.viewed.look([sync_key(each) for each in viewed], self.now)
        try:
            self._client.run(self.refresher.refresh())
        finally:
            self.paths = [urlsplit(each.path).path for each in self.emulator.requests[before:]]
        return self.paths

    def row(self, sync):
        return self.table.rows[sync_key(sync)]


def sync_key(sync):
    return sync.kind, sync.id


@pytest.fixture
def page(emulator):
    return Page(emulator)


def ends(emulator, sync, *outcomes):
    for outcome in outcomes:
        emulator.finish(emulator.start(sync.id).id, outcome)


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_the_table_has_the_executions_of_all_syncs(emulator, page, kind):
    sync = emulator.add_model_sync(name="One") if kind == "model" else emulator.add_bulk_sync(name="One")
    ends(emulator, sync, "completed", "failed")
    page.refresh()
    row = page.row(sync)
    assert (row.name, [each.outcome.value for each in row.executions]) == ("One", ["success", "failed"])
    assert row.is_failing
    assert row.last_ended.completed_at


def test_500_syncs_take_at_most_60_requests_in_the_first_minute(emulator, page):
    syncs = [emulator.add_model_sync(name=f"Sync {n}") for n in range(350)]
    syncs += [emulator.add_bulk_sync(name=f"Bulk sync {n}") for n in range(150)]
    for sync in syncs[::7]:
        ends(emulator, sync, "failed")
    paths = page.refresh()
    seen = syncs[:25]
    for _ in range(11):
        paths += page.refresh(*seen, after=5)
    assert len(page.table.rows) == 500
    assert len(paths) <= 60
    assert all(page.row(sync).history_read_at >= 0 for sync in seen)
    assert all(page.row(sync).is_failing for sync in syncs[::7])


def test_what_is_on_a_screen_is_requested_first(emulator):
    page = Page(emulator, per_minute=30)
    syncs = [emulator.add_model_sync(name=f"Sync {n}") for n in range(40)]
    seen = syncs[17:23]
    page.refresh(*seen)
    singles = [path for path in page.paths if path.count("/") > 2 and "/bulk/" not in path]
    assert singles[:6] == [f"/api/syncs/{sync.id}/executions" for sync in reversed(seen)]


def test_rows_on_no_screen_leave_requests_for_those_on_one(emulator):
    page = Page(emulator, per_minute=30)
    syncs = [emulator.add_model_sync(name=f"Sync {n}") for n in range(40)]
    page.refresh()
    unread = [sync for sync in syncs if page.row(sync).history_read_at < 0]
    page.refresh(unread[0], after=1)
    assert page.paths.count(f"/api/syncs/{unread[0].id}/executions") == 1


def test_nothing_is_sent_beyond_the_budget_until_a_minute_has_passed(emulator):
    page = Page(emulator, per_minute=5)
    for n in range(400):
        emulator.add_model_sync(name=f"Sync {n}")
    assert len(page.refresh()) == 5
    assert page.refresher.is_listing
    assert page.refresh(after=59) == []
    assert len(page.refresh(after=1)) == 5
    assert len(page.table.rows) == 400


def test_a_sync_that_starts_runs_and_fails_is_seen_by_events_and_its_status(emulator, page):
    sync = emulator.add_model_sync(duration=1000)
    page.refresh(sync)
    execution = emulator.start(sync.id)
    emulator.clock.advance(2)
    page.refresh(sync, after=RUNNING_STATUS_INTERVAL)
    assert page.row(sync).running.id == execution.id
    emulator.finish(execution.id, "failed")
    page.refresh(sync, after=RUNNING_STATUS_INTERVAL)
    assert page.row(sync).is_failing
    assert page.row(sync).running is None


@pytest.mark.parametrize("order", ["oldest_first", "newest_first", "shuffled"])
def test_a_failure_is_found_by_its_event_whatever_the_order_is(emulator, order):
    emulator.set_switch("event_order", order)
    page = Page(emulator, per_minute=20)
    syncs = [emulator.add_model_sync(name=f"Sync {n}") for n in range(60)]
    for sync in syncs:
        ends(emulator, sync, "completed")
    ends(emulator, syncs[31], "failed")
    page.refresh()
    assert page.row(syncs[31]).is_failing


def test_an_idle_page_asks_for_events_and_old_statuses_only(emulator, page):
    sync = emulator.add_model_sync()
    page.refresh(sync)
    page.refresh(sync, after=5)
    assert page.refresh(sync, after=5) == ["/api/events"]


def test_the_list_is_read_again_and_removed_syncs_are_removed(emulator, page):
    sync, other = emulator.add_model_sync(), emulator.add_model_sync()
    page.refresh()
    with emulator._state.lock:
        del emulator._state.syncs[sync.id]
    page.refresh(after=LIST_INTERVAL)
    assert list(page.table.rows) == [sync_key(other)]


def test_a_new_sync_is_found_by_its_event_and_later_without_one(emulator, page):
    emulator.add_model_sync()
    page.refresh()
    started = emulator.add_model_sync()
    emulator.start(started.id)
    emulator.clock.advance(2)
    page.refresh(after=5)
    page.refresh(after=5)
    assert sync_key(started) in page.table.rows
    idle = emulator.add_bulk_sync()
    page.refresh(after=NEWEST_INTERVAL)
    assert sync_key(idle) in page.table.rows


def test_a_list_without_changes_changes_no_row(emulator, page):
    sync = emulator.add_model_sync()
    page.refresh(sync)
    page.refresh(sync, after=5)
    version = page.row(sync).version
    assert "/api/syncs" in page.refresh(sync, after=NEWEST_INTERVAL)
    assert page.row(sync).version == version


def test_a_sync_that_polytomic_does_not_find_is_removed(emulator, page):
    sync, other = emulator.add_model_sync(), emulator.add_model_sync()
    emulator.fault("status", status=404, path=f"/api/syncs/{sync.id}/executions")
    page.refresh()
    assert list(page.table.rows) == [sync_key(other)]


@pytest.mark.parametrize("path", ["/api/events", "/api/bulk/syncs/status"])
def test_the_page_does_without_lists_that_polytomic_refuses(emulator, page, path):
    sync = emulator.add_bulk_sync()
    ends(emulator, sync, "failed")
    emulator.fault("status", status=403, path=path, count=100)
    assert page.refresh(sync).count(path) == 1
    assert page.row(sync).is_failing
    assert path not in page.refresh(sync, after=100)


def test_one_unreadable_sync_hides_no_other(emulator, page):
    sync, other = emulator.add_model_sync(), emulator.add_model_sync()
    ends(emulator, other, "failed")
    emulator.fault("status", status=422, path=f"/api/syncs/{sync.id}/executions")
    page.refresh()
    assert page.row(other).is_failing
    assert page.row(sync).executions == ()


@pytest.mark.parametrize(
    ("status", "error"), [(401, PolytomicAuthError), (429, PolytomicRateLimitError), (503, PolytomicServerError)]
)
def test_a_refused_key_or_no_answer_ends_the_refresh(emulator, page, status, error):
    sync = emulator.add_model_sync()
    emulator.fault("status", status=status, path=f"/api/syncs/{sync.id}/executions", count=10)
    with pytest.raises(error):
        page.refresh(sync)
    assert page.paths.count(f"/api/syncs/{sync.id}/executions") == 1


def test_the_organization_for_the_links_is_requested_once(emulator):
    page = Page(emulator, link_template="{base_url}/org/{organization_id}/syncs/{sync_id}")
    syncs = [emulator.add_model_sync() for _ in range(3)]
    page.refresh()
    assert Counter(page.paths)["/api/me"] == 1
    assert page.row(syncs[0]).url == f"{emulator.url}/org/{emulator.organization_id}/syncs/{syncs[0].id}"


def test_names_have_no_secrets_and_one_line(emulator, page):
    sync = emulator.add_model_sync(name=f"One\n{emulator.api_key}")
    page.refresh()
    assert page.row(sync).name == "One\\n***"


def test_next_run_and_late_come_from_the_status(emulator, page):
    due = datetime.now(timezone.utc) - timedelta(hours=1)
    sync = emulator.add_model_sync(next_execution_time=due.isoformat())
    sync.attributes["schedule"] = {"frequency": "hourly"}
    page.refresh(sync)
    page.table.note_late(datetime.now(timezone.utc))
    row = page.row(sync)
    assert row.next_at == due
    assert row.late_since == due + timedelta(minutes=10)


def test_the_status_of_many_bulk_syncs_saves_single_requests(emulator):
    page = Page(emulator, per_minute=22)
    syncs = [emulator.add_bulk_sync(schemas=[{"id": "a", "records": 7}]) for _ in range(40)]
    for sync in syncs:
        emulator.finish(emulator.start(sync.id).id)
    page.refresh()
    unread = [page.row(sync) for sync in syncs if page.row(sync).history_read_at < 0]
    assert unread
    assert all(row.last_ended and row.last_ended.outcome.value == "success" for row in unread)


def test_settings_of_another_key_are_other_settings(page):
    assert page.refresher.config != replace(page.refresher.config, api_key="another")
