"""Watch a real Airflow run three syncs at once: one succeeds, one fails with a report, one is canceled.

`python -m tests.system.demo` exits 0 only if all of that happened; with `--stay` it leaves Airflow and its UI up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.system.processes import interrupt_on_sigterm

from .demonstration import Demonstration
from .screen import Screen
from .surroundings import invite, running

AIRFLOW_PORT = 8080
EMULATOR_PORT = 8765


def main() -> int:
    """Run the demo, or stay up until Ctrl-C, and leave nothing running."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="run no DAG, leave Airflow up until Ctrl-C")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="save what is shown as an SVG picture")
    options = parser.parse_args()
    ports = (AIRFLOW_PORT, EMULATOR_PORT) if options.stay else ()
    screen = Screen()
    interrupt_on_sigterm()
    try:
        with running(screen, *ports) as (cluster, emulator):
            if options.stay:
                invite(screen, cluster, emulator)
            as_promised = Demonstration(cluster, emulator, screen).run()
    except (TimeoutError, RuntimeError) as error:
        screen.say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        screen.say("Interrupted; everything that was started has been ended")
        return 0 if options.stay else 130
    if as_promised and options.picture:
        screen.save(options.picture)
    return 0 if as_promised else 1


if __name__ == "__main__":
    sys.exit(main())
