"""Metrics of the provider, and the interface of the classes that record them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Instrument(str, Enum):
    """The kinds of metric that Airflow's ``Stats`` has."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMER = "timer"


@dataclass(frozen=True)
class Metric:
    """Describe one metric.

    :param name: its name; Airflow puts ``[metrics] statsd_prefix`` before it
    :param instrument: counter, gauge or timer
    :param tags: names of its tags, besides ``conn_id``, which each metric has
    """

    name: str
    instrument: Instrument
    tags: tuple[str, ...] = ()


EXECUTIONS_STARTED = Metric("polytomic.executions.started", Instrument.COUNTER, ("kind",))
EXECUTIONS_ADOPTED = Metric("polytomic.executions.adopted", Instrument.COUNTER, ("kind",))
EXECUTIONS_CANCELED = Metric("polytomic.executions.canceled", Instrument.COUNTER, ("kind",))
EXECUTIONS_ENDED = Metric("polytomic.executions.ended", Instrument.COUNTER, ("kind", "outcome"))
EXECUTIONS_DURATION = Metric("polytomic.executions.duration", Instrument.TIMER, ("kind",))
EXECUTIONS_NOTICE_DELAY = Metric("polytomic.executions.notice_delay", Instrument.TIMER, ("kind",))
REQUESTS = Metric("polytomic.requests", Instrument.COUNTER)
REQUESTS_FAILED = Metric("polytomic.requests.failed", Instrument.COUNTER)
REQUESTS_THROTTLED = Metric("polytomic.requests.throttled", Instrument.COUNTER)
THROTTLED_SECONDS = Metric("polytomic.throttled_seconds", Instrument.COUNTER)
WAITS = Metric("polytomic.waits", Instrument.GAUGE)
CIRCUIT_BREAKERS_OPEN = Metric("polytomic.circuit_breakers_open", Instrument.GAUGE)

METRICS = (
    EXECUTIONS_STARTED, EXECUTIONS_ADOPTED, EXECUTIONS_CANCELED, EXECUTIONS_ENDED, EXECUTIONS_DURATION,
    EXECUTIONS_NOTICE_DELAY, REQUESTS, REQUESTS_FAILED, REQUESTS_THROTTLED, THROTTLED_SECONDS, WAITS,
    CIRCUIT_BREAKERS_OPEN,
)  # fmt: skip


class Meter(Protocol):
    """Record metrics; it must not raise."""

    def record(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Record a value.

        :param metric: the metric
        :param value: number to add to a counter or a gauge, or the seconds of a timer; default 1
        :param tags: values of the metric's tags
        """


class NoMeter:
    """Record nothing."""

    def record(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Do nothing."""


NO_METER = NoMeter()
