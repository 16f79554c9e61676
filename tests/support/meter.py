"""Meter that keeps what it records."""

from __future__ import annotations

from airflow_provider_polytomic.metrics import Instrument, Metric


class RecordingMeter:
    """Keep the recorded values: the sums of counters and gauges, and each value of a timer."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.times: dict[str, list[float]] = {}

    def record(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Keep a value by the name and the tags of its metric, such as ``polytomic.executions.started model``."""
        assert tuple(tags) == metric.tags, metric
        key = " ".join([metric.name, *tags.values()])
        if metric.instrument is Instrument.TIMER:
            self.times.setdefault(key, []).append(value)
        else:
            self.sums[key] = self.sums.get(key, 0) + value
