"""The operator that calls any operation of the API by its name, and the hook's method for it."""

from __future__ import annotations

from collections import UserList

import pytest

from airflow_provider_polytomic import _compat
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicUnavailable
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.operation import PolytomicOperationOperator


def call(operation, arguments=None, **options):
    return PolytomicOperationOperator(task_id="t", operation=operation, arguments=arguments, **options)


@pytest.fixture
def masked(monkeypatch):
    """Record the texts that Airflow is asked to mask."""
    texts: list[str] = []
    monkeypatch.setattr("airflow_provider_polytomic.operators.operation.mask_secret", texts.append)
    return texts


def test_the_result_is_the_answer_as_json(emulator, task_instance):
    sync = emulator.add_model_sync()
    result = task_instance(call("syncs.activate", {"sync_id": sync.id, "active": False})).finish()
    assert result == {"id": sync.id, "active": False}
    assert not sync.active


def test_an_argument_may_be_any_sequence(emulator, task_instance):
    sync = emulator.add_model_sync()
    task_instance(call("syncs.start", {"sync_id": sync.id, "identities": UserList(["a", "b"])})).finish()
    assert emulator.requests[-1].body == {"identities": ["a", "b"]}


def test_a_list_has_the_rows_of_all_pages(emulator, task_instance):
    emulator.set_switch("page_size", 2)
    syncs = [emulator.add_model_sync() for _ in range(5)]
    listed = task_instance(call("syncs.list")).finish()
    assert {row["id"] for row in listed} == {sync.id for sync in syncs}
    assert PolytomicHook().call("syncs.list") == listed


def test_the_hook_calls_an_operation_with_named_arguments(emulator):
    sync = emulator.add_model_sync()
    assert PolytomicHook().call("syncs.get", sync_id=sync.id)["name"] == sync.name
    with pytest.raises(ValueError, match="the nearest names are syncs.get"):
        PolytomicHook().call("sync.get", sync_id=sync.id)


@pytest.mark.parametrize(
    ("operation", "arguments", "problem"),
    [
        ("sync.start", {}, "the nearest names are syncs.start"),
        (5, {}, "there is no operation '5'"),
        ("syncs.start", None, "sync_id: is missing"),
        ("syncs.start", {"sync_id": "1", "resynk": "{{ x }}"}, "resynk: is no parameter"),
        ("syncs.start", {"sync_id": "{{ x }}", "identities": [1.5, None]}, "identities"),
        ("syncs.start", ["1"], "arguments is not a mapping"),
        ("connections.delete", {"connection_id": "{{ x }}"}, "needs allow_destructive=True"),
    ],
)
def test_what_is_invalid_is_refused_when_the_dag_is_parsed(emulator, operation, arguments, problem):
    with pytest.raises(ValueError, match=problem):
        call(operation, arguments)
    assert emulator.requests == []


@pytest.mark.parametrize(
    ("operation", "arguments", "problem"),
    [
        ("sync.start", {}, "the nearest names are syncs.start"),
        ("syncs.start", {"sync_id": ""}, "is not an id"),
        ("syncs.start", "sync_id", "arguments is not a mapping"),
        ("syncs.activate", {"sync_id": "1", "active": "None"}, "active: Input should be a valid boolean"),
        ("connections.delete", {"connection_id": "1"}, "needs allow_destructive=True"),
    ],
)
def test_what_a_template_renders_is_refused_before_any_request(emulator, task_instance, operation, arguments, problem):
    operator = call("{{ operation }}", "{{ arguments }}")
    operator.operation, operator.arguments = operation, arguments
    with pytest.raises(PolytomicRequestRefused, match=f"{problem}.*Next: correct operation and arguments"):
        task_instance(operator).finish()
    assert emulator.requests == []


def test_arguments_may_be_templates_and_texts(emulator, task_instance):
    sync = emulator.add_model_sync()
    operator = call("syncs.activate", "{{ arguments }}")
    operator.render_template_fields({"arguments": f'{{"sync_id": "{sync.id}", "active": "False"}}'})
    assert task_instance(operator).finish()["active"] is False


def test_the_organization_takes_the_place_of_the_login(emulator, task_instance, monkeypatch):
    uri = emulator.airflow_connection.replace(emulator.api_key, emulator.partner_key)
    monkeypatch.setenv("AIRFLOW_CONN_PARTNER", uri)
    operator = call("identity.get", polytomic_conn_id="partner", organization_id="{{ organization }}")
    operator.render_template_fields({"organization": emulator.organization_id})
    task_instance(operator).finish()
    assert emulator.requests[-1].auth == "basic"


def test_a_destructive_operation_needs_permission(emulator, task_instance):
    sync = emulator.add_model_sync()
    assert task_instance(call("syncs.delete", {"sync_id": sync.id}, allow_destructive=True)).finish() is None
    assert emulator.syncs == []


@pytest.mark.usefixtures("no_waiting")
def test_a_retry_does_not_repeat_a_start_and_a_clear_does(emulator, task_instance):
    sync = emulator.add_model_sync()
    attempt = task_instance(call("syncs.start", {"sync_id": sync.id}, retries=3))
    emulator.fault("reset", when="after", path="/**/executions", method="POST", count=None)
    with pytest.raises(PolytomicUnavailable):
        attempt.execute()
    emulator.clear_faults()
    started = attempt.retry().execute()
    assert [execution.id for execution in emulator.executions(sync.id)] == [started["id"]]
    emulator.clock.advance(3600)
    attempt.clear().execute()
    assert len(emulator.executions(sync.id)) == 2


def test_a_retry_after_a_refusal_sends_the_operation_again(emulator, task_instance):
    sync = emulator.add_model_sync(active=False)
    attempt = task_instance(call("syncs.start", {"sync_id": sync.id}, retries=3))
    with pytest.raises(PolytomicRequestRefused):
        attempt.execute()
    sync.active = True
    assert attempt.retry().execute()["id"] == emulator.executions(sync.id)[0].id


def test_airflow_masks_the_secrets_of_rendered_arguments(masked):
    arguments = {"name": "n", "type": "t", "configuration": {"account_key": "{{ secret }}", "port": 1}}
    operator = call("connections.create", arguments)
    operator.render_template_fields({"secret": "canary-1"})
    assert operator.arguments["configuration"]["account_key"] == "canary-1"
    assert "canary-1" in masked
    text = call("connections.create", "{{ text }}")
    text.render_template_fields({"text": '{"configuration": {"account_key": "canary-2"}}'})
    assert "canary-2" in masked


def test_a_masked_text_is_hidden_by_airflow(monkeypatch):
    _compat.mask_secret("canary-3-secret")
    try:
        from airflow.sdk._shared.secrets_masker import redact
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import redact
        except ImportError:
            from airflow.utils.log.secrets_masker import redact
    assert redact({"name": "canary-3-secret"}) == {"name": "***"}


def test_a_refused_request_fails_the_task_without_its_secrets(emulator, task_instance):
    emulator.fault("status", status=422, path="/api/connections", method="POST", count=None)
    arguments = {"name": "n", "type": "postgresql", "configuration": {"password": "canary-4"}}
    with pytest.raises(PolytomicRequestRefused, match="The operation connections.create failed: .*422") as refused:
        task_instance(call("connections.create", arguments)).finish()
    assert "canary-4" not in str(refused.value)
