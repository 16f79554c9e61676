"""The form of the connection and its *Test* button, as a new user sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS, FIELD_BEHAVIOUR

from .browser import browsing, find_missing
from .cluster import AIRFLOW_VERSION, Cluster
from .connection_form import DIALOG, STANDARD_FIELDS, ConnectionsPage, read_form
from .processes import free_port

WELCOME = "Connected to Emulated Organization as emulator@example.com."


def advice(problem: str, port: int) -> list[str]:
    """Return the texts that the message about a failed test must contain."""
    if problem == "refused key":
        return ["401", "Paste the whole API key again"]
    return ["Connection refused", f"127.0.0.1:{port}", "Check the host and the port"]


def test_the_form_is_the_same_on_every_airflow(cluster):
    form = read_form(cluster)
    if form is None:
        pytest.skip("without Flask-AppBuilder this Airflow shows no provider's fields")
    standard = set(STANDARD_FIELDS.values())
    assert form.hidden == standard & set(FIELD_BEHAVIOUR["hidden-fields"])
    extra_labels = {name: declared["label"] for name, declared in CONNECTION_FIELDS.items()}
    assert form.labels == {**FIELD_BEHAVIOUR["relabeling"], **extra_labels}
    assert form.placeholders == {k: v for k, v in FIELD_BEHAVIOUR["placeholders"].items() if k in standard}
    assert form.helps == {name: declared["description"] for name, declared in CONNECTION_FIELDS.items()}
    assert list(form.helps) == list(CONNECTION_FIELDS)
    assert form.secret == {n for n, declared in CONNECTION_FIELDS.items() if "format" in declared["schema"]}


@pytest.mark.parametrize("problem", [None, "refused key", "unreachable host"])
def test_the_rest_api_tests_a_connection_on_every_airflow(cluster, emulator, problem):
    read_form(cluster)  # Airflow 3.1 has no form after a connection test that came before its first display.
    connection = {
        "connection_id": "tried_out",
        "conn_type": "polytomic",
        "host": emulator.url,
        "password": emulator.api_key,
        "extra": json.dumps(dict.fromkeys(CONNECTION_FIELDS)),
    }
    port = free_port()
    changes = {"refused key": {"password": "no-such-key"}, "unreachable host": {"host": f"http://127.0.0.1:{port}"}}
    response = cluster.rest("POST", "connections/test", {**connection, **changes.get(problem, {})})
    assert response["status"] is (problem is None)
    for part in advice(problem, port) if problem else [WELCOME]:
        assert part in response["message"]


@pytest.fixture
def page(cluster: Cluster, tmp_path: Path) -> Iterator[ConnectionsPage]:
    if tuple(map(int, AIRFLOW_VERSION.split(".")[:2])) < (3, 3):
        pytest.skip("the pages are tested on Airflow 3.3 only")
    if missing := find_missing():
        pytest.skip(missing)
    with browsing(tmp_path) as browser:
        yield ConnectionsPage(browser, f"{cluster.url}/connections")


def test_a_new_user_sets_up_the_connection_from_the_form_alone(cluster, emulator, page):
    page.open_form("from_the_form")
    page.browser.wait_still()
    page.browser.screenshot("empty")
    page.fill_in(host="http://127.0.0.1", port=emulator.url.rpartition(":")[2], password=emulator.api_key)
    page.browser.wait_still()
    page.browser.screenshot("standard-fields")
    labels = page.browser.find(DIALOG).text
    assert all(label in labels for label in FIELD_BEHAVIOUR["relabeling"].values())
    for name in ("host", "login", "password", "port"):
        shown = page.browser.find(f"{DIALOG}//input[@name='{name}']").get_attribute("placeholder")
        assert shown == FIELD_BEHAVIOUR["placeholders"][name]
    page.show_extra_fields()
    page.fill_in(element_timeout="7", element_verify="false")
    page.browser.screenshot("extra-fields")
    texts = page.browser.find(DIALOG).text
    for declared in CONNECTION_FIELDS.values():
        assert declared["label"] in texts
        assert declared["description"] in texts
    page.save()
    assert page.test("from_the_form") == ("Test Connection Successful", WELCOME)
    stored = cluster.rest("GET", "connections/from_the_form")
    assert (stored["conn_type"], stored["host"]) == ("polytomic", "http://127.0.0.1")
    values = {name: value for name, value in json.loads(stored["extra"]).items() if value is not None}
    assert values == {"timeout": 7, "verify": "false"}


def test_an_empty_port_works_or_fails_with_the_documented_message(emulator, page):
    page.open_form("empty_port")
    page.fill_in(host=emulator.url, password=emulator.api_key)
    page.save()
    before = len(emulator.requests)
    heading, message = page.test("empty_port")
    if AIRFLOW_VERSION in ("3.3.1", "3.3.2"):
        assert "Bad Request" in message
        assert "/api/me" not in [request.path for request in emulator.requests[before:]]
    else:
        assert (heading, message) == ("Test Connection Successful", WELCOME)


def test_a_port_in_the_host_takes_precedence_over_the_port(emulator, page):
    page.open_form("port_of_the_scheme")
    page.fill_in(host=emulator.url, port="443", password=emulator.api_key)
    page.save()
    assert page.test("port_of_the_scheme") == ("Test Connection Successful", WELCOME)


@pytest.mark.parametrize("problem", ["refused key", "unreachable host"])
def test_a_failed_test_of_a_connection_says_what_to_do(problem, emulator, page):
    port = free_port() if problem == "unreachable host" else int(emulator.url.rpartition(":")[2])
    key = "no-such-key" if problem == "refused key" else emulator.api_key
    name = problem.replace(" ", "_")
    page.open_form(name)
    page.fill_in(host="http://127.0.0.1", port=str(port), password=key)
    page.save()
    title, message = page.test(name)
    assert title == "Test Connection Failed"
    for part in advice(problem, port):
        assert part in message
    assert key not in message
