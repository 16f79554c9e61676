"""Write the figures as tables, for a terminal and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import ConsoleLogReader
from rich.table import Table as RichTable

from benchmarks import import_time, machine
from benchmarks.figures import Cell, Cells, Verdict, delay, verdicts
from benchmarks.systems import SYSTEMS

IMPORT_BOUND = 15.0

METHOD = Path(__file__).with_name("method.md")


@dataclass(frozen=True)
class Table:
    """A title, what stands above the columns, and rows of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Write it as Markdown."""
        lines = [self.columns, ["---"] + ["---:"] * (len(self.columns) - 1), *self.rows]
        return "\n".join([f"## {self.title}", "", *("| " + " | ".join(line) + " |" for line in lines), ""])

    def print(self, console: ConsoleLogReader) -> None:
        """Show it on a terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def tables(cells: Cells, waits: int, most: int) -> list[Table]:
    """Return everything that was measured, ratios first."""
    return [
        _targets(cells, waits, most),
        *(_figures(cells, size) for size in cells.sizes),
        *([_imports(cells.imports)] if cells.imports else []),
        Table(
            "Worker stints per run",
            ("operator", "waiting in the worker", "deferrable", "started by its trigger", "ended by it too"),
            cells.stints,
        ),
        machine_table(),
    ]


def machine_table() -> Table:
    """Return what it was measured on."""
    return Table("Machine and versions", ("what", ""), machine.facts())


def _targets(cells: Cells, waits: int, most: int) -> Table:
    rows = [_target(each) for each in verdicts(cells, waits, most)]
    return Table(
        "Against the best peer",
        ("figure", "waits", "ours", "value", "best peer", "its value", "ratio", "target", "reached"),
        [*rows, *_import_target(cells.imports)],
    )


def _target(verdict: Verdict) -> list[str]:
    target, peer = verdict.target, verdict.peer
    bound = f"≤ 1/{1 / target.bound:.0f}" if target.of_best_peer else f"≤ {target.bound:g} {target.unit}".strip()
    return [
        f"{target.label}, {target.unit}" if target.unit else target.label,
        f"{target.waits:,}",
        SYSTEMS[verdict.system].label,
        number(verdict.value),
        peer[0] if peer else "none kept up",
        number(peer[1]) if peer else "",
        _ratio(verdict.ratio),
        bound,
        {True: "yes", False: "no", None: "–"}[verdict.reached],
    ]


def _import_target(imports: dict[str, list[float]]) -> list[list[str]]:
    ours = {name: statistics.median(times) for name, times in imports.items() if name not in import_time.PEERS}
    peers = [(statistics.median(imports[name]), label) for name, label in import_time.PEERS.items() if name in imports]
    if not ours or not peers:
        return []
    name, worst = max(ours.items(), key=lambda each: each[1])
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
        "connections in all",
        "look-ups / wait-min",
        "CPU ms / wait-min",
        "CPU of a core",
        "memory KiB / wait",
        "stall ms",
        "delay median s",
        "delay p99 s",
        "delay latest s",
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
    return Table("Import over airflow.sdk", ("module", "of", "median ms", "least", "most"), rows)


def number(value: float) -> str:
    """Write a figure with about three digits."""
    if value == float("inf"):
        return "not noticed"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"1/{1 / ratio:.1f}" if 0 < ratio < 1 else f"{ratio:.2f}"


def remarks(cells: Sequence[Cell]) -> list[str]:
    """Return what a reader must know of single cells: those that failed, and where the API had no time left."""
    told = []
    for cell in cells:
        if "failed" in cell:
            told.append(f"{cell['system']} with {cell['waits']:,} waits failed: {cell['failed']}")
            continue
        label = f"{SYSTEMS[cell['system']].label} with {cell['waits']:,} waits"
        if cell["errors"]:
            told.append(f"{label}: {cell['errors']} triggers ended early, the first with: {cell['error']}")
        if cell["late_starts"]:
            told.append(f"{label}: {cell['late_starts']} triggers were not even started in the time there was.")
        if cell["unnoticed"]:
            told.append(f"{label}: {len(cell['unnoticed'])} ends were not noticed in the time there was.")
        if cell["api_cpu_share"] > 0.8:
            told.append(f"{label}: the API was busy {cell['api_cpu_share']:.0%} of the time, so it held this cell up.")
    return told


def markdown(parts: Sequence[Table], told: Sequence[str], loads: tuple[float, float]) -> str:
    """Write the whole page."""
    first, *others = parts
    notes = [f"- {each}" for each in told] or ["- Every cell ran to its end."]
    page = ["# What waiting costs", "", "Written by `make benchmark`; how to read it stands in `README.md`.", ""]
    page += [first.markdown(), "## Remarks", "", *notes, ""]
    page += [f"- Load average over a minute, before and after: {loads[0]:.1f}, {loads[1]:.1f}.", ""]
    page += [part.markdown() for part in others]
    return "\n".join([*page, METHOD.read_text()])
