"""Run the emulator from the command line: ``python -m airflow_provider_polytomic.emulator``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.server import Emulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _options(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        emulator = Emulator(port=options.port, host=options.host)
        emulator.open()
    except (OSError, ValueError) as error:
        print(f"Could not start the emulator: {error}", file=sys.stderr)
        return 1
    if not options.empty:
        emulator.add_samples()
    print(_instructions(emulator), flush=True)
    stop.wait()
    emulator.close()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_polytomic.emulator", description="Emulate the Polytomic API on loopback."
    )
    parser.add_argument("--port", type=int, default=8765, help="TCP port, 0 for a free one (default: 8765)")
    parser.add_argument("--host", default="127.0.0.1", help="loopback address (default: 127.0.0.1)")
    parser.add_argument("--empty", action="store_true", help="start without the sample syncs")
    return parser.parse_args(arguments)


def _instructions(emulator: Emulator) -> str:
    lines = [
        f"Polytomic emulator on {emulator.url}",
        "",
        "Connect Airflow to it:",
        f"  export AIRFLOW_CONN_POLYTOMIC_DEFAULT={shlex.quote(emulator.airflow_connection)}",
        "",
        *(f"  {sync.kind:<5} sync {sync.id}  {sync.name}{_end(sync)}" for sync in emulator.syncs),
        f"Control it below {emulator.url}/_emulator/; stop it with Ctrl-C.",
    ]
    return "\n".join(lines)


def _end(sync: Sync) -> str:
    """Say with which status the executions of a sync end, if it is another one than ``completed``."""
    status = sync.plan.final_status
    return "" if status == "completed" else f" (its executions end as {status})"


if __name__ == "__main__":
    sys.exit(main())
