"""Measure and report: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import feed, import_time, machine, price, report, triggerer, worker_slots
from benchmarks.figures import Cell, Cells
from benchmarks.runner import CellConfig, Runner
from benchmarks.systems import OWN, PEERS, SYSTEMS

INTERVAL = 30.0
SIZES = (1, 100, 1_000, 5_000)
STANDARD_SIZE = 1_000
MAX_CONCURRENT_SIZE = 100
"""Maximum number of waits of cells that run at the same time."""

QUICK_INTERVAL = 5.0
QUICK_SIZES = (100,)
RESULTS = Path(__file__).with_name("results.md")
FEED = Path(__file__).with_name("feed.md")
PRICE = Path(__file__).with_name("price.md")
TRIGGERER = Path(__file__).with_name("triggerer.md")


def main() -> None:
    """Run the benchmarks that the options select."""
    options = _options()
    console = Console(width=None if Console().is_terminal else 200)
    before = machine.load()
    if before > 1:
        console.print(f"The machine is busy (load average {before:.1f}): the figures will be worse.")
    measure, default = _selected(options)
    parts, remarks = measure(options, console)
    for part in parts:
        part.print(console)
    for line in remarks:
        console.print(f"- {line}")
    output = options.output or (None if options.quick else default)
    if output:
        output.write_text(report.markdown(parts, remarks, (before, machine.load())))
        console.print(f"Written: {output}")


def _selected(options: argparse.Namespace) -> tuple[Callable[..., tuple[list[report.Table], list[str]]], Path]:
    """Return the function that measures what the options select, and the file of its results."""
    if options.feed:
        return _feed, FEED
    if options.price:
        return _price, PRICE
    return (_triggerer, TRIGGERER) if options.triggerer else (_providers, RESULTS)


def _providers(options: argparse.Namespace, console: Console) -> tuple[list[report.Table], list[str]]:
    interval = options.interval or (QUICK_INTERVAL if options.quick else INTERVAL)
    sizes = options.waits or (QUICK_SIZES if options.quick else SIZES)
    slots = worker_slots.rows()
    imports = {} if options.no_imports or options.quick else _measure_imports(console)
    batches = _batches(options.systems or [name for name in SYSTEMS if name != "before"], sizes, interval)
    if not (options.quick or options.waits or options.systems):
        compared, _, many = price.batches(bool(options.earlier))
        batches += [compared, many] if options.earlier else [many]
    measured = Cells(_measure(batches, console, options.earlier), imports, slots)
    parts = report.tables(measured, STANDARD_SIZE if STANDARD_SIZE in sizes else max(sizes), max(sizes))
    return [*parts[:1], price.table(measured), *parts[1:]], report.remarks(measured.all)


def _price(options: argparse.Namespace, console: Console) -> tuple[list[report.Table], list[str]]:
    cells = _measure(price.batches(bool(options.earlier)), console, options.earlier)
    return [price.table(Cells(cells, {}, [])), report.machine_table()], report.remarks(cells)


def _feed(options: argparse.Namespace, console: Console) -> tuple[list[report.Table], list[str]]:
    cells = _measure(feed.batches(options.interval or INTERVAL), console)
    return [feed.table(cells), report.machine_table()], report.remarks(cells)


def _triggerer(options: argparse.Namespace, console: Console) -> tuple[list[report.Table], list[str]]:
    [waits] = options.waits or [price.MANY_WAITS]
    cells = triggerer.measure(waits, options.interval or price.MANY_INTERVAL)
    return [triggerer.table(cells), report.machine_table()], triggerer.remarks(cells)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the cost of waiting.")
    parser.add_argument(
        "--quick", action="store_true", help="100 waits, polled every 5 s, no imports: for a first try; writes no file"
    )
    parser.add_argument(
        "--feed", action="store_true", help="measure only the number of waits from which the events feed saves requests"
    )
    parser.add_argument("--price", action="store_true", help="measure only the price of a poll: nine minutes")
    parser.add_argument(
        "--triggerer", action="store_true", help="measure only 10,000 waits in a triggerer of Airflow: eight minutes"
    )
    parser.add_argument("--earlier", metavar="COMMIT", help="compare the price of a poll with that at this commit")
    parser.add_argument("--waits", type=int, nargs="+", help="numbers of waits (default: 1 100 1000 5000)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all")
    parser.add_argument("--interval", type=float, help="seconds between two polls (default: 30)")
    parser.add_argument("--no-imports", action="store_true", help="do not measure import times")
    parser.add_argument("--output", type=Path, help="file for the results (default: benchmarks/results.md)")
    return parser.parse_args()


def _batches(systems: Sequence[str], sizes: Sequence[int], interval: float) -> list[list[CellConfig]]:
    """Return the batches of cells that run at the same time: all small cells of a size, each large cell alone.

    The empty tasks of all sizes run with the first batch, since they cost almost nothing.
    """
    batches: list[list[CellConfig]] = []
    for size in sorted(sizes):
        floor = ["session", "new-client"] if MAX_CONCURRENT_SIZE <= size <= STANDARD_SIZE else []
        configs = [CellConfig(name, size, interval) for name in (*OWN, *PEERS, *floor) if name in systems]
        batches += [configs] if size <= MAX_CONCURRENT_SIZE else [[config] for config in configs]
    empty = [
        CellConfig("sleep", size, interval) for size in sizes if "sleep" in systems and size >= MAX_CONCURRENT_SIZE
    ]
    if batches and batches[0][0].waits <= MAX_CONCURRENT_SIZE:
        batches[0] += empty
        return batches
    return [batch for batch in (empty, *batches) if batch]


def _measure(batches: Sequence[Sequence[CellConfig]], console: Console, earlier: str | None = None) -> list[Cell]:
    cells: list[Cell] = []
    with Runner.in_temporary_folder(earlier) as runner:
        for number, configs in enumerate(batches, 1):
            names = ", ".join(f"{config.system} {config.waits:,}" for config in configs)
            console.print(f"{number}/{len(batches)}  {names}")
            try:
                cells += runner.run(configs)
            except KeyboardInterrupt:
                console.print("Interrupted: the report has the cells that have been measured.")
                break
    return cells


def _measure_imports(console: Console) -> dict[str, list[float]]:
    console.print("import times")
    return {module: import_time.measure(module) for module in (*import_time.MODULES, *import_time.PEERS)}


if __name__ == "__main__":
    main()
