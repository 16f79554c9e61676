"""The complete message of each failure, compared with ``tests/golden``.

``GOLDEN=write`` in the environment writes the files; read them before you commit them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from threading import enumerate as enumerate_threads
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from airflow_provider_polytomic import exceptions
from airflow_provider_polytomic._compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_polytomic._task import errors
from airflow_provider_polytomic.api import PolytomicClient, clients, identity
from airflow_provider_polytomic.api.rate_limit import RateLimiter
from airflow_provider_polytomic.executions import Diagnostics, Execution, Outcome
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
)
from airflow_provider_polytomic.sensors.freshness import PolytomicFreshnessSensor
from tests.support.failures import BULK_SYNC, HUBSPOT, SYNC, FileServer, Organization
from tests.support.scripted_server import Answer, Server, dripping

GOLDEN = Path(__file__).parents[2] / "golden"
EXECUTION = "00000000-0000-4000-8000-{:012}"
NOON = 1_750_075_200.0
LINK = "https://app.polytomic.com/org/{organization_id}/{kind}-syncs/{sync_id}?run={execution_id}"


CASES: dict[str, tuple[type[Exception], Callable[[Organization], Any]]] = {}


def case(error: type[Exception]) -> Callable[[Callable[[Organization], Any]], Callable[[Organization], Any]]:
    def register(build: Callable[[Organization], Any]) -> Callable[[Organization], Any]:
        CASES[build.__name__] = (error, build)
        return build

    return register


@case(exceptions.PolytomicRunFailed)
def failed(organization):
    return organization.model_sync(outcome="failed", errors=["the warehouse is asleep"], counts={})


@case(exceptions.PolytomicRunFailed)
def failed_without_a_reason(organization):
    return organization.model_sync(outcome="failed", counts={})


@case(exceptions.PolytomicRunFailed)
def failed_with_an_unhealthy_connection(organization):
    organization.emulator.set_connection(HUBSPOT, status="unhealthy", status_error="the refresh token has been revoked")
    return organization.model_sync(outcome="failed", errors=["cannot write to HubSpot"], counts={})


@case(exceptions.PolytomicRunFailed)
def failed_with_error_records(organization):
    return organization.model_sync(
        outcome="failed", errors=[f"row {number}: required field is empty" for number in range(7)],
        counts={"total": 120, "error": 40},
    )  # fmt: skip


PROBLEM = {"code": "missing", "message": "field 'phone' of the model is missing", "path": "fields[2]"}


@case(exceptions.PolytomicRunFailed)
def failed_with_problems(organization):
    organization.emulator.set_switch("start_broken", "accept")
    return organization.model_sync(outcome="failed", counts={}, problems=[PROBLEM])


@case(exceptions.PolytomicRunFailed)
def bulk_failed(organization):
    rows = [
        {"id": "invoices", "outcome": "failed", "message": "permission denied for table invoices"},
        {"id": "customers", "duration": 30},
        {"id": "refunds", "outcome": "canceled"},
    ]
    return organization.bulk_sync(schemas=rows, outcome="failed", message="two schemas were not synced")


@case(exceptions.PolytomicRunIncomplete)
def bulk_partial(organization):
    rows = [
        {"id": "invoices", "outcome": "failed", "message": "column tax does not exist", "errors": 3},
        {"id": "customers"},
    ]
    return organization.bulk_sync(schemas=rows)


@case(exceptions.PolytomicRunFailed)
def bulk_failed_with_many_schemas(organization):
    rows = [{"id": f"table_{number}", "outcome": "failed", "message": "disk full"} for number in range(40)]
    return organization.bulk_sync(
        schemas=[*rows, {"id": "small", "duration": 1}], outcome="failed", message="disk full"
    )


@case(exceptions.PolytomicRunCanceled)
def canceled_by_another(organization):
    return organization.model_sync(outcome="canceled", counts={"total": 20, "insert": 20})


@case(exceptions.PolytomicRunCanceled)
def bulk_canceled_by_another(organization):
    return organization.bulk_sync(outcome="canceled", schemas=[{"id": "invoices", "duration": 10}, {"id": "customers"}])


@case(exceptions.PolytomicRunIncomplete)
def too_many_errors(organization):
    organization.model_sync(counts={"total": 120, "insert": 80, "error": 40})
    return organization.start(max_errors=5)


@case(exceptions.PolytomicRunIncomplete)
def too_few_records(organization):
    organization.model_sync(counts={"total": 7, "insert": 7})
    return organization.start(min_records=100)


@case(exceptions.PolytomicRecordsRejected)
def records_rejected(organization):
    organization.emulator.set_switch("auto_retry_record_errors", "off")
    organization.model_sync(counts={"total": 120, "insert": 80, "error": 40})
    return organization.start(max_errors=0)


@case(exceptions.PolytomicRunTimeout)
def canceled_at_its_timeout(organization):
    organization.model_sync(duration=math.inf)
    return organization.start(timeout=0.01)


@case(exceptions.PolytomicRunTimeout)
def left_running_at_its_timeout(organization):
    organization.model_sync(duration=math.inf)
    return organization.start(timeout=0.01, cancel_on_kill=False)


@case(exceptions.PolytomicRunTimeout)
def completed_after_the_timeout(organization):
    organization.model_sync(duration=math.inf, cancel_ends="completed")
    return organization.start(timeout=0.01)


@case(exceptions.PolytomicRunTimeout)
def failed_after_the_timeout(organization):
    organization.model_sync(duration=math.inf, cancel_ends="failed")
    return organization.start(timeout=0.01)


@case(exceptions.PolytomicUnavailable)
def start_in_conflict(organization):
    operator = organization.model_sync()
    organization.emulator.fault("status", status=409, count=None, method="POST")
    return operator


@case(exceptions.PolytomicRequestRefused)
def execution_not_found(organization):
    operator = organization.model_sync()
    organization.emulator.fault("status", status=404, count=None, method="GET", path="/**/executions/*", skip=1)
    return operator


@case(exceptions.PolytomicRequestRefused)
def start_refused_with_a_long_message(organization):
    operator = organization.model_sync()
    body = {"message": "\n".join(f"line {number} of the reason" for number in range(300))}
    organization.emulator.fault("status", status=422, body=body, count=None, method="POST")
    return operator


@case(exceptions.PolytomicUnavailable)
def too_many_requests(organization):
    operator = organization.model_sync()
    organization.emulator.fault("status", status=429, count=None)
    return operator


@case(AirflowSensorTimeout)
def sensor_timeout_and_canceled(organization):
    organization.model_sync(duration=math.inf, cancel_takes=0)
    organization.emulator.start(SYNC)
    return organization.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_of_a_completed_execution(organization):
    organization.model_sync(duration=math.inf, cancel_takes=0, cancel_ends="completed")
    organization.emulator.start(SYNC)
    return organization.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_with_a_refused_cancellation(organization):
    organization.model_sync(duration=math.inf)
    organization.emulator.start(SYNC)
    organization.emulator.fault("status", status=403, count=None, method="POST")
    return organization.sensor(timeout=0, cancel_on_timeout=True)


@case(exceptions.PolytomicRunFailed)
def already_running(organization):
    organization.model_sync()
    organization.emulator.start(SYNC)
    return organization.start(if_running="fail")


@case(AirflowSkipException)
def already_running_and_skipped(organization):
    organization.model_sync()
    organization.emulator.start(SYNC)
    return organization.start(if_running="skip")


def _refused(status):
    def build(organization):
        operator = organization.model_sync()
        organization.emulator.fault("status", status=status, count=None, method="POST")
        return operator

    CASES[f"start_refused_{status}"] = (exceptions.PolytomicRequestRefused, build)


for _status in (401, 403, 404, 422):
    _refused(_status)


@case(exceptions.PolytomicRequestRefused)
def start_of_an_inactive_sync(organization):
    return organization.model_sync(active=False)


@case(exceptions.PolytomicRequestRefused)
def start_of_a_sync_with_problems(organization):
    return organization.model_sync(problems=[PROBLEM])


@case(exceptions.PolytomicRequestRefused)
def unknown_schema(organization):
    return organization.bulk_sync(options={"schemas": ["invoices", "invoces"]}, schemas=[{"id": "invoices"}])


@case(exceptions.PolytomicUnavailable)
def unavailable(organization):
    operator = organization.model_sync()
    organization.emulator.fault("status", status=503, count=None)
    return operator


@case(exceptions.PolytomicUnavailable)
def connection_reset(organization):
    operator = organization.model_sync()
    organization.emulator.fault("reset", count=None)
    return operator


@case(exceptions.PolytomicRunFailed)
def failed_without_diagnostics(organization):
    operator = organization.model_sync(outcome="failed", errors=["the target refuses the key"], counts={"error": 3})
    organization.emulator.fault("status", status=500, count=None, method="GET", path="/api/syncs/*")
    organization.emulator.fault("status", status=403, count=None, method="GET", path="/**/consolelog")
    organization.emulator.fault("status", status=403, count=None, method="GET", path="/**/errors")
    organization.emulator.fault("status", status=403, count=None, method="GET", path="/**/error-handling")
    return operator


@case(AirflowSensorTimeout)
def sensor_timeout(organization):
    organization.model_sync(duration=math.inf)
    organization.emulator.start(SYNC)
    return organization.sensor(timeout=0)


@case(AirflowSensorTimeout)
def sensor_timeout_with_a_requested_cancellation(organization):
    organization.model_sync(duration=math.inf)
    organization.emulator.start(SYNC)
    return organization.sensor(timeout=0, cancel_on_timeout=True)


@case(AirflowSensorTimeout)
def sensor_timeout_without_an_execution(organization):
    organization.model_sync()
    return organization.sensor(timeout=0, completed_after="2025-06-16T00:00:00Z")


@case(exceptions.PolytomicRunFailed)
def sensor_failed(organization):
    organization.model_sync(outcome="failed", errors=["the warehouse is asleep"], counts={})
    execution = organization.emulator.start(SYNC)
    organization.emulator.clock.advance(754)
    return organization.sensor(execution_id=execution.id)


@case(exceptions.PolytomicRunFailed)
def interrupted(organization):
    return organization.model_sync(outcome="interrupted", counts={})


@case(exceptions.PolytomicRunFailed)
def one_of_many_failed(organization):
    executions = organization.executions(
        {"outcome": "failed", "errors": ["the warehouse is asleep,\nsays the driver"]}, {}, {"errors": ["x"]}
    )
    return organization.sensor_for_many(executions)


@case(exceptions.PolytomicRequestRefused)
def one_of_many_not_found(organization):
    executions = organization.executions({}, {})
    body = {"message": "\n".join(["there is no such execution"] * 40)}
    organization.emulator.fault(
        "status", status=404, body=body, count=None, path=f"/**/{executions[1]['execution_id']}"
    )
    return organization.sensor_for_many(executions)


@case(AirflowSensorTimeout)
def one_of_many_has_not_ended(organization):
    return organization.sensor_for_many(organization.executions({"duration": math.inf}, {}), timeout=0)


@case(AirflowSensorTimeout)
def not_fresh(organization):
    organization.model_sync()
    return PolytomicFreshnessSensor(
        task_id="wait", sync_id=SYNC, max_age=3600, deferrable=organization.deferrable, timeout=0
    )


@case(exceptions.PolytomicRunTimeout)
def cancel_operator_timeout(organization):
    organization.bulk_sync(duration=math.inf, cancel_takes=math.inf)
    organization.emulator.start(BULK_SYNC)
    return PolytomicCancelBulkSyncOperator(task_id="cancel", bulk_sync_id=BULK_SYNC, timeout=0.01)


@pytest.fixture
def files() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def organization(emulator, files, no_waiting, monkeypatch, deferrable) -> Organization:
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
    return Organization(emulator, files, deferrable)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_message_is_that_of_the_golden_file(organization, task_instance, name):
    error, build = CASES[name]
    with pytest.raises(error) as raised:
        task_instance(build(organization)).finish()
    text = str(raised.value).replace(organization.emulator.url, "https://polytomic.example.com") + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()
    assert len(text.splitlines()) <= 30
    assert "Next:" in text
    assert raised.value.__cause__ is None


def test_every_golden_file_has_a_case():
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)


def test_the_file_of_records_is_fetched_without_the_api_key(organization, files, task_instance):
    with pytest.raises(exceptions.PolytomicRunFailed):
        task_instance(failed_with_error_records(organization)).finish()
    [(path, headers)] = files.requests
    assert "Signature=" in path
    assert "authorization" not in headers
    assert organization.emulator.api_key not in str(headers)


def test_hide_error_records_keeps_records_out_of_the_message(organization, files, task_instance, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    connection["extra"]["hide_error_records"] = True
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    with pytest.raises(exceptions.PolytomicRunFailed) as raised:
        task_instance(failed_with_error_records(organization)).finish()
    assert "ada@example.com" not in str(raised.value)
    assert files.requests == []


def test_records_are_in_the_message_but_not_in_the_lineage(organization, task_instance):
    operator = failed_with_error_records(organization)
    with pytest.raises(exceptions.PolytomicRunFailed) as raised:
        task_instance(operator).finish()
    assert "ada@example.com" in str(raised.value)
    assert "ada@example.com" not in operator._lineage_failure
    assert "required field is empty" in operator._lineage_failure


def test_records_of_an_execution_that_timed_out_are_not_in_the_lineage(organization, task_instance):
    organization.model_sync(duration=math.inf, cancel_ends="completed", counts={"total": 10, "error": 3})
    operator = organization.start(timeout=0.01)
    with pytest.raises(exceptions.PolytomicRunTimeout) as raised:
        task_instance(operator).finish()
    assert "ada@example.com" in str(raised.value)
    assert "ada@example.com" not in operator._lineage_failure


def a_task(hook: PolytomicHook) -> Any:
    """Return what a task has for its diagnostics."""
    return SimpleNamespace(_hook=hook, _found_sync=None)


def test_diagnostics_have_a_deadline_even_if_the_response_never_ends(organization, monkeypatch):
    monkeypatch.setattr(errors, "FAILURE_REPORT_TIMEOUT", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n") as url:
        connection = {"conn_type": "polytomic", "host": url, "password": "a-key-of-nobody"}
        monkeypatch.setenv("AIRFLOW_CONN_DRIPPING", json.dumps(connection))
        execution = Execution.unknown("model", SYNC, "1")
        assert errors.find_diagnostics(execution, a_task(PolytomicHook("dripping"))) == Diagnostics()
        assert [thread for thread in enumerate_threads() if thread.name == "polytomic-diagnostics"]


def test_the_rate_limit_does_not_delay_the_diagnostics(organization, task_instance, monkeypatch):
    connection = json.loads(os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"])
    connection["extra"]["max_requests_per_minute"] = 1
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(connection))
    organization.model_sync(outcome="failed", counts={})
    execution = Execution("model", SYNC, organization.emulator.start(SYNC).id, "failed", Outcome.FAILED)
    monkeypatch.setattr(
        clients, "RateLimiter", lambda limit: pytest.fail("rate limited") if limit else RateLimiter(None)
    )
    diagnostics = errors.find_diagnostics(execution, a_task(PolytomicHook()))
    assert diagnostics.sync_name == "Contacts to HubSpot"
    assert diagnostics.console


def test_a_redirect_means_a_wrong_host(server_of_redirects):
    with (
        pytest.raises(
            exceptions.PolytomicUnavailable, match="correct the host of the Airflow connection 'x'"
        ) as raised,
        errors.translate_api_errors("The sync could not be read", PolytomicHook("x")),
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


def test_an_api_key_in_an_error_of_polytomic_is_masked_in_the_result(organization, task_instance):
    operator = organization.model_sync(outcome="failed", errors=[f"who is {organization.emulator.api_key}?"], counts={})
    task = task_instance(operator)
    with pytest.raises(exceptions.PolytomicRunFailed):
        task.finish()
    assert organization.emulator.api_key not in json.dumps(task.xcoms)
    assert "who is ***?" in json.dumps(task.xcoms)


def test_a_success_requests_no_diagnostics(organization, files, task_instance):
    operator = organization.model_sync(counts={"total": 10, "error": 3})
    task_instance(operator).finish()
    paths = [one.path for one in organization.emulator.requests if one.method == "GET"]
    assert not [path for path in paths if path.endswith(("consolelog", "/errors")) or "/connections" in path]
    assert files.requests == []


def test_the_trigger_requests_no_diagnostics(organization, task_instance, deferred, wait_for_event):
    import asyncio

    if not organization.deferrable:
        pytest.skip("nothing is deferred")
    with pytest.raises(deferred) as raised:
        task_instance(failed(organization)).execute()
    asyncio.run(wait_for_event(raised.value.trigger))
    assert not [one for one in organization.emulator.requests if one.path.endswith("consolelog")]


def test_an_error_in_the_diagnostics_changes_no_outcome(organization, task_instance, monkeypatch):
    from airflow_provider_polytomic import executions

    monkeypatch.setattr(executions, "collect_diagnostics", lambda *_: 1 / 0)
    with pytest.raises(exceptions.PolytomicRunFailed, match="the warehouse is asleep"):
        task_instance(failed(organization)).finish()


CANARY = "canary-5ecret"


def _leaks(kind: str) -> str:
    return f"{kind} https://user:{CANARY}@db.example.com/x?sig={CANARY} password={CANARY} Bearer {CANARY}"


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_no_secret_is_in_message_result_or_log(organization, files, task_instance, monkeypatch, logged, kind):
    from airflow_provider_polytomic.emulator.domain import logs

    monkeypatch.setattr(logs, "_HOST", files.url.replace("http://", f"http://user:{CANARY}@"))
    files.content = (
        f"email,api_token,error\nada@example.com,{CANARY},{_leaks('why')}\n{organization.emulator.api_key},x\n".encode()
    )
    organization.emulator.set_connection(HUBSPOT, status=f"token={CANARY}", status_error=_leaks("connection"))
    if kind == "model":
        operator = organization.model_sync(
            outcome="failed", errors=[_leaks("error"), f"the key {organization.emulator.api_key}"],
            counts={"total": 9, "error": 2},
        )  # fmt: skip
    else:
        rows = [{"id": "invoices", "outcome": "failed", "message": _leaks("schema")}, {"id": "customers"}]
        operator = organization.bulk_sync(schemas=rows, message=_leaks("message"))
    operator.console_log = True
    task = task_instance(operator)
    with pytest.raises(exceptions.PolytomicRunError) as raised:
        task.finish()
    for place in (str(raised.value), json.dumps(task.xcoms), logged()):
        assert CANARY not in place
    assert "***" in str(raised.value)
    if kind == "model":
        assert files.requests
        assert "ada@example.com, ***" in str(raised.value)


@pytest.mark.parametrize("kind", ["model", "bulk"])
def test_the_console_log_is_copied_to_the_task_log(organization, task_instance, logged, kind):
    operator = organization.model_sync() if kind == "model" else organization.bulk_sync(schemas=[{"id": "invoices"}])
    operator.console_log = True
    task_instance(operator).finish()
    text = logged()
    assert "::group::Polytomic console log" in text
    assert text.count("info: Execution ended: completed.") == text.count("info: Execution created.") > 0


@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_a_sensor_copies_the_console_log_too(organization, task_instance, logged, kind):
    organization.model_sync(duration=5)
    execution = organization.emulator.start(SYNC)
    organization.emulator.clock.advance(5)
    known = {"execution_id": execution.id} if kind == "known" else {"completed_after": "2025-06-16T00:00:00Z"}
    task_instance(organization.sensor(console_log=True, **known)).finish()
    assert "info: Execution ended: completed." in logged()
