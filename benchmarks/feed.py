"""Measure the number of waits from which the events feed saves requests: ``make benchmark OPTIONS=--feed``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import Cell, delay
from benchmarks.report import Table, number
from benchmarks.runner import CellConfig
from benchmarks.systems import SYSTEMS

SIZES = (5, 10, 20, 40, 60, 120)
VARIANTS = (("model", "never"), ("model", "automatic"), ("model", "always"), ("model-trusting", "automatic"))
SIZES_PER_BATCH = 2


def batches(interval: float) -> list[list[CellConfig]]:
    """Return the batches of cells; several small sizes run at the same time."""
    groups = [SIZES[begin : begin + SIZES_PER_BATCH] for begin in range(0, len(SIZES), SIZES_PER_BATCH)]
    return [
        [CellConfig(system, size, interval, feed) for size in group for system, feed in VARIANTS] for group in groups
    ]


def table(cells: Sequence[Cell]) -> Table:
    """Compare each number of waits with and without the feed; ``automatic`` is the decision of the poller."""
    columns = (
        "waits",
        "system",
        "feed is read",
        "requests / min",
        "events requests / min",
        "requests / wait-min",
        "delay median s",
        "delay maximum s",
    )
    measured = [cell for cell in cells if "failed" not in cell]
    measured.sort(key=lambda cell: (cell["waits"], VARIANTS.index((cell["system"], cell["feed"]))))
    return Table("Requests with and without the events feed", columns, [_row(cell) for cell in measured])


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
