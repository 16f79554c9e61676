"""Print lines, and on a terminal a live table below them; keep all output for a picture."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .scenarios import Scenario

PICTURE_COLUMNS = 106
LOG_COLUMNS = 120
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
COLORS = {
    "running": "cyan",
    "deferred": "magenta",
    "success": "green",
    "completed": "green",
    "failed": "red",
    "canceling": "yellow",
    "canceled": "yellow",
    "OK": "green",
    "FAILED": "red",
}
WORDS = re.compile(rf"\b({'|'.join(COLORS)})\b")


class Screen:
    """Print to a terminal, or to a log without colors and live updates."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, width=None if sys.stdout.isatty() else LOG_COLUMNS)
        self._shown: list[RenderableType] = []

    def say(self, message: str) -> None:
        """Print a line with the time of day."""
        line = Text(f"{time.strftime('%H:%M:%S')}  {message}")
        line.stylize("dim", 0, 8)
        self._show(_colored(line))

    def show(self, text: str) -> None:
        """Print a text as it is."""
        self._show(Text(text))

    def report(self, title: str, text: str) -> None:
        """Print a text of several lines in a panel."""
        panel = Panel(Text(text), title=title, title_align="left", border_style="red", padding=(0, 1))
        self._shown.append(panel)
        if self._console.is_terminal:
            self._console.print(panel)
        else:
            self._console.print(Text(f"\n{title}:\n{text}\n"), soft_wrap=True)

    def _show(self, text: Text) -> None:
        self._shown.append(text)
        self._console.print(text, soft_wrap=True)

    @contextlib.contextmanager
    def status_table(self, scenarios: Sequence[Scenario]) -> Iterator[None]:
        """Show a live table of the scenarios during the `with` block; without a terminal, print it at the end."""
        with contextlib.ExitStack() as stack:
            if self._console.is_terminal:
                stack.enter_context(
                    Live(get_renderable=lambda: _table(scenarios), console=self._console, refresh_per_second=4)
                )
            yield
        self._shown.append(_table(scenarios))
        if not self._console.is_terminal:
            self._console.print(self._shown[-1])

    def save(self, path: Path) -> None:
        """Save all output as an SVG picture without external fonts or links."""
        console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
        for what in self._shown:
            console.print(what)
        path.write_text(_self_contained(console.export_svg(title="make demo", unique_id="demo")))


def _table(scenarios: Sequence[Scenario]) -> Table:
    table = Table("Sync", "Polytomic", "Counts", "Airflow task", "Worker", box=box.SIMPLE_HEAD)
    for scenario in scenarios:
        state = scenario.states[-1] if scenario.states else ""
        worker = "free" if scenario.holds_no_worker else "taken" if state == "running" else ""
        status = scenario.statuses[-1] if scenario.statuses else ""
        table.add_row(scenario.sync.name, _colored(Text(status)), scenario.records, _colored(Text(state)), worker)
    return table


def _self_contained(picture: str) -> str:
    """Remove the external fonts and the address that rich adds to a picture."""
    without_fonts = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    return re.sub(r"\s*<!--.*?-->", "", without_fonts).replace("Fira Code, monospace", FONTS)


def _colored(text: Text) -> Text:
    for found in WORDS.finditer(text.plain):
        text.stylize(COLORS[found[1]], *found.span())
    return text
