"""A home for Airflow that goes with the tests, and task instances that need no Airflow database."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

for _name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[_name]

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="polytomic-tests-"))
"""Set before anything imports Airflow, which makes its home when it is imported."""

os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME}/airflow.db",
)


def pytest_unconfigure() -> None:
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture
def emulator(polytomic_emulator: Any) -> Any:
    return polytomic_emulator


@pytest.fixture
def no_waiting(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every pause turn the emulator's clock instead of taking time."""
    from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient
    from airflow_provider_polytomic.executions.poller import ExecutionPoller
    from airflow_provider_polytomic.triggers import _base

    async def pause(seconds: float) -> None:
        emulator.clock.advance(seconds)

    async def wait(wakeup: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await wakeup.wait()
        else:
            emulator.clock.advance(seconds)
        wakeup.clear()

    monkeypatch.setitem(PolytomicClient.__init__.__kwdefaults__, "sleep", emulator.clock.advance)
    monkeypatch.setitem(AsyncPolytomicClient.__init__.__kwdefaults__, "sleep", pause)
    monkeypatch.setitem(ExecutionPoller.__init__.__kwdefaults__, "clock", emulator.clock)
    monkeypatch.setitem(ExecutionPoller.__init__.__kwdefaults__, "wait", wait)
    until_next = ExecutionPoller._until_next
    no_time_passes_during_a_request = lambda self, now: None if self._requests else until_next(self, now)  # noqa: E731
    monkeypatch.setattr(ExecutionPoller, "_until_next", no_time_passes_during_a_request)
    monkeypatch.setattr(_base, "SETTLING", 0.0)
    try:
        from airflow_provider_polytomic.operators._cancel_on_kill import KillableOperator
    except ImportError:
        return
    monkeypatch.setattr(KillableOperator, "_sleep", lambda self, seconds: emulator.clock.advance(seconds))


class Deferred(Exception):
    """A task gave its worker back.

    :param trigger: as it arrives in the triggerer: built again from JSON
    """

    def __init__(self, trigger: Any, method_name: str, timeout: Any) -> None:
        self.trigger = trigger
        self.method_name = method_name
        self.timeout = timeout
        super().__init__(f"deferred to {method_name}")


class StateStore:
    """What Airflow 3.3 keeps of a task instance across its attempts."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


class TaskInstance:
    """A task instance without a database: what an operator sees of it, and its attempts."""

    def __init__(self, operator: Any, *, map_index: int = -1, **context: Any) -> None:
        self.task = operator
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", "run", operator.task_id, map_index
        self.try_number, self.max_tries = 1, operator.retries or 0
        self.xcoms: dict[str, Any] = {}
        self.xcom_history: list[tuple[str, Any]] = []
        self.first_reschedule: datetime | None = None
        began = datetime.now(timezone.utc)
        self.context: dict[str, Any] = {
            "ti": self,
            "task": operator,
            "dag_run": type("DagRun", (), {"start_date": began})(),
            "data_interval_start": None,
            **context,
        }

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))
        self.xcom_history.append((key, self.xcoms[key]))

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int = -1) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcoms.get(key)

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule

    def retry(self) -> TaskInstance:
        """Begin the next attempt as Airflow does, which forgets the XComs of the last."""
        self.try_number += 1
        self.xcoms.clear()
        return self

    def clear(self) -> TaskInstance:
        """Begin anew as after a clear by a person."""
        self.max_tries = self.try_number + (self.task.retries or 0)
        return self.retry()

    def execute(self) -> Any:
        """Run ``execute``.

        :raises Deferred: if the task gives its worker back
        """
        return self._call(self.task.execute, self.context)

    def resume(self, event: Any, method_name: str = "execute_complete") -> Any:
        """Go on with what a trigger handed back, as JSON."""
        return self._call(getattr(self.task, method_name), self.context, event=json.loads(json.dumps(event)))

    def finish(self) -> Any:
        """Run to the end, through all deferrals, and push the result as Airflow does."""
        step: Callable[[], Any] = self.execute
        while True:
            try:
                result = step()
            except Deferred as deferred:
                event, method = asyncio.run(first_event(deferred.trigger)), deferred.method_name
                step = lambda event=event, method=method: self.resume(event, method)  # noqa: E731
                continue
            if self.task.do_xcom_push and result is not None:
                self.xcom_push("return_value", result)
            return result

    def _call(self, method: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        try:
            return method(*arguments, **more)
        except BaseException as raised:
            if type(raised).__name__ != "TaskDeferred":
                raise
            deferral: Any = raised
        classpath, kwargs = json.loads(json.dumps(deferral.trigger.serialize()))
        module, _, name = classpath.rpartition(".")
        raise Deferred(getattr(import_module(module), name)(**kwargs), deferral.method_name, deferral.timeout)


async def first_event(trigger: Any) -> Any:
    """Run a trigger as a triggerer does, and return what it hands back."""
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0]))


@pytest.fixture
def deferred() -> type[Deferred]:
    return Deferred


@pytest.fixture
def state_store() -> StateStore:
    return StateStore()


@pytest.fixture
def task_instance() -> type[TaskInstance]:
    return TaskInstance


@pytest.fixture
def wait_for_event() -> Callable[[Any], Any]:
    return first_event


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Return a function that gives everything logged and printed so far, from DEBUG on, whichever way Airflow logs."""
    loggers = [logging.getLogger(), logging.getLogger("airflow.task"), logging.getLogger("airflow.task.hooks")]
    levels = [logger.level for logger in loggers]
    printed: list[str] = []
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    for logger in loggers[1:]:
        logger.addHandler(caplog.handler)

    def text() -> str:
        printed.extend(capfd.readouterr())
        return "".join([*printed, caplog.text])

    yield text
    for logger, level in zip(loggers, levels):
        logger.setLevel(level)
    for logger in loggers[1:]:
        logger.removeHandler(caplog.handler)
