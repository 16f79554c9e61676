"""The page as a browser gets it: for whom, with what, and what it says when it cannot."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

import airflow_provider_polytomic
from airflow_provider_polytomic.ui import cache

DATA = "connections/polytomic_default/syncs"
FILES = ("", "page.js", "page.css", "icon.svg", "icon-dark.svg")
PATHS = (*FILES, "connections", DATA, "connections/polytomic_default/dags", f"{DATA}/model/some-id")


def listed(answer):
    return not answer["is_loading"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("token", "status"), [(None, 401), ("forged", 403)])
def test_nothing_is_shown_to_people_who_are_not_logged_in(server, emulator, path, token, status):
    server.client.cookies.clear()
    if token:
        server.log_in(token)
    assert server.get(path).status_code == status
    assert emulator.requests == []


@pytest.mark.parametrize("path", [path for path in PATHS if "/" in path])
def test_people_who_may_not_read_connections_see_no_syncs(server, emulator, path):
    server.log_in("viewer")
    assert server.get("").status_code == 200
    assert server.get(path).status_code == 403
    assert emulator.requests == []


def test_only_the_connections_of_the_configuration_are_shown(server):
    assert server.get("connections").json() == ["polytomic_default", "polytomic_other"]
    assert server.get("connections/another/syncs").status_code == 404


def test_the_page_is_read_only(server):
    for path in PATHS:
        assert server.client.post(f"/polytomic-ui/{path}").status_code == 405


def test_the_browser_may_run_and_load_nothing_but_the_files_of_the_page(server):
    for path in (*PATHS, "no-such-file"):
        headers = server.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == policy["script-src"] == policy["style-src"] == "'self'"
        assert headers["X-Content-Type-Options"] == "nosniff"
    page = server.get("").text
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page)
    assert re.findall(r'(?:src|href)="([^"]+)"', page) == ["page.css", "page.js"]
    assert not re.search(r"https?://(?!www\.w3\.org)", server.get("page.js").text + server.get("page.css").text)


def test_what_runs_is_what_the_package_has(server):
    static = files(airflow_provider_polytomic).joinpath("ui/static")
    for path in FILES:
        assert server.get(path).content == static.joinpath(path or "index.html").read_bytes()


def test_texts_from_outside_are_data_and_never_markup(server, emulator):
    name = "<script>alert(1)</script>"
    emulator.add_model_sync(name=name)
    answer = server.wait_for_syncs(listed)
    assert [row["name"] for row in answer["rows"]] == [name]
    assert server.get(DATA).headers["Content-Type"] == "application/json"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", server.get("page.js").text)


def test_everybody_who_looks_shares_the_requests(server, emulator):
    emulator.add_model_sync()
    server.wait_for_syncs(listed)
    answers = [server.syncs() for _ in range(20)]
    assert len({answer["table"] for answer in answers}) == 1
    assert len(emulator.requests) < 20


def test_only_changes_are_sent_again(server, emulator):
    sync = emulator.add_model_sync()
    emulator.finish(emulator.start(sync.id).id)
    answer = server.wait_for_syncs(lambda answer: answer["rows"] and answer["rows"][0]["executions"])
    while answer["rows"]:
        assert answer["version"] > 0
        answer = server.get(DATA, table=answer["table"], version=answer["version"]).json()
    assert not answer["complete"]


def test_nothing_is_asked_while_nobody_looks(server, emulator, monkeypatch):
    monkeypatch.setattr(cache, "LOOK_TIMEOUT", -1.0)
    emulator.add_model_sync()
    server.syncs()
    server.get("connections")
    assert emulator.requests == []


def test_the_key_never_leaves_the_server(server, emulator):
    sync = emulator.add_model_sync(name=f"Sync with {emulator.api_key}", errors=[f"the key {emulator.api_key} is bad"])
    emulator.finish(emulator.start(sync.id).id, "failed")
    server.wait_for_syncs(lambda answer: answer["rows"] and answer["rows"][0]["failing"])
    texts = [server.get(path).text for path in (*PATHS, f"{DATA}/model/{sync.id}")]
    assert emulator.api_key not in "".join(texts)
    assert "the key *** is bad" in texts[-1]


PROBLEMS = {
    "no connection": (None, "cannot be read", "Create it under Admin, Connections"),
    "no key": ({"password": ""}, "there is no API key", "Correct the connection"),
    "refused key": ({"password": "no-such-key"}, "401", "Paste the whole API key again"),
    "no answer": ({"host": "http://127.0.0.1:9"}, "got no answer", "Check the host and the port"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_page_says_what_is_wrong_and_what_to_do(server, emulator, monkeypatch, problem):
    changes, reason, advice = PROBLEMS[problem]
    connection = None if changes is None else json.dumps({**json.loads(emulator.airflow_connection), **changes})
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", connection)
    else:
        monkeypatch.delenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT")
    answer = server.wait_for_syncs(lambda answer: answer["problem"])
    assert reason in answer["problem"]["reason"]
    assert advice in answer["problem"]["advice"]
    assert not answer["is_loading"]
    assert answer["rows"] == []


def test_the_page_recovers_from_a_problem(server, emulator, monkeypatch):
    monkeypatch.setattr(cache, "FAILED_REFRESH_PAUSE", 0.05)
    emulator.add_model_sync()
    emulator.fault("status", status=503, count=3)
    assert "503" in server.wait_for_syncs(lambda answer: answer["problem"])["problem"]["reason"]
    assert server.wait_for_syncs(lambda answer: not answer["problem"] and answer["rows"])


def test_a_fault_of_the_page_itself_is_shown_and_ends_nothing(server, emulator, monkeypatch):
    monkeypatch.setattr(cache, "FAILED_REFRESH_PAUSE", 0.05)
    monkeypatch.setattr(cache.Refresher, "refresh", lambda self: 1 / 0)
    problem = server.wait_for_syncs(lambda answer: answer["problem"])["problem"]
    assert "ZeroDivisionError" in problem["reason"]
    assert server.get("").status_code == 200


@pytest.mark.parametrize(("workers", "number"), [("1", 60), ("4", 15), ("100", 10)])
def test_the_processes_of_the_api_server_share_the_requests(monkeypatch, workers, number):
    monkeypatch.setenv("AIRFLOW__API__WORKERS", workers)
    assert cache.requests_per_minute() == number
