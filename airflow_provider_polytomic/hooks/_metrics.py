"""Record metrics with Airflow's ``Stats``."""

from __future__ import annotations

import logging
import re
from collections import Counter
from contextlib import suppress
from datetime import timedelta

from airflow_provider_polytomic._compat import airflow_stats
from airflow_provider_polytomic.metrics import Instrument, Metric

log = logging.getLogger(__name__)

MAX_TAG_LENGTH = 100

_gauges: Counter[tuple[str, str]] = Counter()
"""The present values of the gauges of this process, by their names and connections."""

_logged_errors: set[type[Exception]] = set()
"""The classes of the errors of ``Stats`` that were logged in this process."""


def open_stats() -> None:
    """Let ``Stats`` create its client, which looks up the name of a host and so blocks an event loop."""
    with suppress(Exception):
        airflow_stats().timer()


class AirflowMeter:
    """Record the metrics of an Airflow connection; a failure is logged once and changes nothing.

    :param conn_id: id of the Airflow connection
    """

    def __init__(self, conn_id: str) -> None:
        # A statsd tag of another form makes the name of the metric invalid, which Airflow logs each time.
        self._conn_id = re.sub(r"[^A-Za-z0-9_.-]", "_", str(conn_id))[:MAX_TAG_LENGTH]

    def record(self, metric: Metric, value: float = 1, **tags: str) -> None:
        """Record a value; a gauge is set to the sum of all values that this process has recorded of it."""
        tags = {**tags, "conn_id": self._conn_id}
        if metric.instrument is Instrument.GAUGE:
            _gauges[metric.name, self._conn_id] += value  # type: ignore[assignment]
            value = _gauges[metric.name, self._conn_id]
        try:
            stats = airflow_stats()
            if metric.instrument is Instrument.COUNTER:
                stats.incr(metric.name, value, tags=tags)
            elif metric.instrument is Instrument.GAUGE:
                stats.gauge(metric.name, value, tags=tags)
            else:
                stats.timing(metric.name, timedelta(seconds=value), tags=tags)
        except Exception as error:
            if type(error) not in _logged_errors:
                _logged_errors.add(type(error))
                log.warning("Could not record metrics: %s: %s", type(error).__name__, error)
