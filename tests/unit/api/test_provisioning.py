"""Create and update connections in the emulator."""

from __future__ import annotations

import math

import pytest

from airflow_provider_polytomic.api import PolytomicClient, PolytomicServerError, connections
from airflow_provider_polytomic.api.provisioning import (
    AlreadyExists,
    RefreshTimeout,
    create_once,
    refresh,
    replace_settings,
)

SETTINGS = {"hostname": "db.example.com", "password": "hunter2-hunter2"}


@pytest.fixture
def client(emulator):
    client = PolytomicClient(emulator.api_key, base_url=emulator.url, sleep=emulator.clock.advance)
    with client:
        yield client


def create(client, **options):
    return client.run(create_once("Warehouse", "postgresql", SETTINGS, key_facts=("task", 0), **options))


def names(client):
    return [connection.name for connection in client.pages(connections.list())]


def test_a_second_attempt_returns_the_connection_of_the_first(client):
    first = create(client)
    assert create(client, attempts_before=1).id == first.id
    assert names(client) == ["Warehouse"]


def test_a_connection_of_somebody_else_is_not_used(client, emulator):
    other = emulator.add_connection(name="Warehouse", type="postgresql", configuration={})
    for attempts_before in (0, 1):
        with pytest.raises(AlreadyExists, match=other.id):
            create(client, attempts_before=attempts_before)
    assert names(client) == ["Warehouse"]


@pytest.mark.parametrize("if_exists", ["reuse", "update"])
def test_an_existing_connection_can_be_reused_or_updated(client, emulator, if_exists):
    other = emulator.add_connection(name="Warehouse", type="postgresql", configuration={"hostname": "old"})
    emulator.add_connection(name="Warehouse", type="mysql", configuration={})
    assert create(client, if_exists=if_exists).id == other.id
    shown = client.send(connections.get(other.id)).configuration
    assert shown["hostname"] == ("old" if if_exists == "reuse" else "db.example.com")


def test_a_recorded_failure_does_not_fail_the_next_attempt(client, emulator):
    emulator.fault("status", when="within", method="POST", path="/api/connections", status=500)
    with pytest.raises(PolytomicServerError):
        client.send(connections.create("Warehouse", "postgresql", SETTINGS, idempotency_key="k" * 8))
    emulator.fault("status", when="within", method="POST", path="/api/connections", status=500)
    assert create(client).name == "Warehouse"
    assert names(client) == ["Warehouse"]


def test_a_replacement_keeps_the_name_and_logs_the_cleared_settings(client, emulator, caplog):
    caplog.set_level("INFO")
    old = emulator.add_connection(
        name="Warehouse", type="postgresql", configuration={"hostname": "old", "ssl": True, "password": "x" * 9}
    )
    after = client.run(replace_settings(old.id, {"hostname": "new"}))
    assert (after.name, after.configuration) == ("Warehouse", {"hostname": "new"})
    levels = {record.getMessage().partition("clears")[2]: record.levelname for record in caplog.records}
    assert levels[": password, ssl"] == "WARNING"
    assert levels[" its healthcheck_interval, if it has one"] == "INFO"


def test_a_replacement_logs_nested_cleared_settings_and_sets_the_healthcheck_interval(client, emulator, caplog):
    old = emulator.add_connection(
        name="Warehouse", type="postgresql", configuration={"hostname": "old", "tunnel": {"host": "b", "port": 22}}
    )
    settings = {"hostname": "new", "tunnel": {"host": "b"}}
    after = client.run(replace_settings(old.id, settings, healthcheck_interval="3h30m"))
    assert after.healthcheck_interval == "3h30m"
    [message] = [record.getMessage() for record in caplog.records if "clears" in record.getMessage()]
    assert message.endswith("clears: tunnel.port")


@pytest.mark.parametrize("lag", [0, 7])
@pytest.mark.parametrize("finishes", [True, False])
@pytest.mark.parametrize("ends", ["fresh", "failed"])
def test_the_end_of_a_refresh_is_recognized(client, emulator, lag, finishes, ends, caplog):
    connection = create(client)
    for switch, value in {"seconds": 20, "lag": lag, "finishes": finishes, "ends": ends}.items():
        emulator.set_switch(f"schema_refresh_{switch}", value)
    emulator.clock.freeze()
    began = emulator.clock()
    client.run(refresh(connection.id, timeout=100, poll_interval=2, clock=emulator.clock))
    assert emulator.clock() - began >= 20
    assert ("has ended as 'failed'" in caplog.text) == (ends == "failed")


def test_a_refresh_that_does_not_end_times_out(client, emulator):
    connection = create(client)
    emulator.set_switch("schema_refresh_seconds", math.inf)
    emulator.clock.freeze()
    with pytest.raises(RefreshTimeout, match="refreshing"):
        client.run(refresh(connection.id, timeout=30, clock=emulator.clock))


@pytest.mark.parametrize(
    ("if_exists", "line"),
    [
        ("fail", "Created postgresql connection 'Warehouse': {}"),
        ("reuse", "Reusing postgresql connection 'Warehouse', which exists: {}"),
        ("update", "Updated postgresql connection 'Warehouse', which existed: {}"),
    ],
)
def test_the_log_says_what_became_of_the_connection(client, caplog, if_exists, line):
    caplog.set_level("INFO")
    if if_exists != "fail":
        create(client)
        caplog.clear()
    connection = create(client, if_exists=if_exists)
    assert caplog.records[-1].getMessage() == line.format(connection.id)
