"""Resolve the name of a sync to its id."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, all_rows, send
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.results import SyncKindName

MAX_NEAREST_NAMES = 5
MAX_IDS_OF_A_NAME = 100
MAX_COMPARED_LENGTH = 200
NEAREST_NAME_SIMILARITY = 0.4


MAX_SYNC_NAME_LENGTH = 200
NAME_TIMEOUT = 5.0
"""Seconds for the request of a name, without which everything goes on."""


class UnresolvedName(LookupError):
    """No sync has the name, or several have it; the message lists the nearest names, or the ids."""


def resolve_sync(kind: SyncKindName, name: str) -> Flow[str]:
    """Return the id of the sync that has exactly this name.

    :param kind: ``model`` or ``bulk``
    :param name: name of the sync
    :raises UnresolvedName: if no sync has the name, or several have it
    :raises PolytomicError: if Polytomic does not list the syncs
    """
    label = sync_kind(kind).label
    rows = yield from all_rows(sync_kind(kind).api.list())
    ids = [row.id for row in rows if row.name == name]
    if len(ids) == 1:
        found: str = ids[0]
        return found
    shown = one_line(repr(redact(name)))
    if ids:
        more = f" and {len(ids) - MAX_IDS_OF_A_NAME} more" if len(ids) > MAX_IDS_OF_A_NAME else ""
        named = ", ".join(one_line(each) for each in ids[:MAX_IDS_OF_A_NAME])
        raise UnresolvedName(
            f"{len(ids)} {label}s have the name {shown}: {named}{more}. Next: use the id of one of them"
        )
    nearest = nearest_names(name, [row.name for row in rows if row.name])
    named = f"; the nearest names are {', '.join(nearest)}" if nearest else ""
    raise UnresolvedName(f"No {label} has the name {shown}{named}. Next: correct the name, or use the id")


def nearest_names(name: str, names: Sequence[str]) -> list[str]:
    """Return the names that are most like a name, whatever their case is, the nearest first."""
    by_folded = {each[:MAX_COMPARED_LENGTH].casefold(): each for each in names}
    wanted = name[:MAX_COMPARED_LENGTH].casefold()
    nearest = get_close_matches(wanted, by_folded, MAX_NEAREST_NAMES, NEAREST_NAME_SIMILARITY)
    return [one_line(repr(redact(by_folded[each]))) for each in nearest]


def find_name(kind: SyncKindName, sync_id: str, secrets: Sequence[str | None] = ()) -> Flow[str | None]:
    """Return the name of a sync in one line; None if Polytomic does not return it in time.

    :param kind: ``model`` or ``bulk``
    :param secrets: texts to mask
    """
    return name_of((yield from find_sync(kind, sync_id)), secrets)


def find_sync(kind: SyncKindName, sync_id: str) -> Flow[Sync | BulkSync | None]:
    """Return the settings of a sync; None if Polytomic does not return them in time.

    :param kind: ``model`` or ``bulk``
    """
    call = sync_kind(kind).api.get(sync_id).with_timeout(NAME_TIMEOUT).without_retries()
    try:
        sync: Sync | BulkSync = yield from send(call)
    except PolytomicError:
        return None
    return sync


def name_of(sync: Sync | BulkSync | None, secrets: Sequence[str | None] = ()) -> str | None:
    """Return the name of a sync in one line; None if it has none.

    :param secrets: texts to mask
    """
    return shown_name(sync.name, *secrets) if sync and sync.name else None


def shown_name(name: str, *secrets: str | None) -> str:
    """Return the name of a sync in one line of limited length.

    :param secrets: texts to mask
    """
    return one_line(redact(name, *secrets), MAX_SYNC_NAME_LENGTH)
