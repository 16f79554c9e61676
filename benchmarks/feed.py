"""Measure from how many waits on the events feed pays: ``make benchmark OPTIONS=--feed``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Cell, delay
from benchmarks.report import Table, number
from benchmarks.runner import Order
from benchmarks.systems import SYSTEMS

SIZES = (5, 10, 20, 40, 60, 120)
VARIANTS = (("model", "never"), ("model", "as decided"), ("model", "always"), ("model-trusting", "as decided"))
SIZES_TOGETHER = 2


def batches(interval: float) -> list[list[Order]]:
    """Return the cells, some sizes at the same time: they are small."""
    groups = [SIZES[begin : begin + SIZES_TOGETHER] for begin in range(0, len(SIZES), SIZES_TOGETHER)]
    return [[Order(system, size, interval, feed) for size in group for system, feed in VARIANTS] for group in groups]


def table(cells: Sequence[Cell]) -> Table:
    """Compare each number of waits with and without the feed; ``as decided`` is what the watcher does by itself."""
    columns = (
        "waits",
        "system",
        "feed is asked",
        "requests / min",
        "for events / min",
        "requests / wait-min",
        "delay median s",
        "delay latest s",
    )
    measured = [cell for cell in cells if "failed" not in cell]
    measured.sort(key=lambda cell: (cell["waits"], VARIANTS.index((cell["system"], cell["feed"]))))
    return Table("Does the events feed pay?", columns, [_row(cell) for cell in measured])


def _row(cell: Cell) -> list[str]:
    minutes = 2 * cell["interval"] / 60
    return [
        f"{cell['waits']:,}",
        SYSTEMS[cell["system"]].label,
        cell["feed"],
        number(sum(cell["requests"].values()) / minutes),
        number(cell["requests"].get("events", 0) / minutes),
        number(cell["requests_per_wait_minute"]),
        number(delay(cell, 0.5)),
        number(delay(cell, 1.0)),
    ]
