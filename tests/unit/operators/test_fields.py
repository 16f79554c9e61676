"""The constructor and the template fields of every operator, and values that templates render natively."""

from __future__ import annotations

import inspect
from collections import deque
from datetime import datetime, timedelta

import pytest

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.connections import PolytomicCreateConnectionOperator
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from tests.support.task_classes import REQUIRED_PARAMETERS

every_task = pytest.mark.parametrize("operator", REQUIRED_PARAMETERS, ids=lambda each: each.__name__)


@every_task
def test_template_fields_are_kept_as_given(operator):
    given = {field: object() for field in operator.template_fields}
    built = operator(task_id="t", **{**REQUIRED_PARAMETERS[operator], **given})
    assert {field: getattr(built, field) for field in operator.template_fields} == given
    assert "polytomic_conn_id" in operator.template_fields


@every_task
def test_a_constructor_does_no_io(operator, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the constructor has read a connection")

    monkeypatch.setattr("airflow_provider_polytomic.hooks.polytomic.PolytomicHook.__init__", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    operator(task_id="t", polytomic_conn_id="no such connection", **REQUIRED_PARAMETERS[operator])


@every_task
def test_parameters_are_keyword_only(operator):
    kinds = {each.kind for each in inspect.signature(operator).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


def test_an_invalid_option_is_refused_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="if_running must be one of 'wait', 'join', 'fail', 'skip', not 'hope'"):
        PolytomicStartSyncOperator(task_id="t", sync_id="s", if_running="hope")


DURATIONS = [
    (PolytomicStartSyncOperator, "poll_interval"),
    (PolytomicStartSyncOperator, "timeout"),
    (PolytomicStartBulkSyncOperator, "timeout"),
    (PolytomicCancelSyncOperator, "poll_interval"),
    (PolytomicCancelBulkSyncOperator, "timeout"),
    (PolytomicCreateConnectionOperator, "refresh_timeout"),
    (PolytomicFreshnessSensor, "max_age"),
]
every_duration = pytest.mark.parametrize(
    ("task_class", "name"), DURATIONS, ids=lambda each: getattr(each, "__name__", each)
)


@every_duration
def test_an_invalid_duration_is_refused_when_the_dag_is_parsed(task_class, name):
    with pytest.raises(ValueError, match=f"{name} must be a number of seconds or a timedelta greater than 0"):
        task_class(task_id="t", **{**REQUIRED_PARAMETERS[task_class], name: 0})


@every_duration
def test_a_duration_may_be_a_timedelta(task_class, name):
    built = task_class(task_id="t", **{**REQUIRED_PARAMETERS[task_class], name: timedelta(minutes=2)})
    assert getattr(built, name) == 120.0


def test_an_invalid_id_is_refused_before_any_request(kind, task_instance, no_waiting, deferrable):
    with pytest.raises(PolytomicRequestRefused, match=f"{kind.id_name} is .*not an id. Next: "):
        task_instance(kind.start("..", deferrable=deferrable)).execute()
    with pytest.raises(PolytomicRequestRefused, match=f"{kind.id_name} is .*not an id. Next: "):
        task_instance(kind.cancel("..")).execute()
    assert kind.emulator.requests == []


def test_an_id_that_looks_like_a_path_is_one_path_segment(kind, task_instance, no_waiting):
    with pytest.raises(PolytomicRequestRefused):
        task_instance(kind.start("../connections/é?x#y")).execute()
    depths = {"model": {3, 4}, "bulk": {3, 4, 5}}  # entity and status; for a bulk sync, the sync, too
    assert {one.path.count("/") for one in kind.emulator.requests} == depths[kind.name]


@pytest.mark.parametrize("native", [False, True])
def test_template_fields_are_rendered_as_text_or_natively(emulator, task_instance, no_waiting, native):
    emulator.add_model_sync(id="42", duration=0)
    with DAG(dag_id="dag", start_date=datetime(2026, 1, 1), schedule=None, render_template_as_native_obj=native):
        operator = PolytomicStartSyncOperator(
            task_id="sync", sync_id="{{ id }}", resync="{{ yes }}", test="{{ no }}", identities="{{ people }}"
        )
    people = ["a", "b"] if native else "a"
    operator.render_template_fields({"id": 42, "yes": True, "no": False, "people": people})
    assert (operator.sync_id, operator.resync) == ((42, True) if native else ("42", "True"))
    assert task_instance(operator).finish()["sync_id"] == "42"
    [start] = [one for one in emulator.requests if one.method == "POST"]
    assert start.body == {"resync": True, "identities": ["a", "b"] if native else ["a"]}


@pytest.mark.parametrize("value", ["perhaps", 2, ["x"]])
def test_an_invalid_boolean_is_refused(emulator, task_instance, no_waiting, value):
    sync = emulator.add_model_sync(duration=0)
    operator = PolytomicStartSyncOperator(task_id="sync", sync_id=sync.id, resync=value)
    with pytest.raises(
        PolytomicRequestRefused, match="resync is .*, neither true nor false. Next: check what its template renders"
    ):
        task_instance(operator).execute()
    assert emulator.executions(sync.id) == []


def test_source_identities_are_sent_as_they_are_given(emulator, task_instance, no_waiting):
    record = [{"source": {"model_id": "people", "field": "email"}, "value": "a@example.com"}]
    sync, given = emulator.add_model_sync(duration=0), [deque(record)]
    task_instance(PolytomicStartSyncOperator(task_id="sync", sync_id=sync.id, source_identities=given)).finish()
    [start] = [one for one in emulator.requests if one.method == "POST"]
    assert start.body == {"source_identities": [record]}


def test_an_invalid_list_is_refused(emulator, task_instance, no_waiting):
    sync = emulator.add_model_sync(duration=0)
    operator = PolytomicStartSyncOperator(task_id="sync", sync_id=sync.id, identities=7)
    with pytest.raises(
        PolytomicRequestRefused, match="identities is 7, not a list. Next: check what its template renders"
    ):
        task_instance(operator).execute()
    assert emulator.executions(sync.id) == []


def test_test_and_resync_mode_exclude_each_other(emulator, task_instance, no_waiting):
    sync = emulator.add_bulk_sync()
    operator = PolytomicStartBulkSyncOperator(
        task_id="sync", bulk_sync_id=sync.id, test="{{ true }}".strip("{} "), resync_mode="rebuild"
    )
    with pytest.raises(PolytomicRequestRefused, match="exclude each other"):
        task_instance(operator).execute()
    assert emulator.executions(sync.id) == []


def test_unknown_schemas_are_refused_with_the_existing_ones(emulator, task_instance, no_waiting):
    sync = emulator.add_bulk_sync()
    operator = PolytomicStartBulkSyncOperator(task_id="sync", bulk_sync_id=sync.id, schemas=["contact", "lead"])
    with pytest.raises(PolytomicRequestRefused, match="no schema 'lead'. Next: choose from contact, account"):
        task_instance(operator).execute()
    assert emulator.executions(sync.id) == []


def test_deferrable_is_false_unless_airflow_is_configured_otherwise():
    assert inspect.signature(PolytomicStartSyncOperator).parameters["deferrable"].default is False
