"""Measure and report: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import ConsoleLogReader

from benchmarks import feed, import_time, machine, report, stints
from benchmarks.figures import Cell, Cells
from benchmarks.runner import Order, Runner
from benchmarks.systems import OWNED, PEERS, SYSTEMS

INTERVAL = 30.0
SIZES = (1, 100, 1_000, 5_000)
USUAL = 1_000
TOGETHER = 100
"""Cells with at most so many waits run at the same time."""

QUICK_INTERVAL = 5.0
QUICK_SIZES = (100,)
RESULTS = Path(__file__).with_name("results.md")
FEED = Path(__file__).with_name("feed.md")


def main() -> None:
    """Run what was asked for."""
    options = _options()
    console = ConsoleLogReader(width=None if ConsoleLogReader().is_terminal else 200)
    before = machine.load()
    if before > 1:
        console.print(f"Something else is at work here (load average {before:.1f}): the figures will show it.")
    parts, told = (_feed if options.feed else _whole)(options, console)
    for part in parts:
        part.print(console)
    for line in told:
        console.print(f"- {line}")
    output = options.output or (None if options.quick else FEED if options.feed else RESULTS)
    if output:
        output.write_text(report.markdown(parts, told, (before, machine.load())))
        console.print(f"Written: {output}")


def _whole(options: argparse.Namespace, console: ConsoleLogReader) -> tuple[list[report.Table], list[str]]:
    interval = options.interval or (QUICK_INTERVAL if options.quick else INTERVAL)
    sizes = options.waits or (QUICK_SIZES if options.quick else SIZES)
    worker_stints = stints.rows()
    imports = {} if options.no_imports or options.quick else _measure_imports(console)
    batches = _batches(options.systems or list(SYSTEMS), sizes, interval)
    measured = Cells(_measure(batches, console), imports, worker_stints)
    parts = report.tables(measured, USUAL if USUAL in sizes else max(sizes), max(sizes))
    return parts, report.remarks(measured.all)


def _feed(options: argparse.Namespace, console: ConsoleLogReader) -> tuple[list[report.Table], list[str]]:
    cells = _measure(feed.batches(options.interval or INTERVAL), console)
    return [feed.table(cells), report.machine_table()], report.remarks(cells)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what waiting costs.")
    parser.add_argument(
        "--quick", action="store_true", help="100 waits, polled every 5 s, no imports: to try it; writes no file"
    )
    parser.add_argument("--feed", action="store_true", help="measure only from how many waits on the events feed pays")
    parser.add_argument("--waits", type=int, nargs="+", help="numbers of waits (default: 1 100 1000 5000)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all")
    parser.add_argument("--interval", type=float, help="seconds between two polls (default: 30)")
    parser.add_argument("--no-imports", action="store_true", help="do not measure import times")
    parser.add_argument("--output", type=Path, help="file for the results (default: benchmarks/results.md)")
    return parser.parse_args()


def _batches(systems: Sequence[str], sizes: Sequence[int], interval: float) -> list[list[Order]]:
    """Return which cells run at the same time: the small ones of a size, and every large one alone.

    The empty tasks of all sizes run with the first batch, since they cost next to nothing.
    """
    batches: list[list[Order]] = []
    for size in sorted(sizes):
        floor = ["session"] if TOGETHER <= size <= USUAL else []
        orders = [Order(name, size, interval) for name in (*OWNED, *PEERS, *floor) if name in systems]
        batches += [orders] if size <= TOGETHER else [[order] for order in orders]
    empty = [Order("sleep", size, interval) for size in sizes if "sleep" in systems and size >= TOGETHER]
    if batches and batches[0][0].waits <= TOGETHER:
        batches[0] += empty
        return batches
    return [batch for batch in (empty, *batches) if batch]


def _measure(batches: Sequence[Sequence[Order]], console: ConsoleLogReader) -> list[Cell]:
    cells: list[Cell] = []
    with Runner.in_temporary_folder() as runner:
        for number, orders in enumerate(batches, 1):
            names = ", ".join(f"{order.system} {order.waits:,}" for order in orders)
            console.print(f"{number}/{len(batches)}  {names}")
            try:
                cells += runner.run(orders)
            except KeyboardInterrupt:
                console.print("Interrupted: what was measured so far is reported.")
                break
    return cells


def _measure_imports(console: ConsoleLogReader) -> dict[str, list[float]]:
    console.print("import times")
    return {module: import_time.measure(module) for module in (*import_time.MODULES, *import_time.PEERS)}


if __name__ == "__main__":
    main()
