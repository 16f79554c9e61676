"""A task with a timeout whose requests get no answer: the response comes byte by byte, or never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from airflow_provider_polytomic._compat import AirflowSensorTimeout
from airflow_provider_polytomic._task import client
from airflow_provider_polytomic.exceptions import PolytomicRunTimeout, PolytomicUnavailable
from tests.support.scripted_server import dripping
from tests.support.sync_kinds import Kind

NEVER = float("inf")
MANY_RETRIES = {"timeout": 0.1, "max_retries": 99}
"""Retries of the client alone would go on for minutes."""

pytestmark = pytest.mark.timeout(40)


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MIN_ANSWER_TIMEOUT", 0.3)


@pytest.fixture
def connect(emulator, monkeypatch):
    """Return a function that writes the Airflow connection to a server."""

    def write(url: str) -> None:
        fields = {"conn_type": "polytomic", "host": url, "password": emulator.api_key, "extra": MANY_RETRIES}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(fields))

    return write


@pytest.fixture
def slow_kind(request: pytest.FixtureRequest, connect) -> Iterator[Kind]:
    """Return a kind of sync on a server whose responses never end."""
    with dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ") as url:
        connect(url)
        yield Kind(getattr(request, "param", "model"), SimpleNamespace())


@pytest.mark.parametrize("slow_kind", ["model", "bulk"], indirect=True)
def test_a_start_is_given_up_when_the_timeout_has_passed(slow_kind, task_instance, deferrable):
    with pytest.raises(PolytomicUnavailable, match="did not end in time"):
        task_instance(slow_kind.start("a-sync", deferrable=deferrable, timeout=0.3)).execute()


def test_a_cancellation_is_given_up_when_the_timeout_has_passed(slow_kind, task_instance):
    with pytest.raises(PolytomicUnavailable, match="did not end in time"):
        task_instance(slow_kind.cancel("a-sync", timeout=0.3)).execute()


@pytest.mark.parametrize("named", [{}, {"execution_id": "e", "cancel_on_timeout": True}], ids=["current", "named"])
def test_a_poking_sensor_ends_when_its_timeout_has_passed(slow_kind, task_instance, named):
    sensor = slow_kind.sensor("a-sync", poke_interval=0.1, timeout=0.3, **named)
    with pytest.raises(AirflowSensorTimeout, match="within the sensor's timeout"):
        task_instance(sensor).execute()


def test_the_timeout_ends_a_wait_and_its_cancellation(kind, task_instance, connect):
    connect(kind.emulator.url)
    sync_id = kind.add(duration=NEVER)
    kind.emulator.fault("delay", delay=60, method="GET", path="/**/executions/*", skip=1, count=None)
    kind.emulator.fault("delay", delay=60, method="POST", path="/**/cancel", count=None)
    task = task_instance(kind.start(sync_id, timeout=0.3, poll_interval=0.1))
    with pytest.raises(PolytomicRunTimeout, match="check in Polytomic whether the execution is still running"):
        task.execute()
    assert len(kind.cancels) >= 2
    assert task.xcoms["return_value"]["outcome"] == "running"


def test_a_start_whose_response_never_ends_is_found_by_the_retry(kind, task_instance, connect):
    connect(kind.emulator.url)
    sync_id = kind.add(duration=0)
    fault = kind.emulator.fault("delay", delay=60, method="POST", path="/**/executions", count=None)
    task = task_instance(kind.start(sync_id, timeout=0.3, retries=1))
    with pytest.raises(PolytomicUnavailable):
        task.execute()
    fault.count = 0
    assert task.retry().finish()["outcome"] == "success"
    assert len({start.idempotency_key for start in kind.starts}) == 1
    assert len(kind.emulator.executions(sync_id)) == 1
