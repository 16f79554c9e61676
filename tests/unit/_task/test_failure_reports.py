"""What is read at night: the whole text of each way a run can end badly, in ``tests/golden``.

``GOLDEN=write`` in the environment writes the texts anew, to be read before they are committed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_polytomic import exceptions
from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_polytomic._task import errors
from airflow_provider_polytomic.api import PolytomicClient, clients, identity
from airflow_provider_polytomic.api.rate_limit import RateLimiter
from airflow_provider_polytomic.executions import Diagnostics, Execution, Outcome
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from airflow_provider_polytomic.sensors.runs import PolytomicWaitForSyncsSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor
from tests.support.scripted_server import Answer, Server, dripping

GOLDEN = Path(__file__).parents[2] / "golden"
SYNC = "248df4b7-aa70-47b8-a036-33ac447e668d"
BULK_SYNC = "c5b1d9f0-5e2f-4f6a-8a10-7d2f8b1a7c3e"
HUBSPOT = "0ab9c2d4-1111-4222-8333-444455556666"
WAREHOUSE = "1bc8d3e5-1111-4222-8333-444455556666"
MODEL = "2cd7e4f6-1111-4222-8333-444455556666"
EXECUTION = "00000000-0000-4000-8000-{:012}"
NOON = 1_750_075_200.0
LINK = "https://app.polytomic.com/org/{organization_id}/{kind}-syncs/{sync_id}?run={execution_id}"

RECORDS = b"email,error\nada@example.com,property 'phone' is not valid\ngrace@example.com,email exists already\n"


class Files(ThreadingHTTPServer):
    """What lies behind signed URLs.

    :param content: of every file
    :param seen: path and headers of each request
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FileRequest)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.content = RECORDS
        self.seen: list[tuple[str, dict[str, str]]] = []


class FileRequest(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class World:
    """An organization whose syncs fail, where nothing is left to chance.

    :param files: serves what lies behind signed URLs
    """

    def __init__(self, emulator: Any, files: Files, deferrable: bool) -> None:
        self.emulator = emulator
        self.files = files
        self.deferrable = deferrable
        emulator.add_connection(name="HubSpot production", type="hubspot", id=HUBSPOT)
        emulator.add_connection(name="Warehouse", type="postgresql", id=WAREHOUSE)
        emulator.add_model(connection_id=WAREHOUSE, name="Contacts", id=MODEL)

    def model_sync(self, **plan: Any) -> PolytomicStartSyncOperator:
        self.emulator.add_model_sync(
            name="Contacts to HubSpot", id=SYNC, target_connection_id=HUBSPOT, model_ids=[MODEL],
            **{"duration": 754, "log_every": 300, **plan},
        )  # fmt: skip
        return self.start()

    def start(self, **options: Any) -> PolytomicStartSyncOperator:
        return PolytomicStartSyncOperator(task_id="sync", sync_id=SYNC, deferrable=self.deferrable, **options)

    def bulk_sync(self, *, options: dict[str, Any] | None = None, **plan: Any) -> PolytomicStartBulkSyncOperator:
        self.emulator.add_bulk_sync(
            name="Billing to warehouse", id=BULK_SYNC, source_connection_id=HUBSPOT,
            destination_connection_id=WAREHOUSE, **{"duration": 90, "log_every": 300, **plan},
        )  # fmt: skip
        return PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=BULK_SYNC, deferrable=self.deferrable, **options or {}
        )

    def sensor(self, **options: Any) -> PolytomicSyncStatusSensor:
        return PolytomicSyncStatusSensor(
            task_id="wait", sync_id=SYNC, deferrable=self.deferrable, poke_interval=30, **options
        )

    def executions(self, *plans: dict[str, Any]) -> list[dict[str, Any]]:
        """Start an execution for each plan; those that end have ended."""
        executions = []
        for number, plan in enumerate(plans):
            sync = self.emulator.add_model_sync(id=f"sync-{number}", **{"duration": 60, **plan})
            executions.append({"kind": "model", "sync_id": sync.id, "execution_id": self.emulator.start(sync.id).id})
        self.emulator.clock.advance(60)
        return executions

    def sensor_of_many(self, executions: list[dict[str, Any]], **options: Any) -> PolytomicWaitForSyncsSensor:
        return PolytomicWaitForSyncsSensor(task_id="wait", runs=executions, deferrable=self.deferrable, **options)


CASES: dict[str, tuple[type[Exception], Callable[[World], Any]]] = {}


def case(error: type[Exception]) -> Callable[[Callable[[World], Any]], Callable[[World], Any]]:
    def note(build: Callable[[World], Any]) -> Callable[[World], Any]:
        CASES[build.__name__] = (error, build)
        return build

    return note


@case(exceptions.PolytomicRunFailed)
def failed(world):
    return world.model_sync(outcome="failed", errors=["the warehouse is asleep"], counts={})


@case(exceptions.PolytomicRunFailed)
def failed_without_a_cause(world):
    return world.model_sync(outcome="failed", counts={})


@case(exceptions.PolytomicRunFailed)
def failed_since_a_connection_must_be_authorized_again(world):
    world.emulator.set_connection(HUBSPOT, status="unhealthy", status_error="the refresh token has been revoked")
    return world.model_sync(outcome="failed", errors=["cannot write to HubSpot"], counts={})


@case(exceptions.PolytomicRunFailed)
def failed_with_error_records(world):
    return world.model_sync(
        outcome="failed", errors=[f"row {number}: required field is empty" for number in range(7)],
        counts={"total": 120, "error": 40},
    )  # fmt: skip


@case(exceptions.PolytomicRunFailed)
def failed_with_problems(world):
    sync = world.model_sync(outcome="failed", counts={})
    world.emulator.reset()
    world.emulator.set_switch("start_broken", "accept")
    world.__init__(world.emulator, world.files, world.deferrable)
    problem = {"code": "missing", "message": "field 'phone' of the model is missing", "path": "fields[2]"}
    world.model_sync(outcome="failed", counts={}, problems=[problem])
    return sync


@case(exceptions.PolytomicRunFailed)
def bulk_failed(world):
    rows = [
        {"id": "invoices", "outcome": "failed", "message": "permission denied for table invoices"},
        {"id": "customers", "duration": 30},
        {"id": "refunds", "outcome": "canceled"},
    ]
    return world.bulk_sync(schemas=rows, outcome="failed", message="two schemas were not synced")


@case(exceptions.PolytomicRunIncomplete)
def bulk_partial(world):
    rows = [
        {"id": "invoices", "outcome": "failed", "message": "column tax does not exist", "errors": 3},
        {"id": "customers"},
    ]
    return world.bulk_sync(schemas=rows)


@case(exceptions.PolytomicRunFailed)
def bulk_failed_with_many_schemas(world):
    rows = [{"id": f"table_{number}", "outcome": "failed", "message": "disk full"} for number in range(40)]
    return world.bulk_sync(schemas=[*rows, {"id": "small", "duration": 1}], outcome="failed", message="disk full")


@case(exceptions.PolytomicRunCanceled)
def canceled_by_somebody(world):
    return world.model_sync(outcome="canceled", counts={"total": 20, "insert": 20})


@case(exceptions.PolytomicRunCanceled)
def bulk_canceled_by_somebody(world):
    return world.bulk_sync(outcome="canceled", schemas=[{"id": "invoices", "duration": 10}, {"id": "customers"}])


@case(exceptions.PolytomicRunIncomplete)
def too_many_errors(world):
    world.model_sync(counts={"total": 120, "insert": 80, "error": 40})
    return world.start(max_errors=5)


@case(exceptions.PolytomicRunTimeout)
def canceled_at_its_timeout(world):
    world.model_sync(duration=math.inf)
    return world.start(timeout=0.01)


@case(exceptions.PolytomicRunTimeout)
def left_running_at_its_timeout(world):
    world.model_sync(duration=math.inf)
    return world.start(timeout=0.01, cancel_on_kill=False)


@case(exceptions.PolytomicRunTimeout)
def canceled_too_late(world):
    world.model_sync(duration=math.inf, cancel_ends="completed")
    return world.start(timeout=0.01)


@case(exceptions.PolytomicRunTimeout)
def failed_too_late(world):
    world.model_sync(duration=math.inf, cancel_ends="failed")
    return world.start(timeout=0.01)


@case(exceptions.PolytomicUnavailable)
def start_in_conflict(world):
    operator = world.model_sync()
    world.emulator.fault("status", status=409, count=None, method="POST")
    return operator


@case(exceptions.PolytomicRequestRefused)
def gone_while_it_was_waited_for(world):
    operator = world.model_sync()
    world.emulator.fault("status", status=404, count=None, method="GET", path="/**/executions/*", skip=1)
    return operator


@case(exceptions.PolytomicRequestRefused)
def refused_in_many_words(world):
    operator = world.model_sync()
    body = {"message": "\n".join(f"line {number} of the reason" for number in range(300))}
    world.emulator.fault("status", status=422, body=body, count=None, method="POST")
    return operator


@case(exceptions.PolytomicUnavailable)
def too_many_requests(world):
    operator = world.model_sync()
    world.emulator.fault("status", status=429, count=None)
    return operator


@case(AirflowSensorTimeout)
def sensor_timeout_and_canceled(world):
    world.model_sync(duration=math.inf, cancel_takes=0)
    world.emulator.start(SYNC)
    return world.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_just_before_the_end(world):
    world.model_sync(duration=math.inf, cancel_takes=0, cancel_ends="completed")
    world.emulator.start(SYNC)
    return world.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_with_a_cancel_that_fails(world):
    world.model_sync(duration=math.inf)
    world.emulator.start(SYNC)
    world.emulator.fault("status", status=403, count=None, method="POST")
    return world.sensor(timeout=0, cancel_on_timeout=True)


@case(exceptions.PolytomicRunFailed)
def running_already(world):
    world.model_sync()
    world.emulator.start(SYNC)
    return world.start(if_running="fail")


@case(AirflowSkipException)
def running_already_and_skipped(world):
    world.model_sync()
    world.emulator.start(SYNC)
    return world.start(if_running="skip")


def _refused(status):
    def build(world):
        operator = world.model_sync()
        world.emulator.fault("status", status=status, count=None, method="POST")
        return operator

    CASES[f"start_refused_{status}"] = (exceptions.PolytomicRequestRefused, build)


for _status in (400, 401, 403, 404, 422):
    _refused(_status)


@case(exceptions.PolytomicRequestRefused)
def start_of_an_inactive_sync(world):
    return world.model_sync(active=False)


@case(exceptions.PolytomicRequestRefused)
def start_of_a_broken_sync(world):
    problem = {"code": "missing", "message": "field 'phone' of the model is missing", "path": "fields[2]"}
    return world.model_sync(problems=[problem])


@case(exceptions.PolytomicRequestRefused)
def schema_unknown(world):
    return world.bulk_sync(options={"schemas": ["invoices", "invoces"]}, schemas=[{"id": "invoices"}])


@case(exceptions.PolytomicUnavailable)
def unavailable(world):
    operator = world.model_sync()
    world.emulator.fault("status", status=503, count=None)
    return operator


@case(exceptions.PolytomicUnavailable)
def out_of_reach(world):
    operator = world.model_sync()
    world.emulator.fault("reset", count=None)
    return operator


@case(exceptions.PolytomicRunFailed)
def failed_and_nothing_more_to_learn(world):
    operator = world.model_sync(outcome="failed", errors=["the target refuses the key"], counts={"error": 3})
    world.emulator.fault("status", status=500, count=None, method="GET", path="/api/syncs/*")
    world.emulator.fault("status", status=403, count=None, method="GET", path="/**/consolelog")
    world.emulator.fault("status", status=403, count=None, method="GET", path="/**/errors")
    return operator


@case(AirflowSensorTimeout)
def sensor_timeout(world):
    world.model_sync(duration=math.inf)
    world.emulator.start(SYNC)
    return world.sensor(timeout=0)


@case(AirflowSensorTimeout)
def sensor_timeout_with_cancel(world):
    world.model_sync(duration=math.inf)
    world.emulator.start(SYNC)
    return world.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_with_nothing_to_wait_for(world):
    world.model_sync()
    return world.sensor(timeout=0, completed_after="2025-06-16T00:00:00Z")


@case(exceptions.PolytomicRunFailed)
def sensor_failed(world):
    world.model_sync(outcome="failed", errors=["the warehouse is asleep"], counts={})
    execution = world.emulator.start(SYNC)
    world.emulator.clock.advance(754)
    return world.sensor(execution_id=execution.id)


@case(exceptions.PolytomicRunFailed)
def interrupted(world):
    return world.model_sync(outcome="interrupted", counts={})


@case(exceptions.PolytomicRunFailed)
def some_of_many_failed(world):
    executions = world.executions(
        {"outcome": "failed", "errors": ["the warehouse is asleep,\nsays the driver"]}, {}, {"errors": ["x"]}
    )
    return world.sensor_of_many(executions)


@case(exceptions.PolytomicRequestRefused)
def one_of_many_is_gone(world):
    executions = world.executions({}, {})
    body = {"message": "\n".join(["there is no such execution"] * 40)}
    world.emulator.fault("status", status=404, body=body, count=None, path=f"/**/{executions[1]['execution_id']}")
    return world.sensor_of_many(executions)


@case(AirflowSensorTimeout)
def some_of_many_have_not_ended(world):
    return world.sensor_of_many(world.executions({"duration": math.inf}, {}), timeout=0)


@case(AirflowSensorTimeout)
def not_fresh(world):
    world.model_sync()
    return PolytomicFreshnessSensor(task_id="wait", sync_id=SYNC, max_age=3600, deferrable=world.deferrable, timeout=0)


@case(exceptions.PolytomicRunTimeout)
def cancellation_without_an_end(world):
    world.bulk_sync(duration=math.inf, cancel_takes=math.inf)
    world.emulator.start(BULK_SYNC)
    return PolytomicCancelBulkSyncOperator(task_id="cancel", bulk_sync_id=BULK_SYNC, timeout=0.01)


@pytest.fixture
def files() -> Iterator[Files]:
    with Files() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def world(emulator, files, no_waiting, monkeypatch, deferrable) -> World:
    from airflow_provider_polytomic.emulator.domain import logs, syncs

    ids = iter(range(1, 1000))
    monkeypatch.setattr(syncs, "uuid4", lambda: UUID(EXECUTION.format(next(ids))))
    monkeypatch.setattr(logs, "_HOST", files.url)
    emulator.clock.freeze()
    emulator.clock.set(NOON)
    connection = {
        "conn_type": "polytomic", "host": emulator.url, "password": emulator.api_key, "extra": {"link_template": LINK},
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    return World(emulator, files, deferrable)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_message(world, task_instance, name):
    error, build = CASES[name]
    with pytest.raises(error) as raised:
        task_instance(build(world)).finish()
    text = str(raised.value).replace(world.emulator.url, "https://polytomic.example.com") + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
    assert len(text.splitlines()) <= 30
    assert "Next:" in text
    assert raised.value.__cause__ is None


def test_there_is_no_text_of_nothing():
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)


def test_the_file_of_records_is_fetched_without_the_key(world, files, task_instance):
    with pytest.raises(exceptions.PolytomicRunFailed):
        task_instance(failed_with_error_records(world)).finish()
    [(path, headers)] = files.seen
    assert "Signature=" in path
    assert "authorization" not in headers
    assert world.emulator.api_key not in str(headers)


def test_records_are_kept_out_where_the_connection_says_so(world, files, task_instance, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    connection["extra"]["hide_error_records"] = True
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    with pytest.raises(exceptions.PolytomicRunFailed) as raised:
        task_instance(failed_with_error_records(world)).finish()
    assert "ada@example.com" not in str(raised.value)
    assert files.seen == []


def test_records_are_in_the_message_and_not_in_what_the_lineage_is_told(world, task_instance):
    operator = failed_with_error_records(world)
    with pytest.raises(exceptions.PolytomicRunFailed) as raised:
        task_instance(operator).finish()
    assert "ada@example.com" in str(raised.value)
    assert "ada@example.com" not in operator._lineage_failure
    assert "required field is empty" in operator._lineage_failure


def test_records_of_a_run_that_is_too_late_are_not_in_the_lineage_either(world, task_instance):
    world.model_sync(duration=math.inf, cancel_ends="completed", counts={"total": 10, "error": 3})
    operator = world.start(timeout=0.01)
    with pytest.raises(exceptions.PolytomicRunTimeout) as raised:
        task_instance(operator).finish()
    assert "ada@example.com" in str(raised.value)
    assert "ada@example.com" not in operator._lineage_failure


def test_a_cause_that_comes_drop_by_drop_is_not_waited_for(world, monkeypatch):
    monkeypatch.setattr(errors, "FAILURE_REPORT_TIMEOUT", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n") as url:
        connection = {"conn_type": "polytomic", "host": url, "password": "a-key-of-nobody"}
        monkeypatch.setenv("AIRFLOW_CONN_DRIPPING", json.dumps(connection))
        assert errors.find_diagnostics(Execution.unknown("model", SYNC, "1"), "dripping") == Diagnostics()
        assert [thread for thread in enumerate_threads() if thread.name == "polytomic-diagnostics"]


def test_a_limit_of_requests_does_not_delay_the_cause(world, task_instance, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    connection["extra"]["max_requests_per_minute"] = 1
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    world.model_sync(outcome="failed", counts={})
    execution = Execution("model", SYNC, world.emulator.start(SYNC).id, "failed", Outcome.FAILED)
    monkeypatch.setattr(
        clients, "RateLimiter", lambda limit: pytest.fail("it is paced") if limit else RateLimiter(None)
    )
    cause = errors.find_diagnostics(execution, "polytomic_default")
    assert cause.sync_name == "Contacts to HubSpot"
    assert cause.console


def test_a_redirect_is_a_wrong_host(server_of_redirects):
    with (
        pytest.raises(
            exceptions.PolytomicUnavailable, match="correct the host of the Airflow connection 'x'"
        ) as raised,
        exceptions.translate_api_errors("It cannot be had", "x"),
        PolytomicClient("key", base_url=server_of_redirects) as client,
    ):
        client.send(identity.get())
    assert "retry" not in str(raised.value)


@pytest.fixture
def server_of_redirects() -> Iterator[str]:
    server = Server()
    server.answers(Answer(302, b"", {"Location": "https://elsewhere.example.com"}))
    yield server.url
    server.close()


def test_a_key_that_the_api_repeats_is_in_no_result(world, task_instance):
    operator = world.model_sync(outcome="failed", errors=[f"who is {world.emulator.api_key}?"], counts={})
    task = task_instance(operator)
    with pytest.raises(exceptions.PolytomicRunFailed):
        task.finish()
    assert world.emulator.api_key not in json.dumps(task.xcoms)
    assert "who is ***?" in json.dumps(task.xcoms)


def test_a_success_costs_no_further_request(world, files, task_instance):
    operator = world.model_sync(counts={"total": 10, "error": 3})
    task_instance(operator).finish()
    asked = [one.path for one in world.emulator.requests if one.method == "GET"]
    assert not [path for path in asked if path.endswith(("consolelog", "/errors")) or "/connections" in path]
    assert files.seen == []


def test_the_cause_is_looked_for_by_the_worker_alone(world, task_instance, deferred, wait_for_event):
    import asyncio

    if not world.deferrable:
        pytest.skip("nothing is deferred")
    with pytest.raises(deferred) as raised:
        task_instance(failed(world)).execute()
    asyncio.run(wait_for_event(raised.value.trigger))
    assert not [one for one in world.emulator.requests if one.path.endswith("consolelog")]


def test_a_look_that_breaks_changes_no_verdict(world, task_instance, monkeypatch):
    from airflow_provider_polytomic import executions

    monkeypatch.setattr(executions, "collect_diagnostics", lambda *_: 1 / 0)
    with pytest.raises(exceptions.PolytomicRunFailed, match="the warehouse is asleep"):
        task_instance(failed(world)).finish()


CANARY = "canary-5ecret"


def _leaks(kind: str) -> str:
    return f"{kind} https://user:{CANARY}@db.example.com/x?sig={CANARY} password={CANARY} Bearer {CANARY}"


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_no_secret_is_in_any_message_result_or_log(world, files, task_instance, monkeypatch, logged, kind):
    from airflow_provider_polytomic.emulator.domain import logs

    monkeypatch.setattr(logs, "_HOST", files.url.replace("http://", f"http://user:{CANARY}@"))
    files.content = (
        f"email,api_token,error\nada@example.com,{CANARY},{_leaks('why')}\n{world.emulator.api_key},x\n".encode()
    )
    world.emulator.set_connection(HUBSPOT, status=f"token={CANARY}", status_error=_leaks("connection"))
    if kind == "model":
        operator = world.model_sync(
            outcome="failed", errors=[_leaks("error"), f"the key {world.emulator.api_key}"],
            counts={"total": 9, "error": 2},
        )  # fmt: skip
    else:
        rows = [{"id": "invoices", "outcome": "failed", "message": _leaks("schema")}, {"id": "customers"}]
        operator = world.bulk_sync(schemas=rows, message=_leaks("message"))
    operator.console_log = True
    task = task_instance(operator)
    with pytest.raises(exceptions.PolytomicRunError) as raised:
        task.finish()
    for place in (str(raised.value), json.dumps(task.xcoms), logged()):
        assert CANARY not in place
    assert "***" in str(raised.value)
    if kind == "model":
        assert files.seen
        assert "ada@example.com, ***" in str(raised.value)


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_the_console_log_is_in_the_task_log(world, task_instance, logged, kind):
    operator = world.model_sync() if kind == "model" else world.bulk_sync(schemas=[{"id": "invoices"}])
    operator.console_log = True
    task_instance(operator).finish()
    text = logged()
    assert "::group::Polytomic console log" in text
    assert text.count("info: Execution ended: completed.") == text.count("info: Execution created.") > 0


@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_a_sensor_shows_the_console_log_too(world, task_instance, logged, kind):
    world.model_sync(duration=5)
    execution = world.emulator.start(SYNC)
    world.emulator.clock.advance(5)
    known = {"execution_id": execution.id} if kind == "known" else {"completed_after": "2025-06-16T00:00:00Z"}
    task_instance(world.sensor(console_log=True, **known)).finish()
    assert "info: Execution ended: completed." in logged()
