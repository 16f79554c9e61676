"""Advice in the errors of tasks on settings: none is to set what is set already."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import pytest

from airflow_provider_polytomic import exceptions
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from tests.support.scripted_server import Answer, Server

SYNC = "00000000-0000-4000-8000-000000000001"


SET_ALREADY = [
    ({"login": "org"}, {"status": 401}, "its organization id is right", "needs an organization id"),
    ({"extra": {"max_requests_per_minute": 600}}, {"status": 429}, "set a lower max_requests_per_minute", "or set max"),
]


@pytest.mark.parametrize(("fields", "fault", "advice", "other"), SET_ALREADY, ids=["organization", "limit"])
def test_no_advice_is_to_fill_in_what_the_connection_has(
    emulator, task_instance, monkeypatch, no_waiting, fields, fault, advice, other
):
    defined = {"conn_type": "polytomic", "host": emulator.url, "password": emulator.api_key}
    messages = []
    for more in ({}, fields):
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({**defined, **more}))
        emulator.fault("status", count=None, **fault)
        with pytest.raises(exceptions.PolytomicTaskError) as raised:
            task_instance(PolytomicStartSyncOperator(task_id="sync", sync_id=SYNC)).finish()
        messages.append(str(raised.value))
    assert [advice in message for message in messages] == [False, True]
    assert [other in message for message in messages] == [True, False]


def test_a_refused_proxy_password_is_to_be_corrected(task_instance, monkeypatch, no_waiting):
    defined = {"conn_type": "polytomic", "host": "https://polytomic.test", "password": "key"}
    server = Server()
    server.answers(Answer(407, b"", {"Proxy-Authenticate": "Basic"}))
    extra = {"proxy": server.url.replace("http://", "http://user:canary@"), "max_retries": 0}
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps({**defined, "extra": extra}))
    with pytest.raises(
        exceptions.PolytomicUnavailable, match="correct the user and the password in the proxy of"
    ) as raised:
        task_instance(PolytomicStartSyncOperator(task_id="sync", sync_id=SYNC)).finish()
    server.close()
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("limits", "longer"),
    [
        ({"timeout": 5}, "timeout"),
        ({"execution_timeout": timedelta(seconds=5)}, "execution_timeout"),
        ({"timeout": 60, "execution_timeout": timedelta(seconds=5)}, "execution_timeout"),
        ({"timeout": 5, "execution_timeout": timedelta(seconds=60)}, "timeout"),
    ],
    ids=str,
)
def test_the_limit_that_ended_the_wait_is_to_be_raised(emulator, task_instance, no_waiting, limits, longer):
    sync = emulator.add_model_sync(duration=math.inf)
    operator = PolytomicStartSyncOperator(task_id="t", sync_id=sync.id, deferrable=True, poll_interval=1, **limits)
    with pytest.raises(exceptions.PolytomicRunTimeout, match=f"- set a longer {longer}, or check in Polytomic"):
        task_instance(operator).finish()
