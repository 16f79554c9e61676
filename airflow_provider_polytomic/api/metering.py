"""Record the metrics of a flow: its requests, and the measurements that it yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_polytomic.api.errors import PolytomicError, PolytomicRateLimitError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, Throttle, wrap_steps
from airflow_provider_polytomic.metrics import (
    REQUESTS,
    REQUESTS_FAILED,
    REQUESTS_THROTTLED,
    THROTTLED_SECONDS,
    Meter,
    Metric,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement(Pause):
    """Let the client record a metric; without a meter, this is a pause of no length.

    :param metric: the metric
    :param value: number to add to a counter, or the seconds of a timer; default 1
    :param tags: values of the metric's tags; default none
    """

    seconds: float = field(default=0.0, init=False)
    metric: Metric
    value: float = 1
    tags: Mapping[str, str] = field(default_factory=dict)


def metered(flow: Flow[T], meter: Meter) -> Flow[T]:
    """Run ``flow``, and record its requests and its measurements.

    A request has failed if it gets no response, or one with an error; a 429 counts as throttled instead.
    """

    def handle(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Measurement):
            meter.record(step.metric, step.value, **step.tags)
            return None
        if isinstance(step, Throttle):
            meter.record(THROTTLED_SECONDS, step.seconds)
        if isinstance(step, Pause):
            return (yield step)
        try:
            answer = yield step
        except PolytomicError as error:
            meter.record(REQUESTS)
            meter.record(REQUESTS_THROTTLED if isinstance(error, PolytomicRateLimitError) else REQUESTS_FAILED)
            raise
        meter.record(REQUESTS)
        return answer

    return wrap_steps(flow, handle)
