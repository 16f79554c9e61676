"""Run three syncs at once in a real Airflow: one succeeds, one fails with a report, one is canceled.

`python -m tests.system.demo` exits with 0 only if all three end as expected. With `--stay` it runs no DAG and keeps
Airflow and its UI running. With `--screenshots` it makes pictures of the page in Airflow's UI. Both show syncs with a
history.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.system.processes import interrupt_on_sigterm

from .demonstration import Demonstration
from .environment import running, wait_for_interrupt
from .history import add_history
from .screen import Screen
from .screenshots import make_screenshots

AIRFLOW_PORT = 8080
EMULATOR_PORT = 8765


def main() -> int:
    """Run the demo, or keep Airflow running until Ctrl-C, then stop everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="run no DAG, keep Airflow running until Ctrl-C")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="save the output as an SVG picture")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="save pictures of the page in Airflow's UI")
    options = parser.parse_args()
    ports = (AIRFLOW_PORT, EMULATOR_PORT) if options.stay else ()
    screen = Screen()
    interrupt_on_sigterm()
    try:
        with running(screen, *ports) as (cluster, emulator):
            if options.stay or options.screenshots:
                add_history(emulator)
            if options.screenshots:
                make_screenshots(screen, cluster, emulator, options.screenshots)
                return 0
            if options.stay:
                wait_for_interrupt(screen, cluster, emulator)
            is_as_expected = Demonstration(cluster, emulator, screen).run()
    except (TimeoutError, RuntimeError) as error:
        screen.say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        screen.say("Interrupted; all processes have been stopped")
        return 0 if options.stay else 130
    if is_as_expected and options.picture:
        screen.save(options.picture)
    return 0 if is_as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
