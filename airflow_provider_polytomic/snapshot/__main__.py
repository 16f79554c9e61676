"""Write a snapshot from the command line: ``python -m airflow_provider_polytomic.snapshot``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow_provider_polytomic._compat import AirflowException
from airflow_provider_polytomic.api import PolytomicError
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions import UnresolvedName, resolve_sync
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.snapshot import BulkSyncSnapshot, current_snapshot

MAX_PROBLEM_LENGTH = 1000

EPILOG = """\
Without --bulk-sync-id and --bulk-sync-name, the bulk sync of an existing file is requested again.
The key is that of an Airflow connection, for example of AIRFLOW_CONN_POLYTOMIC_DEFAULT.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, and print what has changed in it."""
    options = _options(arguments)
    try:
        before = _read_existing(options)
        hook = PolytomicHook(options.conn_id, options.organization_id)
        snapshot = hook.run(current_snapshot(_bulk_sync_id(options, hook, before)))
        snapshot.write(options.path)
    except (OSError, ValueError, UnresolvedName, PolytomicError, AirflowException) as error:
        print(f"Could not write the snapshot: {one_line(redact(str(error)), MAX_PROBLEM_LENGTH)}", file=sys.stderr)
        return 1
    for line in before.diff(snapshot) if before else ():
        print(line)
    print(f"Wrote {len(snapshot.schemas)} schemas of bulk sync {snapshot.bulk_sync_id} to {options.path}")
    return 0


def _read_existing(options: argparse.Namespace) -> BulkSyncSnapshot | None:
    """Return the snapshot that is to be renewed; None if there is none, or a damaged file that is not needed.

    :raises ValueError: if the file is not a snapshot, and only it could name the bulk sync
    """
    try:
        return BulkSyncSnapshot.read(options.path) if options.path.exists() else None
    except ValueError:
        if options.bulk_sync_id or options.bulk_sync_name:
            return None
        raise ValueError(f"{options.path} is damaged: add --bulk-sync-id or --bulk-sync-name") from None


def _bulk_sync_id(options: argparse.Namespace, hook: PolytomicHook, before: BulkSyncSnapshot | None) -> str:
    if options.bulk_sync_name:
        return hook.run(resolve_sync("bulk", options.bulk_sync_name))
    if options.bulk_sync_id:
        return str(options.bulk_sync_id)
    if before is None:
        raise ValueError(f"{options.path} does not exist: add --bulk-sync-id or --bulk-sync-name")
    return before.bulk_sync_id


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_polytomic.snapshot",
        description="Write the enabled schemas of a bulk sync to a file, from which a DAG declares its assets.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, help="file to write, such as dags/crm.json")
    sync = parser.add_mutually_exclusive_group()
    sync.add_argument("--bulk-sync-id", help="id of the bulk sync")
    sync.add_argument("--bulk-sync-name", help="exact name of the bulk sync")
    parser.add_argument("--conn-id", default="polytomic_default", help="Airflow connection (default: %(default)s)")
    parser.add_argument("--organization-id", help="organization, for a partner or deployment key")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
