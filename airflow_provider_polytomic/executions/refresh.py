"""Wait for the schemas of a bulk sync's source, if Polytomic refuses a request while it refreshes them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from airflow_provider_polytomic.api import bulk_syncs, errors, schemas
from airflow_provider_polytomic.api.flow import Flow, Pause, all_rows, send
from airflow_provider_polytomic.api.models.connections import SchemaStatus

T = TypeVar("T")
log = logging.getLogger(__name__)

REFRESH_TIMEOUT = 600.0
"""Seconds to wait for a refresh; then the refusal counts."""

STATUS_TIMEOUT = 5.0
"""Seconds for each request after a refusal, which delay its report."""

REFRESH_INTERVAL = 5.0
"""Seconds between two requests of the status of a refresh."""


class UnknownSchemas(LookupError):
    """A bulk sync lacks schemas.

    :param unknown: ids of the schemas that it lacks
    :param known: ids of the schemas that it has
    """

    def __init__(self, unknown: list[str], known: list[str]) -> None:
        self.unknown, self.known = unknown, known
        super().__init__(f"no schema {', '.join(map(repr, unknown))}")


REFUSALS_DURING_A_REFRESH = (
    errors.PolytomicConflictError,
    errors.PolytomicNotFoundError,
    errors.PolytomicServerError,
    errors.PolytomicValidationError,
    UnknownSchemas,
)
"""Responses that may be due to a refresh; the API documents none."""


def repeat_after_refresh(
    attempt: Callable[[int], Flow[T]],
    bulk_sync_id: str,
    *,
    timeout: float = REFRESH_TIMEOUT,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[T]:
    """Run a flow, and run it again after a refresh of the schemas during which it was refused.

    :param attempt: function that returns the flow, given the number of refreshes that it has waited for
    :param bulk_sync_id: id of the bulk sync
    :param timeout: seconds to wait for refreshes
    :raises PolytomicError: if a request is refused while nothing is refreshed
    :raises UnknownSchemas: likewise, if the flow raises it
    """
    deadline = clock() + timeout
    for number in count():
        try:
            return (yield from attempt(number))
        except REFUSALS_DURING_A_REFRESH:
            if not (yield from _wait_for_refresh(bulk_sync_id, deadline, clock)):
                raise
    raise AssertionError("unreachable")


def find_schemas(bulk_sync_id: str, wanted: list[str] | None) -> Flow[list[str]]:
    """Return the ids of the wanted schemas of a bulk sync, or of all that are enabled.

    :raises UnknownSchemas: if the sync lacks one of them
    """
    rows = yield from all_rows(bulk_syncs.list_schemas(bulk_sync_id))
    known = [schema.id for schema in rows if schema.id]
    unknown = [schema for schema in wanted or () if schema not in known]
    if unknown:
        raise UnknownSchemas(unknown, known)
    return wanted or [schema.id for schema in rows if schema.id and schema.enabled is not False]


def _wait_for_refresh(bulk_sync_id: str, deadline: float, clock: Callable[[], float]) -> Flow[bool]:
    """Wait for the end of a refresh; return False if none is in progress, or it does not end in time."""
    try:
        sync = yield from send(bulk_syncs.get(bulk_sync_id).with_timeout(STATUS_TIMEOUT).without_retries())
        if not sync.source_connection_id:
            return False
        call = schemas.get_status(sync.source_connection_id)
        if not _is_refreshing((yield from send(call.with_timeout(STATUS_TIMEOUT).without_retries()))):
            return False
        log.info("Waiting for the refresh of the schemas of connection %s", sync.source_connection_id)
        while clock() < deadline:
            yield Pause(REFRESH_INTERVAL)
            if not _is_refreshing((yield from send(call))):
                return True
    except errors.PolytomicError as error:
        log.debug("Could not request whether the schemas of bulk sync %s are refreshed: %s", bulk_sync_id, error)
    return False


def _is_refreshing(status: SchemaStatus) -> bool:
    """Return whether a refresh is in progress; the times decide it if the status does not."""
    if status.cache_status:
        return status.cache_status.casefold() == "refreshing"
    started, finished = status.last_refresh_started, status.last_refresh_finished
    return started is not None and (finished is None or finished < started)
