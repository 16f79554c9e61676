"""Task instances that need no Airflow database."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, timezone
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any


class Deferred(Exception):
    """A task has deferred.

    :param trigger: the trigger as in the triggerer, deserialized from JSON
    """

    def __init__(self, trigger: Any, method_name: str, timeout: Any) -> None:
        self.trigger = trigger
        self.method_name = method_name
        self.timeout = timeout
        super().__init__(f"deferred to {method_name}")


class StateStore:
    """A stand-in for the task state store of Airflow 3.3, or for a place that keeps less.

    :param keys: keys whose values it keeps; default: all
    :param broken: whether each request to it fails
    """

    def __init__(self, keys: Collection[str] | None = None) -> None:
        self.keys = keys
        self.values: dict[str, Any] = {}
        self.broken = False

    def get(self, key: str) -> Any:
        self._check()
        return json.loads(json.dumps(self.values.get(key)))

    def set(self, key: str, value: Any) -> None:
        self._check()
        if self.keys is None or key in self.keys:
            self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def _check(self) -> None:
        if self.broken:
            raise RuntimeError("the task state store is down")


class OutletEvents(defaultdict[Any, Any]):
    """A stand-in for ``outlet_events`` of Airflow's context, by the URI of the asset or the name of the alias."""

    def __init__(self) -> None:
        super().__init__(_OutletEvent)

    def __getitem__(self, outlet: Any) -> Any:
        return super().__getitem__(getattr(outlet, "uri", None) or outlet.name)


class _OutletEvent:
    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.added: list[tuple[Any, dict[str, Any]]] = []

    def add(self, asset: Any, extra: dict[str, Any]) -> None:
        """Add an event through an alias; like Airflow 2, refuse values that cannot be in a set."""
        if find_spec("airflow.sdk") is None:
            frozenset(extra.items())
        self.added.append((asset, json.loads(json.dumps(extra))))


class TaskInstance:
    """A task instance without a database, and its attempts.

    :param broken_xcoms: keys that the XCom backend neither takes nor gives
    """

    def __init__(self, operator: Any, *, map_index: int = -1, **context: Any) -> None:
        self.task = operator
        self.dag_id, self.run_id, self.task_id, self.map_index = "dag", "run", operator.task_id, map_index
        self.try_number, self.max_tries = 1, operator.retries or 0
        self.xcoms: dict[str, Any] = {}
        self.broken_xcoms: set[str] = set()
        self.xcom_history: list[tuple[str, Any]] = []
        self.first_poke: datetime | None = None
        began = datetime.now(timezone.utc)
        self.context: dict[str, Any] = {
            "ti": self,
            "task": operator,
            "dag_run": SimpleNamespace(start_date=began, clear_number=0),
            "data_interval_start": None,
            **context,
        }

    def xcom_push(self, key: str, value: Any) -> None:
        if key in self.broken_xcoms:
            raise RuntimeError(f"the XCom backend is down, and does not take {key}")
        self.xcoms[key] = json.loads(json.dumps(value))
        self.xcom_history.append((key, self.xcoms[key]))

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int = -1) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        if key in self.broken_xcoms:
            raise RuntimeError(f"the XCom backend is down, and does not give {key}")
        return self.xcoms.get(key)

    def retry(self) -> TaskInstance:
        """Begin the next attempt; like Airflow, delete the XComs of the last one."""
        self.try_number += 1
        self.xcoms.clear()
        return self

    def clear(self, *, in_finished_run: bool = False, counted: bool = True) -> TaskInstance:
        """Begin the next attempt after a clear; if the DAG run was finished, it begins once more.

        :param counted: whether the DAG run counts each clear, as in Airflow 3.2, and not only those in a finished run
        """
        self.max_tries = self.try_number + (self.task.retries or 0)
        if counted or in_finished_run:
            self.clear_others()
        if in_finished_run:
            self.context["dag_run"].start_date += timedelta(hours=1)
        return self.retry()

    def clear_others(self) -> None:
        """Clear another task of the DAG run."""
        self.context["dag_run"].clear_number += 1

    def execute(self) -> Any:
        """Run ``execute``.

        :raises Deferred: if the task defers
        """
        return self._call(self.task.execute, self.context)

    def resume(self, event: Any, method_name: str = "execute_complete") -> Any:
        """Resume with the event of a trigger, serialized as JSON."""
        return self._call(getattr(self.task, method_name), self.context, event=json.loads(json.dumps(event)))

    def finish(self) -> Any:
        """Run to the end through all deferrals; push the result as Airflow does."""
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
    """Run a trigger as a triggerer does, and return its event."""
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0]))
