"""Evaluate the measured cells: quantiles, the best peer, and the targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.systems import OWN, PEERS, SYSTEMS

Cell = dict[str, Any]

REQUEST_ALLOWANCE = 1.0
"""Seconds added to the poll interval for the requests themselves."""


class Cells:
    """The results of one run.

    :param imports: milliseconds by module
    :param worker_slots: rows of the table of worker slots
    """

    def __init__(
        self, cells: Sequence[Cell], imports: dict[str, list[float]], worker_slots: Sequence[Sequence[str]]
    ) -> None:
        self.all = list(cells)
        self.imports = imports
        self.worker_slots = worker_slots
        self._by_place = {(cell["system"], cell["waits"]): cell for cell in cells if "failed" not in cell}

    def get(self, system: str, waits: int) -> Cell | None:
        """Return a cell, if it was measured."""
        return self._by_place.get((system, waits))

    def of(self, waits: int) -> list[Cell]:
        """Return the cells with this number of waits, in the order of the systems."""
        return [cell for system in SYSTEMS if (cell := self.get(system, waits))]

    @property
    def sizes(self) -> list[int]:
        """The measured numbers of waits."""
        return sorted({waits for _, waits in self._by_place})

    def best_peer(self, waits: int, figure: Callable[[Cell], float]) -> tuple[str, float] | None:
        """Return the peer with the lowest figure among those that noticed every end in time."""
        rated = [
            (figure(cell), SYSTEMS[name].label) for name in PEERS if (cell := self.get(name, waits)) and _kept_up(cell)
        ]
        return (min(rated)[1], min(rated)[0]) if rated else None

    def memory(self, cell: Cell) -> float:
        """Return the memory of a wait minus that of an empty task with a sleep, in KiB."""
        empty = self.get("sleep", cell["waits"])
        return float(cell["memory_kib_per_wait"] - (empty["memory_kib_per_wait"] if empty else 0.0))


def delay(cell: Cell, quantile: float) -> float:
    """Return a quantile of the delays by nearest rank; infinite if that end was not noticed."""
    known: list[float] = cell["delays"]
    rank = max(0, math.ceil(quantile * (len(known) + len(cell["unnoticed"]))) - 1)
    return known[rank] if rank < len(known) else float("inf")


def _kept_up(cell: Cell) -> bool:
    return not cell["errors"] and delay(cell, 1.0) <= cell["interval"] + REQUEST_ALLOWANCE


@dataclass(frozen=True)
class Target:
    """An upper bound of a figure.

    :param systems: the systems that the target applies to
    :param bound: the maximum of the figure; with ``of_best_peer``, the maximum share of the best peer's figure
    """

    label: str
    unit: str
    systems: tuple[str, ...]
    waits: int
    figure: Callable[[Cell], float]
    bound: float
    of_best_peer: bool = True


@dataclass(frozen=True)
class TargetResult:
    """The figure of one system for a target; ``peer`` is the name and the figure of the best peer."""

    target: Target
    system: str
    value: float
    peer: tuple[str, float] | None

    @property
    def ratio(self) -> float | None:
        """The figure as a share of the best peer's."""
        return self.value / self.peer[1] if self.peer and self.peer[1] else None

    @property
    def reached(self) -> bool | None:
        """True if the target is reached; None if there is no peer to compare with."""
        if not self.target.of_best_peer:
            return self.value <= self.target.bound
        return None if self.ratio is None else self.ratio <= self.target.bound


def targets(cells: Cells, waits: int, max_waits: int) -> list[Target]:
    """Return all targets, for the standard number of waits and the largest one."""
    own, models = tuple(OWN), tuple(name for name in OWN if SYSTEMS[name].kind == "model")
    interval = next((cell["interval"] for cell in cells.all), 0.0)
    bounds = {waits: 50.0} | ({max_waits: 200.0} if max_waits > waits else {})
    requests = "requests per wait-minute"
    return [
        Target(requests, "", ("bulk",), waits, lambda cell: cell["requests_per_wait_minute"], 1 / 20),
        Target(requests, "", models, waits, lambda cell: cell["requests_per_wait_minute"], 1 / 4),
        Target(
            "maximum delay from end to event",
            "s",
            own,
            waits,
            lambda cell: delay(cell, 1.0),
            interval + REQUEST_ALLOWANCE,
            of_best_peer=False,
        ),
        Target("delay from end to event, median", "s", own, waits, lambda cell: delay(cell, 0.5), 1 / 3),
        *(
            Target("new TCP connections in total", "", own, size, lambda cell: cell["connections"], 10, False)
            for size in bounds
        ),
        Target("CPU per wait-minute", "ms", own, waits, lambda cell: cell["cpu_ms_per_wait_minute"], 1 / 5),
        Target("memory per wait minus an empty task", "KiB", own, waits, cells.memory, 10, of_best_peer=False),
        *(
            Target("longest stall of the event loop", "ms", own, size, lambda cell: cell["stall"] * 1000, bound, False)
            for size, bound in bounds.items()
        ),
    ]


def evaluate(cells: Cells, waits: int, max_waits: int) -> list[TargetResult]:
    """Evaluate every target for each of its systems."""
    return [
        TargetResult(target, system, target.figure(cell), cells.best_peer(target.waits, target.figure))
        for target in targets(cells, waits, max_waits)
        for system in target.systems
        if (cell := cells.get(system, target.waits))
    ]
