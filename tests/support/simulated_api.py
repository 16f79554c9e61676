"""Simulate the API's executions and Idempotency-Keys in memory, and drive a flow that can be stopped at any step.

What Polytomic does not document is a setting; what goes wrong between client and server is a fault of a request. Every
execution has the key that started it, so that a test counts what happened, not what was answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import count
from typing import Any, TypeVar

from airflow_provider_polytomic.api import ClientConfig
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.credentials import KEY_LOOKUP_INTERVAL, ReadKeyAgain, reauthorized, with_key_of
from airflow_provider_polytomic.api.errors import (
    PolytomicAPIError,
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
    class_of_status,
)
from airflow_provider_polytomic.api.flow import Flow, Pause
from airflow_provider_polytomic.api.http import Response, read_response
from airflow_provider_polytomic.api.metering import metered
from airflow_provider_polytomic.api.retry import Backoff, RetryPolicy, retrying
from airflow_provider_polytomic.executions.kinds import ExecutionRef
from airflow_provider_polytomic.executions.start import (
    CONFLICT_BACKOFF,
    MIN_CONFLICTS_IN_FLIGHT,
    MIN_CONFLICTS_OF_RETRY,
)
from tests.support.meter import RecordingMeter

T = TypeVar("T")

KINDS = ("model", "bulk")
SYNC = "sync-1"
SYNC_NAME = "Nightly"
EPOCH = 1_700_000_000.0
KEYS_LIVE = 24 * 3600.0
CANCELING_TAKES = 5.0

CONFLICT_PAUSES = tuple(CONFLICT_BACKOFF.delay(number) for number in range(MIN_CONFLICTS_OF_RETRY))
"""Pauses of a retry before a 409 counts as recorded, although the start of an earlier attempt may be in flight."""

MAX_SECONDS_IN_FLIGHT = sum(CONFLICT_BACKOFF.delay(number) for number in range(MIN_CONFLICTS_IN_FLIGHT))
"""The same for a start that the attempt itself has sent without a response."""

FOREIGN_BODIES = {"html": b"<html>no route</html>", "json": b'{"error": "no route"}', "empty": b""}
PROXY = tuple(f"{body} {status}" for status in (400, 401, 403, 404, 409, 410, 422, 500, 502) for body in FOREIGN_BODIES)
"""Answers of something else than the API, which decide nothing."""

POLL_FAULTS = ("429", "500", "502", "503", "lost", "never", "garbled", *PROXY)

EDGE = ("401", "403", "404", "422", "502", "503")
"""Answers from in front of the application: they have no effect, and no key records them."""

LIVE = ("running", "canceling", "queued")

LIST_PATHS = {"model": "/api/syncs", "bulk": "/api/bulk/syncs"}

NAMES = {SYNC: SYNC_NAME, "sync-2": "Weekly"}
"""The syncs; a request for any other one than the first fails the test."""

RENAMED = (
    {SYNC: "Weekly", "sync-2": SYNC_NAME},
    {SYNC: SYNC_NAME, "sync-2": SYNC_NAME},
    {SYNC: "Weekly", "sync-2": "Weekly"},
    {"sync-2": SYNC_NAME},
    {},
)
"""What the syncs are called after somebody has renamed, copied or deleted some."""

CLIENT = RetryPolicy(max_retries=1, backoff=Backoff(0.0, 60.0))
"""One retry by the client itself, without a pause."""

NO_CONNECTION = ClientConfig("key-0")


@dataclass
class AirflowConnection:
    """The Airflow connection with the API key.

    :param failures: number of look-ups that fail from now on
    """

    api_key: str = "key-0"
    failures: int = 0

    def read(self) -> ClientConfig:
        if self.failures:
            self.failures -= 1
            raise LookupError("the secrets backend does not answer")
        return ClientConfig(self.api_key, source=self)

    async def aread(self) -> ClientConfig:
        return self.read()


@dataclass
class Plan:
    """The course of an execution that nothing interrupts."""

    ends: str = "completed"
    after: float = 60.0


@dataclass
class SimulatedExecution:
    """An execution on the server.

    :param key: Idempotency-Key that started it; None if another party did
    :param answered: whether its key is answered with it; False if it is answered 500
    :param in_flight_for: seconds for which its start was in flight
    :param cancels: number of cancel requests
    :param was_canceled: whether one of them came before its end
    :param sender: attempt that has sent its start
    """

    id: str
    created: float
    key: str | None
    plan: Plan
    status: str = "running"
    completed: float | None = None
    answered: bool = True
    in_flight_for: float = 0.0
    cancels: int = 0
    was_canceled: bool = False
    canceled_at: float | None = None
    sender: Any = None

    @property
    def live(self) -> bool:
        return self.status in LIVE


@dataclass
class RecordedAnswer:
    """The answer that is recorded under a key."""

    at: float
    status: int
    answer: Any


@dataclass
class SimulatedApi:
    """Simulate the API for one sync, and list the others.

    :param names: names of the syncs, by id
    :param when_busy: answer to a start while another execution runs: ``conflict`` or ``queue``
    :param records_conflicts: whether a 409 is recorded under the key
    :param records_failures: whether the application's 429 and 5xx are recorded under the key
    :param nothing: field of a missing execution in the status: ``absent`` or ``null``
    :param whole_seconds: whether times are without fractions of a second
    :param status_lags: seconds after its end in which an execution is not yet the ``last_execution``
    :param forgotten: keys that have expired
    :param refused: statuses of refused starts, by key, before its first start was accepted or its answer recorded
    :param refused_later: the same of keys under which an answer is recorded
    :param shown: executions whose start is in flight, by key
    :param delivering: key of the start in flight that is completed now
    :param sender: attempt that sends the requests
    :param api_key: API key that is accepted
    :param on_start: called with each execution before it exists
    """

    kind: str = "model"
    when_busy: str = "conflict"
    records_conflicts: bool = True
    records_failures: bool = True
    nothing: str = "absent"
    names: dict[str, str] = field(default_factory=lambda: NAMES)
    whole_seconds: bool = False
    status_lags: float = 0.0
    plans: list[Plan] = field(default_factory=list)
    now: float = EPOCH
    executions: list[SimulatedExecution] = field(default_factory=list)
    keys: dict[str, RecordedAnswer] = field(default_factory=dict)
    in_flight: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    requests: list[tuple[Call[Any], str]] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    refused: dict[str, list[int]] = field(default_factory=dict)
    refused_later: dict[str, list[int]] = field(default_factory=dict)
    shown: dict[str, SimulatedExecution] = field(default_factory=dict)
    delivering: str | None = None
    sender: Any = None
    api_key: str = "key-0"
    on_start: Callable[[SimulatedExecution], None] | None = None
    _flown: dict[str, tuple[float, Any]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    # ---- what happens without a request

    def advance(self, seconds: float) -> None:
        """Let time pass, and let executions end and keys expire."""
        self.now += seconds
        for one in self.executions:
            if one.status == "canceling" and self.now >= (one.canceled_at or 0) + CANCELING_TAKES:
                self.end(one, "canceled")
            elif one.status == "running" and self.now >= one.created + one.plan.after:
                self.end(one, one.plan.ends)
        self.expire()

    def expire(self) -> None:
        """Forget the keys that are too old."""
        for key in [key for key, kept in self.keys.items() if self.now - kept.at >= KEYS_LIVE]:
            del self.keys[key]
            self.forgotten.add(key)

    def end(self, execution: SimulatedExecution, status: str) -> None:
        execution.status, execution.completed = status, self.now
        for other in self.executions:
            if other.status == "queued" and not any(one.status in ("running", "canceling") for one in self.executions):
                other.status = "running"

    def others_start(self, plan: Plan | None = None) -> SimulatedExecution | None:
        """Start an execution of another party, if none runs."""
        return None if self.busy else self._make(None, plan or Plan(after=float("inf")))

    def show_in_flight(self, key: str) -> None:
        """Begin the execution of a start that is in flight, unless another one runs; its answer comes later."""
        if not self.busy:
            self.shown[key] = self._make(key)

    def deliver(self, key: str) -> None:
        """Complete a start that was in flight."""
        self.delivering = key
        if key in self.shown:
            self.keys[key] = RecordedAnswer(self.now, 200, {"data": self._shown(self.shown[key])})
        else:
            self._act(key)
        del self.in_flight[key]
        self.delivering = None

    @property
    def busy(self) -> bool:
        return any(one.live for one in self.executions)

    def of(self, *keys: str) -> list[SimulatedExecution]:
        return [one for one in self.executions if one.key in keys]

    @property
    def canceled_ids(self) -> set[str]:
        return {one.id for one in self.executions if one.cancels}

    # ---- requests

    def handle(self, call: Call[T], fault: str = "", config: ClientConfig | None = None) -> T:
        """Answer a call; the first fault, if there is one, happens to it.

        :param config: settings of the client, with the API key that it has sent; default None: the right one
        :raises PolytomicError: as the client would
        """
        fault = fault or (self.faults.pop(0) if self.faults else "")
        self.requests.append((call, fault))
        if fault == "never":
            raise PolytomicTransportError("refused", method=call.method, path=call.path, sent=False)
        if fault == "flies" and call.idempotency_key:
            if call.idempotency_key not in self.keys and call.idempotency_key not in self.in_flight:
                self.in_flight[call.idempotency_key] = self.now
                self._flown[call.idempotency_key] = self.now, self.sender
            raise PolytomicTransportError("reset", method=call.method, path=call.path, sent=True)
        if fault in PROXY:
            body, status = fault.split()
            return read_response(call, NO_CONNECTION, Response(int(status), []), FOREIGN_BODIES[body])
        if config and config.api_key != self.api_key:
            raise self._error(call, 401)
        if fault in EDGE or (fault[:3].isdigit() and fault != "500 acted" and not call.idempotency_key):
            self._refuse(call.idempotency_key, int(fault))
            raise self._error(call, int(fault))
        status, answer = self._route(call, fault)
        if fault in ("lost", "flies"):
            raise PolytomicTransportError("reset", method=call.method, path=call.path, sent=True)
        if fault == "garbled":
            raise PolytomicResponseError("cut short", method=call.method, path=call.path)
        if status >= 400 or (fault == "500 acted" and not call.idempotency_key):
            raise self._error(call, status if status >= 400 else 500)
        return call.read(answer)

    def _error(self, call: Call[Any], status: int) -> PolytomicAPIError:
        return class_of_status(status)(status, method=call.method, path=call.path, message=f"because of {status}")

    def _route(self, call: Call[Any], fault: str) -> tuple[int, Any]:
        if (call.method, call.path) == ("GET", LIST_PATHS[self.kind]):
            return 200, {"data": [{"id": id, "name": name} for id, name in self.names.items()]}
        place = call.path.removeprefix(f"{LIST_PATHS[self.kind]}/{SYNC}")
        assert place != call.path, call.path
        if (call.method, place) == ("POST", "/executions"):
            assert call.idempotency_key, "a start without a key"
            return self._start(call.idempotency_key, fault)
        if (call.method, place) == ("GET", "/status"):
            return 200, {"data": self._status()}
        if (call.method, place) == ("GET", "/executions"):
            return 200, {"data": [self._shown(one) for one in reversed(self.executions)][:50] or None}
        named = re.fullmatch(r"/executions/([^/]+)(/cancel)?", place)
        assert named, f"{call.method} {place}"
        one = next((one for one in self.executions if one.id == named[1]), None)
        if one is None:
            return 404, None
        return self._cancel(one) if named[2] else (200, {"data": self._shown(one)})

    def _refuse(self, key: str | None, status: int) -> None:
        if key:
            (self.refused_later if key in self.keys else self.refused).setdefault(key, []).append(status)

    def _start(self, key: str, fault: str) -> tuple[int, Any]:
        if key in self.keys:
            return self.keys[key].status, self.keys[key].answer
        if key in self.in_flight:
            return 409, None
        if fault in ("429", "500", "500 acted"):
            if fault == "500 acted" and not self.busy:
                self._make(key, answered=False)
            if self.records_failures or fault == "500 acted":
                self.keys[key] = RecordedAnswer(self.now, int(fault[:3]), None)
            self._refuse(key, int(fault[:3]))
            return int(fault[:3]), None
        return self._act(key)

    def _act(self, key: str) -> tuple[int, Any]:
        if self.busy and self.when_busy == "conflict":
            if self.records_conflicts:
                self.keys[key] = RecordedAnswer(self.now, 409, None)
            self._refuse(key, 409)
            return 409, None
        answer = {"data": self._shown(self._make(key))}
        self.keys[key] = RecordedAnswer(self.now, 200, answer)
        return 200, answer

    def _make(self, key: str | None, plan: Plan | None = None, answered: bool = True) -> SimulatedExecution:
        if plan is None:
            plan = self.plans.pop(0) if self.plans else Plan()
        status = "queued" if self.busy else "running"
        sent_at, sender = self._flown[self.delivering] if self.delivering else (self.now, self.sender)
        one = SimulatedExecution(
            f"execution-{next(self._ids)}",
            self.now,
            key,
            plan,
            status,
            answered=answered,
            in_flight_for=self.now - sent_at,
            sender=sender if key else None,
        )
        if self.on_start:
            self.on_start(one)
        self.executions.append(one)
        if plan.after == 0:
            self.end(one, plan.ends)
        return one

    def _cancel(self, one: SimulatedExecution) -> tuple[int, Any]:
        one.cancels += 1
        if not one.live:
            return 400, None
        one.was_canceled = True
        if one.status != "canceling":
            one.status, one.canceled_at = "canceling", self.now
        return 200, {"data": {"message": "queued"}}

    def _status(self) -> dict[str, Any]:
        running = next((one for one in self.executions if one.status in ("running", "canceling")), None)
        ended = [
            one for one in self.executions if one.completed is not None and one.completed + self.status_lags <= self.now
        ]
        last = max(ended, key=lambda one: one.created, default=None)
        shown = {"current_execution": running, "last_execution": last}
        answer = {name: self._shown(one) if one else None for name, one in shown.items()}
        return {name: one for name, one in answer.items() if one or self.nothing == "null"}

    def _shown(self, one: SimulatedExecution) -> dict[str, Any]:
        return {
            "id": one.id,
            "status": one.status,
            "created_at": self._moment(one.created),
            "started_at": self._moment(one.created),
            "completed_at": self._moment(one.completed),
        }

    def _moment(self, seconds: float | None) -> str | None:
        if seconds is None:
            return None
        moment = datetime.fromtimestamp(seconds, timezone.utc)
        return (moment.replace(microsecond=0) if self.whole_seconds else moment).isoformat()


@dataclass
class Stop:
    """The step at which a process dies.

    :param step: number of the step
    :param acted: whether its request still reaches the server
    :param writes: whether that makes a difference; known once a process has died there
    """

    step: int
    acted: bool
    writes: bool = False


class Process:
    """Run a flow one step at a time, with the client's retries and metrics.

    :param stop: step at which the process dies
    :param connection: Airflow connection that the client reads at its beginning; default None
    :param config: settings of the client without a connection; default: those with a key that never changes
    """

    def __init__(
        self,
        api: SimulatedApi,
        flow: Flow[Any],
        stop: Stop | None = None,
        connection: AirflowConnection | None = None,
        config: ClientConfig = NO_CONNECTION,
    ) -> None:
        self.api = api
        self.config = config
        self._read_key_at = 0.0
        self.steps = 0
        self.result: Any = None
        self.error: Exception | None = None
        self.ended = self.died = False
        self._stop = stop
        self.meter = RecordingMeter()
        steps = reauthorized(retrying(flow, CLIENT, lambda: api.now), lambda: self.config)
        self._flow = metered(steps, self.meter)
        self.waiting: Call[Any] | Pause | None = None
        try:
            self.config = connection.read() if connection else config
        except LookupError as error:
            self.error, self.ended = error, True
        else:
            self._go_on(None)

    def step(self, fault: str = "") -> None:
        """Do what the flow yielded, and send it the answer."""
        assert not self.ended
        if self._stop and self._stop.step == self.steps:
            self._stop.writes = isinstance(self.waiting, Call) and self.waiting.method != "GET"
            self.die(acted=self._stop.acted)
            return
        self.steps += 1
        wanted = self.waiting
        if isinstance(wanted, ReadKeyAgain):
            self._read_key(wanted)
            self._go_on(None)
            return
        if isinstance(wanted, Pause):
            self.api.advance(wanted.seconds)
            self._go_on(None)
            return
        assert wanted is not None
        self.api.advance(0.001)
        try:
            answer = self.api.handle(wanted, fault, self.config)
        except PolytomicError as error:
            self._go_on(None, error)
        else:
            self._go_on(answer)

    def die(self, *, acted: bool) -> None:
        """End the process; its last request may still reach the server."""
        if acted and isinstance(self.waiting, Call):
            with suppress(PolytomicError):
                self.api.handle(self.waiting, config=self.config)
        self._flow.close()
        self.ended = self.died = True

    def run(self, most: int = 2000) -> Process:
        """Run to the end."""
        while not self.ended:
            assert self.steps < most, "the flow does not end"
            self.step()
        return self

    def _read_key(self, again: ReadKeyAgain) -> None:
        """Do as the clients do."""
        if again.used.source and self.config is again.used and self.api.now >= self._read_key_at:
            self._read_key_at = self.api.now + KEY_LOOKUP_INTERVAL
            try:
                self.config = with_key_of(self.config, again.used.source.read())
            except LookupError as error:
                self.config = with_key_of(self.config, error)

    def _go_on(self, answer: Any, error: PolytomicError | None = None) -> None:
        try:
            self.waiting = self._flow.throw(error) if error else self._flow.send(answer)
        except StopIteration as stop:
            self.result, self.ended = stop.value, True
        except Exception as raised:
            self.error, self.ended = raised, True


def runs(api: SimulatedApi, plan: Plan) -> tuple[SimulatedExecution, ExecutionRef]:
    """Start an execution of another party, and return it with its reference."""
    execution = api.others_start(plan)
    assert execution
    return execution, ExecutionRef(api.kind, SYNC, execution.id)


def clock(api: SimulatedApi) -> Callable[[], float]:
    """Return the clock of the server."""
    return lambda: api.now


def drive(api: SimulatedApi, flow: Flow[Any]) -> tuple[Process, list[float]]:
    """Run a flow to its end, and return its process and its pauses."""
    process, pauses = Process(api, flow), []
    while not process.ended:
        assert process.steps < 2000
        if isinstance(process.waiting, Pause):
            pauses.append(process.waiting.seconds)
        process.step()
    return process, pauses
