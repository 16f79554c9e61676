"""A temporary home for Airflow, and the fixtures that all tests share."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.task_instances import Deferred, StateStore, TaskInstance, first_event

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

for _name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[_name]

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="polytomic-tests-"))
"""Set before the first import of Airflow, which creates its home directory."""

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
    """Let every pause advance the emulator's clock instead of taking time."""
    pytest.importorskip("airflow", reason="make test-oldest has no Airflow")
    from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient
    from airflow_provider_polytomic.executions.poller import ExecutionPoller
    from airflow_provider_polytomic.operators._cancel_on_kill import CancelOnKillOperator
    from airflow_provider_polytomic.triggers import _base

    async def pause(seconds: float) -> None:
        emulator.clock.advance(seconds)

    async def wait(wakeup: asyncio.Event, seconds: float | None) -> None:
        if seconds is None:
            await wakeup.wait()
        else:
            emulator.clock.advance(seconds)
        wakeup.clear()

    open_client, open_async_client = PolytomicClient._open, AsyncPolytomicClient._open
    monkeypatch.setattr(
        PolytomicClient, "_open", lambda self, http, sleep: open_client(self, http, sleep or emulator.clock.advance)
    )
    monkeypatch.setattr(
        AsyncPolytomicClient, "_open", lambda self, http, sleep: open_async_client(self, http, sleep or pause)
    )
    monkeypatch.setitem(ExecutionPoller.__init__.__kwdefaults__, "clock", emulator.clock)
    monkeypatch.setitem(ExecutionPoller.__init__.__kwdefaults__, "wait", wait)
    until_next = ExecutionPoller._until_next
    no_time_passes_during_a_request = lambda self, now: None if self._requests else until_next(self, now)  # noqa: E731
    monkeypatch.setattr(ExecutionPoller, "_until_next", no_time_passes_during_a_request)
    monkeypatch.setattr(_base, "MIN_DEFERRAL", 0.0)
    monkeypatch.setattr(CancelOnKillOperator, "_sleep", lambda self, seconds: emulator.clock.advance(seconds))


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
def no_log() -> Iterator[None]:
    """Drop all log lines; thousands of simulated processes spend a fifth of their time on them."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Return a function that returns everything logged and printed so far, from DEBUG on, however Airflow logs."""
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
