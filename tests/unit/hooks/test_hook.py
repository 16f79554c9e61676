"""The requests of the hook, against the emulator."""

from __future__ import annotations

import json
import socket
from inspect import isfunction, signature

import pytest

from airflow_provider_polytomic.api import (
    PolytomicNotFoundError,
    PolytomicTransportError,
    PolytomicValidationError,
    identity,
    syncs,
)
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

KEY = "canary-5ecret-4pi-key"


@pytest.fixture
def hook(emulator) -> PolytomicHook:
    return PolytomicHook()


@pytest.fixture
def point_at(monkeypatch):
    def point(**fields) -> PolytomicHook:
        defined = {"conn_type": "polytomic", "password": KEY, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(defined))
        return PolytomicHook()

    return point


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_valid_connection_names_organization_and_user(hook, emulator):
    assert hook.test_connection() == (True, "Connected to Emulated Organization as emulator@example.com.")
    [request] = emulator.requests
    assert (request.method, request.path, request.version) == ("GET", "/api/me", "2025-09-18")


def test_a_connection_with_an_organization_uses_basic_credentials(point_at, emulator):
    hook = point_at(host=emulator.url, login=emulator.organization_id, password=emulator.api_key)
    assert hook.test_connection()[0]
    assert emulator.requests[0].auth == "basic"


def test_an_invalid_key_fails_the_test_and_says_what_to_check(point_at, emulator):
    works, message = point_at(host=emulator.url).test_connection()
    assert not works
    assert "401" in message
    assert "Paste the whole API key again" in message
    assert KEY not in message


def test_an_unreachable_host_fails_the_test_at_once_and_says_what_to_check(point_at, unused_port):
    works, message = point_at(host=f"http://127.0.0.1:{unused_port}").test_connection()
    assert not works
    assert "Connection refused" in message
    assert "Check the host and the port" in message
    assert f"127.0.0.1:{unused_port}" in message
    assert KEY not in message


def test_an_html_response_fails_the_test_and_says_what_to_check(hook, emulator):
    emulator.fault("malformed", malformed="html")
    works, message = hook.test_connection()
    assert not works
    assert "HTML" in message
    assert "check the host of the connection" in message


def test_the_test_sends_one_request_even_if_a_retry_might_help(hook, emulator):
    emulator.fault("status", status=503, count=None)
    works, message = hook.test_connection()
    assert not works
    assert "test it again in a minute" in message
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ({"kind": "status", "status": 403}, "ask an admin of Polytomic"),
        ({"kind": "status", "status": 404}, "Check the host: it is the address"),
        ({"kind": "status", "status": 429}, "test it again in a minute"),
    ],
)
def test_an_error_response_fails_the_test_and_says_what_to_do(hook, emulator, fault, advice):
    emulator.fault(**fault)
    works, message = hook.test_connection()
    assert not works
    assert str(fault["status"]) in message
    assert advice in message
    assert ".." not in message


def test_a_host_without_tls_fails_the_test_and_says_what_to_check(point_at, emulator):
    works, message = point_at(host=emulator.url.replace("http:", "https:")).test_connection()
    assert not works
    assert "Check that the host serves https at this port" in message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"extra": {"timeout": "soon"}}, "its extra 'timeout' is not a number of seconds above 0."),
        ({"password": ""}, "there is no API key in its password."),
        ({"host": "http://polytomic.example.com"}, "use https, or allow it with allow_http."),
    ],
)
def test_a_connection_that_cannot_be_used_fails_the_test_with_the_reason(point_at, fields, reason):
    works, message = point_at(**fields).test_connection()
    assert not works
    assert message.startswith("This connection cannot be used as it is: ")
    assert message.endswith(reason)
    assert "polytomic_default" not in message


def test_the_constructor_reads_no_connection():
    PolytomicHook("no such connection")


def test_a_connection_that_is_not_defined_is_named():
    with pytest.raises(Exception, match="no_such_connection"):
        PolytomicHook("no_such_connection").get_conn()


def test_get_conn_returns_the_same_client(hook):
    assert hook.get_conn() is hook.get_conn()


def test_a_call_is_sent(hook):
    assert hook.send(identity.get()).email == "emulator@example.com"


async def test_a_call_is_sent_from_an_event_loop(hook):
    assert (await hook.asend(identity.get())).email == "emulator@example.com"


async def test_a_connection_that_cannot_be_used_is_refused_on_an_event_loop_too(point_at):
    with pytest.raises(PolytomicRequestRefused, match="there is no API key"):
        await point_at(password="").asend(identity.get())


def test_pages_yields_the_rows_of_all_pages(hook, emulator):
    ids = {emulator.add_model_sync(name=str(number)).id for number in range(7)}
    emulator.set_switch("page_size", 3)
    found = [one.id for one in hook.pages(syncs.list())]
    assert (len(found), set(found)) == (7, ids)
    assert len(emulator.requests) == 3


def test_a_model_sync_is_started_polled_and_canceled(hook, emulator):
    sync = emulator.add_model_sync(duration=60)
    started = hook.start_sync(sync.id, resync=True)
    [execution] = emulator.executions(sync.id)
    assert started.id == execution.id
    assert emulator.requests[-1].body == {"resync": True}
    assert hook.get_sync_status(sync.id).current_execution.id == started.id
    hook.cancel_sync(sync.id)
    assert emulator.execution(started.id).cancel_requests == 1


def test_a_bulk_sync_is_started_polled_and_canceled(hook, emulator):
    sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 60}, {"id": "account", "duration": 60}])
    started = hook.start_bulk_sync(sync.id, schemas=["contact"])
    assert started.id == emulator.executions(sync.id)[0].id
    assert emulator.requests[-1].body == {"schemas": ["contact"]}
    assert hook.get_bulk_sync_status(sync.id).current_execution.id == started.id
    hook.cancel_bulk_sync(sync.id)
    assert emulator.execution(started.id).cancel_requests == 1


def test_syncs_are_listed(hook, emulator):
    model, bulk = emulator.add_model_sync(), emulator.add_bulk_sync()
    assert [one.id for one in hook.list_syncs(active=True)] == [model.id]
    assert [one.id for one in hook.list_bulk_syncs(active=True)] == [bulk.id]


def test_connections_are_created_tested_and_listed(hook, emulator):
    created = hook.create_connection("Warehouse", "postgresql", {"hostname": "h", "password": KEY}, validate=False)
    assert [(one.id, one.name) for one in hook.list_connections()] == [(created.id, "Warehouse")]
    hook.test_polytomic_connection("postgresql", {"hostname": "h"}, connection_id=created.id)
    with pytest.raises(PolytomicValidationError, match="no route"):
        hook.test_polytomic_connection("postgresql", {"fail": "no route"})


def test_an_unknown_sync_raises_not_found(hook):
    with pytest.raises(PolytomicNotFoundError):
        hook.get_sync_status("unknown")


def test_a_failed_request_raises_a_transport_error_without_the_key(point_at, unused_port, logged):
    hook = point_at(host=f"http://127.0.0.1:{unused_port}", extra={"max_retries": 0})
    with pytest.raises(PolytomicTransportError) as raised:
        hook.send(identity.get())
    assert KEY not in str(raised.value) + logged()


def test_no_method_hides_its_parameters():
    methods = [each for name, each in vars(PolytomicHook).items() if isfunction(each) and not name.startswith("_")]
    assert not [
        each for each in methods if any(one.kind is one.VAR_KEYWORD for one in signature(each).parameters.values())
    ]


def test_the_parameters_of_a_start_are_sent(hook, emulator):
    model, bulk = emulator.add_model_sync(), emulator.add_bulk_sync(schemas=[{"id": "contact"}])
    options = {"resync": True, "test": False, "identities": ["ada@example.com"]}
    hook.start_sync(model.id, **options)
    assert emulator.requests[-1].body == options
    options = {"schemas": ["contact"], "resync_mode": "resync", "fetch_mode": "none"}
    hook.start_bulk_sync(bulk.id, **options)
    assert emulator.requests[-1].body == options
