"""The requests of the hook, against the emulator."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from datetime import timedelta
from inspect import isfunction, signature

import pytest

from airflow_provider_polytomic.api import (
    PolytomicNotFoundError,
    PolytomicTransportError,
    PolytomicValidationError,
    identity,
    syncs,
)
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunTimeout
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
    assert (started["id"], started["status"]) == (execution.id, "created")
    assert emulator.requests[-1].body == {"resync": True}
    assert hook.get_sync_status(sync.id)["current_execution"]["id"] == started["id"]
    hook.cancel_sync(sync.id)
    assert emulator.execution(started["id"]).cancel_requests == 1


def test_a_bulk_sync_is_started_polled_and_canceled(hook, emulator):
    sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 60}, {"id": "account", "duration": 60}])
    started = hook.start_bulk_sync(sync.id, schemas=["contact"])
    assert started["id"] == emulator.executions(sync.id)[0].id
    assert emulator.requests[-1].body == {"schemas": ["contact"]}
    assert hook.get_bulk_sync_status(sync.id)["current_execution"]["id"] == started["id"]
    hook.cancel_bulk_sync(sync.id)
    assert emulator.execution(started["id"]).cancel_requests == 1


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_all_syncs_are_listed_whatever_the_size_of_a_page_is(kind, hook, emulator):
    add, list_all = {
        "model": (emulator.add_model_sync, hook.list_syncs),
        "bulk": (emulator.add_bulk_sync, hook.list_bulk_syncs),
    }[kind]
    added = {add(name=f"sync {number}").id: f"sync {number}" for number in range(7)}
    emulator.set_switch("page_size", 3)
    rows = list_all(active=True)
    assert {row["id"]: row["name"] for row in rows} == added
    assert len(emulator.requests) == 3
    assert json.loads(json.dumps(rows)) == rows


def test_connections_are_created_tested_and_listed(hook, emulator):
    created = hook.create_connection("Warehouse", "postgresql", {"hostname": "h", "password": KEY}, validate=False)
    [listed] = hook.list_connections()
    assert (listed["id"], listed["name"]) == (created["id"], "Warehouse")
    assert (created["name"], created["type"]["id"]) == ("Warehouse", "postgresql")
    hook.test_polytomic_connection("postgresql", {"hostname": "h"}, connection_id=created["id"])
    emulator.set_switch("connection_failure", "no route to the host")
    with pytest.raises(PolytomicValidationError, match="no route to the host"):
        hook.test_polytomic_connection("postgresql", {"hostname": "h"})


def test_a_connection_is_deleted(hook, emulator):
    created = hook.create_connection("Warehouse", "postgresql", {"hostname": "h"}, validate=False)
    assert hook.delete_connection(created["id"], force=True) is None
    assert emulator.requests[-1].query == [("force", "true")]
    assert hook.list_connections() == []


def test_results_are_plain_json_without_secrets(hook, emulator):
    """All of them, with the secrets where the API could repeat them."""
    model, bulk = emulator.add_model_sync(name=f"password={KEY}"), emulator.add_bulk_sync(schemas=[{"id": "contact"}])
    started, bulk_started = hook.start_sync(model.id), hook.start_bulk_sync(bulk.id)
    results = [
        started,
        hook.get_sync_status(model.id),
        hook.cancel_sync(model.id),
        hook.list_syncs(),
        bulk_started,
        hook.get_bulk_sync_status(bulk.id),
        hook.cancel_bulk_sync(bulk.id),
        hook.list_bulk_syncs(),
        hook.create_connection("Warehouse", "postgresql", {"hostname": "h", "password": KEY}, validate=False),
        hook.list_connections(),
        hook.test_polytomic_connection("postgresql", {"hostname": "h"}),
        hook.resolve_sync("bulk", bulk.name),
        hook.wait_for_execution("bulk", bulk.id, bulk_started["id"], poll_interval=0.01),
    ]
    for result in results:
        assert json.loads(json.dumps(result)) == result
        assert KEY not in json.dumps(result)
    assert results[3][0]["name"] == "password=***"


@pytest.mark.parametrize("kind", ["model", "bulk"])
@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_the_result_of_an_ended_execution_is_returned_whatever_its_outcome_is(kind, outcome, hook, emulator):
    if kind == "model":
        sync = emulator.add_model_sync(duration=0.05, outcome=outcome)
        started = hook.start_sync(sync.id)
    else:
        sync = emulator.add_bulk_sync(schemas=[{"id": "contact", "duration": 0.05, "outcome": outcome}])
        started = hook.start_bulk_sync(sync.id)
    result = hook.wait_for_execution(kind, sync.id, started["id"], poll_interval=timedelta(seconds=0.01))
    assert (result["kind"], result["sync_id"], result["execution_id"]) == (kind, sync.id, started["id"])
    assert result["outcome"] == {"completed": "success", "failed": "failed"}[outcome]
    assert result["completed_at"]


def test_the_result_of_a_wait_has_the_link(point_at, emulator):
    template = "{base_url}/syncs/{sync_id}?run={execution_id}"
    hook = point_at(host=emulator.url, password=emulator.api_key, extra={"link_template": template})
    sync = emulator.add_model_sync(duration=0)
    started = hook.start_sync(sync.id)
    result = hook.wait_for_execution("model", sync.id, started["id"], poll_interval=0.01)
    assert result["url"] == f"{emulator.url}/syncs/{sync.id}?run={started['id']}"


def test_a_wait_that_takes_too_long_raises_the_last_result_and_leaves_the_execution_running(hook, emulator):
    sync = emulator.add_model_sync(duration=600)
    started = hook.start_sync(sync.id)
    with pytest.raises(PolytomicRunTimeout, match="(?s)has not ended in time.*left running") as raised:
        hook.wait_for_execution("model", sync.id, started["id"], poll_interval=0.01, timeout=0.05)
    assert raised.value.result["execution_id"] == started["id"]
    assert emulator.execution(started["id"]).cancel_requests == 0


def test_a_wait_for_an_unknown_execution_raises_not_found(hook, emulator):
    sync = emulator.add_model_sync()
    with pytest.raises(PolytomicNotFoundError):
        hook.wait_for_execution("model", sync.id, "unknown")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"poll_interval": 0}, "poll_interval must be a number of seconds"),
        ({"poll_interval": True}, "poll_interval must be"),
        ({"timeout": "60"}, "timeout must be"),
        ({"timeout": float("inf")}, "timeout must be"),
        ({"timeout": timedelta(0)}, "timeout must be"),
        ({"kind": "modell"}, "Unknown kind of sync"),
    ],
)
def test_a_wait_with_an_invalid_parameter_is_refused_before_any_request(arguments, message, hook, emulator):
    with pytest.raises(ValueError, match=message):
        hook.wait_for_execution(**{"kind": "model", "sync_id": "s", "execution_id": "e", **arguments})
    assert emulator.requests == []


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_a_name_is_resolved_to_the_id_of_the_sync_on_any_page(kind, hook, emulator):
    add = {"model": emulator.add_model_sync, "bulk": emulator.add_bulk_sync}[kind]
    ids = {f"sync {number}": add(name=f"sync {number}").id for number in range(7)}
    emulator.set_switch("page_size", 2)
    assert {name: hook.resolve_sync(kind, name) for name in ids} == ids


def test_a_name_that_no_sync_has_is_refused_with_the_nearest_names(hook, emulator):
    for name in ("Contacts to HubSpot", "contacts to Salesforce", "Orders", *(f"Contacts {n}" for n in range(9))):
        emulator.add_model_sync(name=name)
    with pytest.raises(PolytomicRequestRefused, match="No model sync has the name 'contacts to hubspot'") as raised:
        hook.resolve_sync("model", "contacts to hubspot")
    message = str(raised.value)
    assert message.index("'Contacts to HubSpot'") < message.index("'contacts to Salesforce'")
    assert message.count("'") == 2 * (1 + 5)
    assert "Orders" not in message


def test_a_name_that_differs_by_a_space_is_shown_with_it(hook, emulator):
    emulator.add_model_sync(name="Contacts ")
    with pytest.raises(PolytomicRequestRefused, match="has the name 'Contacts'; the nearest names are 'Contacts '"):
        hook.resolve_sync("model", "Contacts")


def test_a_name_without_any_sync_is_refused(hook):
    with pytest.raises(PolytomicRequestRefused, match="No bulk sync has the name 'x'. Next: correct the name"):
        hook.resolve_sync("bulk", "x")


def test_a_name_that_several_syncs_have_is_refused_with_their_ids(hook, emulator):
    ids = [emulator.add_model_sync(name="Contacts").id for _ in range(7)]
    with pytest.raises(PolytomicRequestRefused, match="7 model syncs have the name 'Contacts'") as raised:
        hook.resolve_sync("model", "Contacts")
    assert all(one in str(raised.value) for one in ids)


def test_a_flow_is_run(hook, emulator):
    sync = emulator.add_model_sync(name="before")
    assert hook.run(syncs.change(sync.id, name="after")).name == "after"


def test_an_organization_takes_the_place_of_the_login(point_at, emulator):
    hook = point_at(host=emulator.url, login="another", password=emulator.api_key)
    hook.organization_id = emulator.organization_id
    assert hook.send(identity.get()).organization_id == emulator.organization_id
    assert hook.test_connection()[0]
    assert hook.config().organization_id == emulator.organization_id


async def test_an_organization_is_used_from_an_event_loop_too(point_at, emulator):
    point_at(host=emulator.url, password=emulator.api_key)
    me = await PolytomicHook(organization_id=emulator.organization_id).asend(identity.get())
    assert emulator.requests[-1].auth == "basic"
    assert me.organization_id == emulator.organization_id


def test_the_client_follows_the_connection_of_a_copied_hook(hook, monkeypatch):
    hook.get_conn()
    monkeypatch.setenv("AIRFLOW_CONN_B", json.dumps({"conn_type": "polytomic", "host": "b.test", "password": KEY}))
    for copied in (copy.deepcopy(hook), pickle.loads(pickle.dumps(hook))):
        assert copied.get_conn().config.base_url == hook.get_conn().config.base_url
    other = copy.copy(hook)
    other.polytomic_conn_id = "b"
    assert other.get_conn().config.base_url == "https://b.test"
    assert hook.get_conn().config.base_url.startswith("http://127.0.0.1")
    other.organization_id = "org"
    assert other.get_conn().config.organization_id == "org"
    assert other.get_conn() is other.get_conn()


def test_an_unknown_sync_raises_not_found(hook):
    with pytest.raises(PolytomicNotFoundError):
        hook.get_sync_status("unknown")


def test_a_failed_request_raises_a_transport_error_without_the_key(point_at, unused_port, logged):
    hook = point_at(host=f"http://127.0.0.1:{unused_port}", extra={"max_retries": 0})
    with pytest.raises(PolytomicTransportError) as raised:
        hook.send(identity.get())
    assert KEY not in str(raised.value) + logged()


def test_no_method_hides_its_parameters():
    bases = [base for base in PolytomicHook.__mro__ if base.__module__.startswith("airflow_provider_polytomic")]
    own = [item for base in bases for item in vars(base).items()]
    methods = [each for name, each in own if isfunction(each) and not name.startswith("_") and name != "call"]
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
