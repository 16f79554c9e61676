"""Format the figures as tables, for a terminal and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import import_time, machine
from benchmarks.figures import Cell, Cells, TargetResult, delay, evaluate
from benchmarks.systems import SYSTEMS

IMPORT_BOUND = 15.0

METHOD = Path(__file__).with_name("method.md")


@dataclass(frozen=True)
class Table:
    """A title, column headings, and rows of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        return "\n".join([f"## {self.title}", "", *("| " + " | ".join(line) + " |" for line in lines), ""])

    def print(self, console: Console) -> None:
        """Print the table on a terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def tables(cells: Cells, waits: int, max_waits: int) -> list[Table]:
    """Return all measurements, ratios first."""
    return [
        _targets(cells, waits, max_waits),
        *(_figures(cells, size) for size in cells.sizes),
        *([_imports(cells.imports)] if cells.imports else []),
        Table(
            "Uses of a worker slot per execution",
            ("operator", "waiting in the worker", "deferrable", "begun in the triggerer", "ended there as well"),
            cells.worker_slots,
        ),
        machine_table(),
    ]


def machine_table() -> Table:
    """Return the table of the machine and the versions."""
    return Table("Machine and versions", ("what", ""), machine.facts())


def _targets(cells: Cells, waits: int, max_waits: int) -> Table:
    rows = [_target(each) for each in evaluate(cells, waits, max_waits)]
    return Table(
        "Comparison with the best peer",
        ("figure", "waits", "system", "value", "best peer", "its value", "ratio", "target", "reached"),
        [*rows, *_import_target(cells.imports)],
    )


def _target(result: TargetResult) -> list[str]:
    target, peer = result.target, result.peer
    bound = f"≤ 1/{1 / target.bound:.0f}" if target.of_best_peer else f"≤ {target.bound:g} {target.unit}".strip()
    return [
        f"{target.label}, {target.unit}" if target.unit else target.label,
        f"{target.waits:,}",
        SYSTEMS[result.system].label,
        number(result.value),
        peer[0] if peer else "none in time",
        number(peer[1]) if peer else "",
        _ratio(result.ratio),
        bound,
        {True: "yes", False: "no", None: "–"}[result.reached],
    ]


def _import_target(imports: dict[str, list[float]]) -> list[list[str]]:
    own = {name: statistics.median(times) for name, times in imports.items() if name not in import_time.PEERS}
    peers = [(statistics.median(imports[name]), label) for name, label in import_time.PEERS.items() if name in imports]
    if not own or not peers:
        return []
    name, worst = max(own.items(), key=lambda each: each[1])
    best, label = min(peers)
    reached = "yes" if worst <= IMPORT_BOUND and worst < best else "no"
    bound = f"≤ {IMPORT_BOUND:g} ms, lowest"
    module = name.partition(".")[2]
    return [["import, ms", "", module, number(worst), label, number(best), _ratio(worst / best), bound, reached]]


def _figures(cells: Cells, waits: int) -> Table:
    columns = (
        "system",
        "requests / wait-min",
        "new connections / wait-min",
        "connections in total",
        "look-ups / wait-min",
        "CPU ms / wait-min",
        "CPU of a core",
        "memory KiB / wait",
        "stall ms",
        "delay median s",
        "delay p99 s",
        "delay maximum s",
        "ends noticed",
    )
    return Table(f"{waits:,} waits", columns, [_figure(cells, cell) for cell in cells.of(waits)])


def _figure(cells: Cells, cell: Cell) -> list[str]:
    ends = len(cell["delays"]) + len(cell["unnoticed"])
    measured = [
        number(cell["requests_per_wait_minute"]),
        number(cell["connections_per_wait_minute"]),
        f"{cell['connections']:,}",
        number(cell["lookups_per_wait_minute"]),
        number(cell["cpu_ms_per_wait_minute"]),
        f"{cell['cpu_share']:.1%}",
        number(cell["memory_kib_per_wait"]) if cell["waits"] >= 100 else "–",
        number(cell["stall"] * 1000),
    ]
    if not SYSTEMS[cell["system"]].ends:
        return [SYSTEMS[cell["system"]].label, *measured, "–", "–", "–", "–"]
    delays = [number(delay(cell, quantile)) for quantile in (0.5, 0.99, 1.0)]
    return [SYSTEMS[cell["system"]].label, *measured, *delays, f"{len(cell['delays'])} of {ends}"]


def _imports(imports: dict[str, list[float]]) -> Table:
    rows = [
        (name, import_time.PEERS.get(name, "Polytomic"), *map(number, (statistics.median(times), times[0], times[-1])))
        for name, times in sorted(imports.items(), key=lambda each: statistics.median(each[1]))
    ]
    return Table("Import time after airflow.sdk", ("module", "provider", "median ms", "minimum", "maximum"), rows)


def number(value: float) -> str:
    """Format a figure with about three digits."""
    if value == float("inf"):
        return "not noticed"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"1/{1 / ratio:.1f}" if 0 < ratio < 1 else f"{ratio:.2f}"


def remarks(cells: Sequence[Cell]) -> list[str]:
    """Return remarks on single cells: failures, missed ends, and an overloaded API."""
    found = []
    for cell in cells:
        if "failed" in cell:
            found.append(f"{cell['system']} with {cell['waits']:,} waits failed: {cell['failed']}")
            continue
        label = f"{SYSTEMS[cell['system']].label} with {cell['waits']:,} waits"
        if cell["errors"]:
            found.append(f"{label}: {cell['errors']} triggers ended early, the first with: {cell['error']}")
        if cell["late_starts"]:
            found.append(f"{label}: {cell['late_starts']} triggers were not started within the cell.")
        if cell["unnoticed"]:
            found.append(f"{label}: {len(cell['unnoticed'])} ends were not noticed within the cell.")
        if cell["api_cpu_share"] > 0.8:
            found.append(f"{label}: the API was busy {cell['api_cpu_share']:.0%} of the time and delayed this cell.")
    return found


def markdown(parts: Sequence[Table], remarks: Sequence[str], loads: tuple[float, float]) -> str:
    """Return the whole page."""
    first, *others = parts
    notes = [f"- {each}" for each in remarks] or ["- All cells were completed."]
    page = ["# Cost of waiting", "", "Generated by `make benchmark`. `README.md` explains the figures.", ""]
    page += [first.markdown(), "## Remarks", "", *notes, ""]
    page += [f"- Load average over one minute, before and after: {loads[0]:.1f}, {loads[1]:.1f}.", ""]
    page += [part.markdown() for part in others]
    return "\n".join([*page, METHOD.read_text()])
