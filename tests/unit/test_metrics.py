"""Metrics: what a task, a trigger and a client record, and what arrives at a statsd server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

from airflow_provider_polytomic.api import PolytomicClient, bulk_syncs, syncs
from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicServerError, class_of_status
from airflow_provider_polytomic.exceptions import PolytomicRunFailed, PolytomicRunTimeout
from airflow_provider_polytomic.executions import wait_for_end
from airflow_provider_polytomic.executions.poller.circuit_breaker import CircuitBreaker
from airflow_provider_polytomic.hooks import _lookup, _metrics
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.metrics import EXECUTIONS_ENDED, METRICS, REQUESTS, WAITS, Instrument
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from tests.support.meter import RecordingMeter
from tests.support.simulated_api import EPOCH, Plan, Process, SimulatedApi, clock, runs
from tests.support.statsd_server import statsd_server

NEVER = float("inf")


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> RecordingMeter:
    """Record the metrics of the Airflow connection ``polytomic_default``."""
    recording = RecordingMeter()
    monkeypatch.setattr(_lookup, "AirflowMeter", lambda conn_id: recording)
    return recording


def of_executions(meter: RecordingMeter) -> dict[str, float]:
    prefix = "polytomic.executions."
    return {name.removeprefix(prefix): value for name, value in meter.sums.items() if name.startswith(prefix)}


@pytest.mark.usefixtures("no_waiting")
class TestOfATask:
    def test_an_execution_is_counted_when_it_starts_and_when_it_ends(self, kind, task_instance, deferrable, meter):
        sync_id = kind.add(duration=60)
        task_instance(kind.start(sync_id, deferrable=deferrable)).finish()
        assert of_executions(meter) == {f"started {kind.name}": 1, f"ended {kind.name} success": 1}
        assert meter.times[f"polytomic.executions.duration {kind.name}"] == [pytest.approx(60.0, abs=2.0)]
        assert len(meter.times[f"polytomic.executions.notice_delay {kind.name}"]) == 1
        assert meter.sums["polytomic.requests"] == len(kind.emulator.requests)
        assert meter.sums.get("polytomic.waits", 0) == 0

    def test_a_retry_counts_the_execution_of_its_predecessor_as_adopted(self, kind, task_instance, meter):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True))
        with suppress(Exception):
            task.execute()
        assert of_executions(meter) == {f"started {kind.name}": 1}
        task.retry().finish()
        assert of_executions(meter) == {
            f"started {kind.name}": 1,
            f"adopted {kind.name}": 1,
            f"ended {kind.name} success": 1,
        }

    def test_an_adopted_execution_that_has_ended_is_counted_without_a_notice_delay(self, kind, task_instance, meter):
        sync_id = kind.add(duration=60)
        task = task_instance(kind.start(sync_id, deferrable=True))
        with suppress(Exception):
            task.execute()
        kind.emulator.clock.advance(100.0)
        task.retry().finish()
        assert of_executions(meter)[f"ended {kind.name} success"] == 1
        assert [name for name in meter.times if "notice_delay" in name] == []

    def test_a_failed_execution_is_counted_with_its_outcome(self, kind, task_instance, deferrable, meter):
        with pytest.raises(PolytomicRunFailed):
            task_instance(kind.start(kind.add(outcome="failed"), deferrable=deferrable)).finish()
        assert of_executions(meter) == {f"started {kind.name}": 1, f"ended {kind.name} failed": 1}

    def test_a_cancellation_at_the_timeout_is_counted(self, kind, task_instance, deferrable, meter):
        with pytest.raises(PolytomicRunTimeout):
            task_instance(kind.start(kind.add(duration=NEVER), deferrable=deferrable, timeout=0.01)).finish()
        assert of_executions(meter) == {
            f"started {kind.name}": 1,
            f"canceled {kind.name}": 1,
            f"ended {kind.name} canceled": 1,
        }

    def test_the_cancellation_of_an_ended_execution_is_not_counted(self, kind, meter):
        started = kind.emulator.start(kind.add(duration=0))
        kind.emulator.clock.advance(100.0)
        api = syncs if kind.name == "model" else bulk_syncs
        with suppress(PolytomicError):
            PolytomicHook().send(api.cancel_execution(kind.emulator.syncs[0].id, started.id))
        assert of_executions(meter) == {}

    def test_a_sensor_counts_the_end_that_it_has_waited_for(self, kind, task_instance, deferrable, meter, monkeypatch):
        monkeypatch.setattr("time.sleep", kind.emulator.clock.advance)
        sync_id = kind.add(duration=60)
        kind.emulator.start(sync_id)
        task_instance(kind.sensor(sync_id, deferrable=deferrable)).finish()
        assert of_executions(meter) == {f"ended {kind.name} success": 1}
        assert len(meter.times[f"polytomic.executions.notice_delay {kind.name}"]) == 1

    def test_a_freshness_check_counts_no_end(self, kind, task_instance, meter):
        sync_id = kind.add(duration=0)
        kind.emulator.start(sync_id)
        kind.emulator.clock.advance(1.0)
        sensor = PolytomicFreshnessSensor(task_id="fresh", sync_id=sync_id, kind=kind.name, max_age=3600)
        assert task_instance(sensor).execute()
        assert of_executions(meter) == {}


def test_the_notice_delay_is_the_time_from_the_end_to_the_poll_that_finds_it():
    api = SimulatedApi("model")
    execution, run = runs(api, Plan(after=NEVER))
    process = Process(api, wait_for_end(run, 30.0, clock=clock(api)))
    while api.now < EPOCH + 90.0:
        process.step()
    execution.status, execution.completed = "completed", EPOCH + 80.0
    process.run()
    assert process.meter.times["polytomic.executions.duration model"] == [pytest.approx(80.0, abs=0.1)]
    assert process.meter.times["polytomic.executions.notice_delay model"] == [pytest.approx(10.0, abs=0.1)]


class TestOfAClient:
    @pytest.fixture
    def client(self, emulator, meter):
        """Return a function that builds a client whose clock only its pauses advance."""
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        def build(**settings):
            config = replace(PolytomicHook().config(), **settings)
            return PolytomicClient(config=config, clock=lambda: now[0], sleep=sleep)

        return build

    def test_each_attempt_of_a_request_is_counted(self, emulator, client, meter):
        emulator.fault("status", status=503, count=2)
        client().send(syncs.list())
        assert meter.sums == {"polytomic.requests": 3, "polytomic.requests.failed": 2}

    def test_a_429_counts_as_throttled_and_its_pause_too(self, emulator, client, meter):
        emulator.fault("status", status=429, headers={"Retry-After": "7"})
        client().send(syncs.list())
        assert meter.sums == {
            "polytomic.requests": 2,
            "polytomic.requests.throttled": 1,
            "polytomic.throttled_seconds": 7.0,
        }

    def test_the_pauses_of_its_own_limit_are_counted(self, client, meter):
        limited = client(max_requests_per_minute=2)
        for _ in range(3):
            limited.send(syncs.list())
        assert meter.sums == {"polytomic.requests": 3, "polytomic.throttled_seconds": 60.0}


def test_the_pause_of_the_poller_after_a_429_is_counted():
    meter = RecordingMeter()
    breaker = CircuitBreaker(meter)
    breaker.failed(class_of_status(429)(429, method="GET", path="/", retry_after=20.0), 0.0, 10.0)
    assert meter.sums == {"polytomic.circuit_breakers_open": 1, "polytomic.throttled_seconds": 20.0}
    breaker.answered(30.0, 25.0)
    assert meter.sums["polytomic.circuit_breakers_open"] == 0


def test_a_circuit_breaker_is_open_until_an_answer_or_the_last_wait():
    meter = RecordingMeter()
    breaker = CircuitBreaker(meter)
    for now in range(20):
        breaker.failed(PolytomicServerError(503, method="GET", path="/"), now, 10.0)
    assert meter.sums == {"polytomic.circuit_breakers_open": 1}
    breaker.close()
    breaker.close()
    assert meter.sums == {"polytomic.circuit_breakers_open": 0}


@pytest.mark.usefixtures("no_waiting")
def test_the_waits_of_a_triggerer_are_a_gauge(emulator, meter, wait_for_event):
    from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger

    seen: list[float] = []
    record = meter.record
    meter.record = lambda metric, value=1, **tags: (record(metric, value, **tags), seen.append(waits()))[0]
    waits = lambda: meter.sums.get("polytomic.waits", 0)  # noqa: E731

    async def three() -> None:
        started = [emulator.start(emulator.add_model_sync(duration=60).id) for _ in range(3)]
        ids = [(execution.sync_id, execution.id) for execution in started]
        triggers = [PolytomicExecutionTrigger(kind="model", sync_id=one, execution_id=other) for one, other in ids]
        await asyncio.gather(*map(wait_for_event, triggers))

    asyncio.run(three())
    assert max(seen) == 3
    assert waits() == 0


class Stats:
    """A stand-in for Airflow's ``Stats`` that keeps its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, object, dict[str, str]]] = []

    def __getattr__(self, method: str):
        return lambda name, value, tags: self.calls.append((method, name, value, tags))


class TestOfAirflow:
    @pytest.fixture
    def stats(self, monkeypatch) -> Stats:
        stats = Stats()
        monkeypatch.setattr(_metrics, "airflow_stats", lambda: stats)
        monkeypatch.setattr(_metrics, "_gauges", type(_metrics._gauges)())
        monkeypatch.setattr(_metrics, "_logged_errors", set())
        return stats

    def test_the_tags_have_characters_that_names_of_metrics_may_have(self, stats):
        _metrics.AirflowMeter("our = polytomic,\n😀").record(EXECUTIONS_ENDED, kind="model", outcome="success")
        tags = {"kind": "model", "outcome": "success", "conn_id": "our___polytomic___"}
        assert stats.calls == [("incr", "polytomic.executions.ended", 1, tags)]

    def test_a_gauge_is_the_sum_of_all_clients_of_a_connection(self, stats):
        for organization_meter in (_metrics.AirflowMeter("one"), _metrics.AirflowMeter("one")):
            organization_meter.record(WAITS)
        _metrics.AirflowMeter("other").record(WAITS)
        _metrics.AirflowMeter("one").record(WAITS, -1)
        assert [(call[2], call[3]["conn_id"]) for call in stats.calls] == [
            (1, "one"), (2, "one"), (1, "other"), (1, "one"),
        ]  # fmt: skip

    def test_a_failure_of_stats_is_logged_once_and_changes_nothing(self, monkeypatch, stats, caplog):
        def fail():
            raise OSError("the statsd host is gone")

        monkeypatch.setattr(_metrics, "airflow_stats", fail)
        for _ in range(3):
            _metrics.AirflowMeter("one").record(REQUESTS)
        [record] = caplog.records
        assert record.getMessage() == "Could not record metrics: OSError: the statsd host is gone"
        _metrics.open_stats()


def test_each_metric_arrives_at_a_statsd_server():
    pytest.importorskip("statsd")
    with statsd_server() as server:
        environment = {**os.environ, **server.settings}
        subprocess.run([sys.executable, "-m", "tests.support.statsd_program"], env=environment, check=True, timeout=120)
    letters = {Instrument.COUNTER: "c", Instrument.GAUGE: "g", Instrument.TIMER: "ms"}
    for metric in METRICS:
        beginnings = (f"airflow.{metric.name}:", f"airflow.{metric.name},")
        found = [each for each in server.packets if each.startswith(beginnings)]
        assert found, metric
        name, _, value = found[0].partition(":")
        assert value.endswith(f"|{letters[metric.instrument]}"), found[0]
        tags = dict(tag.split("=") for tag in name.split(",")[1:])
        assert sorted(tags) == sorted(("conn_id", *metric.tags)), found[0]
        assert tags["conn_id"] == "polytomic_default"
