"""Console logs and record files of executions."""

from __future__ import annotations

import pytest

KINDS = pytest.mark.parametrize("kind", ["model", "bulk"])


@pytest.fixture
def run(emulator):
    """Start an execution of either kind and return its path."""

    def begin(kind, **plan):
        if kind == "bulk":
            plan = {"schemas": [{"id": "contact"}, {"id": "account"}], **plan}
        sync = getattr(emulator, f"add_{kind}_sync")(**plan)
        return f"/api/{'bulk/' if kind == 'bulk' else ''}syncs/{sync.id}/executions/{emulator.start(sync.id).id}"

    return begin


def console(http, path, **query):
    response = http.get(f"{path}/consolelog", params=query)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def messages(page):
    return [each["message"] for each in page["entries"]]


@KINDS
def test_the_console_log_shows_the_course_of_an_execution(clock, http, run, kind):
    path = run(kind, duration=3, outcome="failed", log_every=1)
    assert messages(console(http, path)) == ["Execution created."]
    clock.advance(3)
    page = console(http, path)
    assert messages(page)[:2] == ["Execution created.", "Execution started."]
    assert messages(page)[-1] == "Execution ended: failed."
    assert "Working, part 2." in messages(page)
    assert (page["entries"][0]["level"], page["entries"][-1]["level"]) == ("info", "error")
    assert len({each["id"] for each in page["entries"]}) == len(page["entries"])


@KINDS
def test_a_cursor_returns_every_line_once(clock, http, run, kind):
    path, seen, after = run(kind, duration=30), [], {}
    for _ in range(8):
        page = console(http, path, **after)
        seen += [each["id"] for each in page["entries"]]
        after = {"after": page["next_cursor"]}
        clock.advance(5)
    assert seen == [each["id"] for each in console(http, path)["entries"]]
    assert len(seen) > 30


def test_only_the_latest_fifty_lines_are_kept(clock, http, run):
    path = run("model", duration=10**6)
    first = console(http, path)["next_cursor"]
    clock.advance(1000)
    page = console(http, path, limit=500)
    assert len(page["entries"]) == 50
    assert messages(page)[-1] == "Working, part 999."
    assert messages(console(http, path, after=first))[0] == "Working, part 950."
    assert messages(console(http, path, limit=2)) == ["Working, part 998.", "Working, part 999."]
    assert messages(console(http, path, limit=2, after=first)) == ["Working, part 950.", "Working, part 951."]


def test_the_end_of_a_console_log_and_its_order(emulator, clock, http, run):
    path = run("model", duration=3)
    clock.advance(3)
    end = console(http, path)["next_cursor"]
    for value, rest in (("repeat", {"next_cursor": end}), ("null", {"next_cursor": None}), ("absent", {})):
        emulator.set_switch("console_end", value)
        assert console(http, path, after=end) == {"entries": [], **rest}
    emulator.set_switch("console_order", "newest_first")
    emulator.set_switch("console_level", "INFO")
    page = console(http, path)
    assert (messages(page)[-1], page["next_cursor"]) == ("Execution created.", end)
    assert page["entries"][-1]["level"] == "INFO"


def test_the_console_log_shows_errors_and_cancellations(emulator, clock, http, run):
    path = run("model", errors=["bad row"], cancel_takes=1)
    emulator.finish(path.rpartition("/")[2], "failed", ["worse row"])
    assert messages(console(http, path))[-2:] == ["worse row", "Execution ended: failed."]
    path = run("model", cancel_takes=1, log_every=100)
    clock.advance(2)
    http.post(f"{path}/cancel")
    clock.advance(1)
    assert messages(console(http, path))[-2:] == ["Cancellation requested.", "Execution ended: canceled."]


def test_an_invalid_cursor_is_refused(http, run):
    assert http.get(f"{run('model')}/consolelog", params={"after": "yesterday"}).status_code == 400


@pytest.mark.parametrize("every", [0, -1])
def test_the_interval_of_progress_lines_is_positive(emulator, every):
    with pytest.raises(ValueError, match="log_every"):
        emulator.add_model_sync(log_every=every)


def test_record_logs_of_a_model_execution(clock, http, run):
    path = run("model", duration=10, counts={"total": 2500, "insert": 2400, "error": 1})
    assert http.get(f"{path}/logs").json()["data"] == {}
    clock.advance(10)
    index = http.get(f"{path}/logs").json()["data"]
    assert {type: each["count"] for type, each in index.items()} == {"records": 2500, "inserts": 2400, "errors": 1}
    files = {type: http.get(each["url"]).json()["data"] for type, each in index.items()}
    assert [len(files[type]["urls"]) for type in index] == [3, 1, 3]
    assert all("Signature=" in url for each in files.values() for url in each["urls"])
    assert http.get(f"{path}/updates").json()["data"]["urls"] == []
    assert http.get(f"{path}/nonsense").status_code == 400


def test_signed_urls_expire_soon_and_are_made_anew(clock, http, run):
    path = run("model", duration=1)
    clock.advance(1)
    first = http.get(f"{path}/records").json()["data"]
    clock.advance(60)
    second = http.get(f"{path}/records").json()["data"]
    assert first["expires"] < second["expires"]
    assert first["urls"] != second["urls"]


def test_log_files_of_a_bulk_execution(emulator, clock, http, run):
    path = run("bulk", schemas=[{"id": "a", "duration": 1}, {"id": "b", "duration": 5}])
    clock.advance(2)
    some = http.get(f"{path}/logs").json()["data"]
    assert (len(some["URLs"]), "Expires" in some) == (1, True)
    clock.advance(3)
    assert len(http.get(f"{path}/logs").json()["data"]["URLs"]) == 2
    emulator.set_switch("empty_list", "null")
    assert http.get(f"{run('bulk')}/logs").json()["data"]["URLs"] is None
