"""What the measured cells say: quantiles, the best peer, and whether a target is reached."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.systems import OWNED, PEERS, SYSTEMS

Cell = dict[str, Any]

NOTICED_IN_TIME = 1.0
"""Seconds that an end may be noticed later than the poll interval: what the requests themselves take."""


class Cells:
    """What one run has measured.

    :param imports: milliseconds by module
    :param stints: rows of the table of worker stints
    """

    def __init__(self, cells: Sequence[Cell], imports: dict[str, list[float]], stints: Sequence[Sequence[str]]) -> None:
        self.all = list(cells)
        self.imports = imports
        self.stints = stints
        self._by_place = {(cell["system"], cell["waits"]): cell for cell in cells if "failed" not in cell}

    def get(self, system: str, waits: int) -> Cell | None:
        """Return a cell, if it was measured."""
        return self._by_place.get((system, waits))

    def of(self, waits: int) -> list[Cell]:
        """Return the cells with this number of waits, as the systems are listed."""
        return [cell for system in SYSTEMS if (cell := self.get(system, waits))]

    @property
    def sizes(self) -> list[int]:
        """The numbers of waits that were measured."""
        return sorted({waits for _, waits in self._by_place})

    def best_peer(self, waits: int, figure: Callable[[Cell], float]) -> tuple[str, float] | None:
        """Return the peer with the lowest figure, of those that kept up."""
        rated = [
            (figure(cell), SYSTEMS[name].label) for name in PEERS if (cell := self.get(name, waits)) and _kept_up(cell)
        ]
        return (min(rated)[1], min(rated)[0]) if rated else None

    def memory(self, cell: Cell) -> float:
        """Return the memory of a wait over that of an empty task with a sleep, in KiB."""
        empty = self.get("sleep", cell["waits"])
        return float(cell["memory_kib_per_wait"] - (empty["memory_kib_per_wait"] if empty else 0.0))


def delay(cell: Cell, quantile: float) -> float:
    """Return a quantile of the delays by nearest rank; infinite where that end was not noticed."""
    known: list[float] = cell["delays"]
    rank = max(0, math.ceil(quantile * (len(known) + len(cell["unnoticed"]))) - 1)
    return known[rank] if rank < len(known) else float("inf")


def _kept_up(cell: Cell) -> bool:
    return not cell["errors"] and delay(cell, 1.0) <= cell["interval"] + NOTICED_IN_TIME


@dataclass(frozen=True)
class Target:
    """Something to reach.

    :param systems: whose figure it is
    :param bound: the figure may not exceed it; or not exceed this share of the best peer's, where ``of_best_peer``
    """

    label: str
    unit: str
    systems: tuple[str, ...]
    waits: int
    figure: Callable[[Cell], float]
    bound: float
    of_best_peer: bool = True


@dataclass(frozen=True)
class Verdict:
    """A target, as one of our systems meets it; ``peer`` is the best peer's name and figure."""

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
        """Whether the target is reached; None where there is nothing to compare with."""
        if not self.target.of_best_peer:
            return self.value <= self.target.bound
        return None if self.ratio is None else self.ratio <= self.target.bound


def targets(cells: Cells, waits: int, most: int) -> list[Target]:
    """Return all targets, for the usual number of waits and the largest one."""
    ours, models = tuple(OWNED), tuple(name for name in OWNED if SYSTEMS[name].kind == "model")
    interval = next((cell["interval"] for cell in cells.all), 0.0)
    bounds = {waits: 50.0} | ({most: 200.0} if most > waits else {})
    requests = "requests per wait-minute"
    return [
        Target(requests, "", ("bulk",), waits, lambda cell: cell["requests_per_wait_minute"], 1 / 20),
        Target(requests, "", models, waits, lambda cell: cell["requests_per_wait_minute"], 1 / 4),
        Target(
            "latest notice of an end",
            "s",
            ours,
            waits,
            lambda cell: delay(cell, 1.0),
            interval + NOTICED_IN_TIME,
            of_best_peer=False,
        ),
        Target("delay from end to event, median", "s", ours, waits, lambda cell: delay(cell, 0.5), 1 / 3),
        *(
            Target("new TCP connections in all", "", ours, size, lambda cell: cell["connections"], 10, False)
            for size in bounds
        ),
        Target("CPU per wait-minute", "ms", ours, waits, lambda cell: cell["cpu_ms_per_wait_minute"], 1 / 5),
        Target("memory per wait over an empty task", "KiB", ours, waits, cells.memory, 10, of_best_peer=False),
        *(
            Target("longest stall of the event loop", "ms", ours, size, lambda cell: cell["stall"] * 1000, bound, False)
            for size, bound in bounds.items()
        ),
    ]


def verdicts(cells: Cells, waits: int, most: int) -> list[Verdict]:
    """Judge every target for every system that it is for."""
    return [
        Verdict(target, system, target.figure(cell), cells.best_peer(target.waits, target.figure))
        for target in targets(cells, waits, most)
        for system in target.systems
        if (cell := cells.get(system, target.waits))
    ]
