"""The price of a poll: processor time per request, stalls, and ten thousand waits in one process."""

from __future__ import annotations

from benchmarks.figures import Cell, Cells, delay
from benchmarks.report import Table, number
from benchmarks.runner import CellConfig
from benchmarks.systems import PEERS, SYSTEMS

WAITS = 1_000
INTERVAL = 30.0
MANY_WAITS = 10_000
MANY_INTERVAL = 60.0

COMPARED = ("before", "session", "new-client", *PEERS)

MAX_SHARE_OF_BEFORE = 0.5
MAX_CPU_SHARE = 0.6
MAX_MEMORY_MIB = 100.0


def batches(with_earlier: bool) -> list[list[CellConfig]]:
    """Return the cells whose ratios matter, which run at the same time so that they share the noise, and two alone.

    New clients read the certificates again and again, which would delay everything beside them.

    :param with_earlier: also run the code of an earlier commit
    """
    names = ["model", "session", *(["before"] if with_earlier else [])]
    compared = [CellConfig(name, WAITS, INTERVAL) for name in names]
    return [compared, [CellConfig("new-client", WAITS, INTERVAL)], [CellConfig("model", MANY_WAITS, MANY_INTERVAL)]]


def cpu_per_request(cell: Cell) -> float:
    """Return the processor time per request, in milliseconds."""
    requests: float = cell["requests_per_wait_minute"]
    return float(cell["cpu_ms_per_wait_minute"]) / requests if requests else float("inf")


def table(cells: Cells) -> Table:
    """Return the figures, their ratios and the targets."""
    own, many = cells.get("model", WAITS), cells.get("model", MANY_WAITS)
    rows = []
    if own:
        others = {name: cell for name in COMPARED if (cell := cells.get(name, WAITS))}
        for name, cell in others.items():
            bound = MAX_SHARE_OF_BEFORE if name == "before" else 1.0
            rows.append(_row("processor time per request, ms", WAITS, cpu_per_request, own, cell, bound))
        if "session" in others:
            rows.append(
                _row("longest stall, ms", WAITS, lambda cell: cell["stall"] * 1000, own, others["session"], 1.0)
            )
    if many:
        memory = many["memory_kib_per_wait"] * MANY_WAITS / 1024
        longest = delay(many, 1.0)
        rows += [
            _absolute("processor time, % of a core", many["cpu_share"] * 100, MAX_CPU_SHARE * 100),
            _absolute("memory over that of the empty process, MiB", memory, MAX_MEMORY_MIB),
            _absolute("longest delay from end to event, s", longest, MANY_INTERVAL),
        ]
    columns = ("figure", "waits", "value", "compared with", "its value", "ratio", "target", "reached")
    return Table("The price of a poll", columns, rows)


def _row(label: str, waits: int, figure: object, own: Cell, other: Cell, bound: float) -> list[str]:
    assert callable(figure)
    value, compared = figure(own), figure(other)
    ratio = value / compared
    name = SYSTEMS[other["system"]].label
    reached = "yes" if ratio <= bound else "no"
    return [label, f"{waits:,}", number(value), name, number(compared), f"{ratio:.2f}", f"≤ {bound:g}", reached]


def _absolute(label: str, value: float, bound: float) -> list[str]:
    reached = "yes" if value <= bound else "no"
    return [label, f"{MANY_WAITS:,}", number(value), "", "", "", f"≤ {bound:g}", reached]
