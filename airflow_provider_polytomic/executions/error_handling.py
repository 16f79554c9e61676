"""Return whether a model sync sends the records again that its target has rejected."""

from __future__ import annotations

from airflow_provider_polytomic.api import syncs
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync, SyncErrorHandling
from airflow_provider_polytomic.executions.names import find_sync

ERROR_HANDLING_TIMEOUT = 5.0
"""Seconds for the request of the error handling of a sync."""


def resends_rejected(handling: SyncErrorHandling | None, sync: Sync | BulkSync | None) -> bool | None:
    """Return whether the next execution sends rejected records again; None if that is not known.

    :param handling: error handling of the sync, if it is known
    :param sync: settings of the sync, if they are known
    """
    if isinstance(sync, Sync) and sync.sync_all_records:
        return True
    return handling.auto_retry_record_errors if handling else None


def find_resends_rejected(sync_id: str) -> Flow[bool | None]:
    """Request whether the next execution of a model sync sends rejected records again.

    :return: None if Polytomic does not return it
    """
    try:
        handling = yield from send(syncs.get_error_handling(sync_id).with_timeout(ERROR_HANDLING_TIMEOUT))
    except PolytomicError:
        return None
    sync = None if handling.auto_retry_record_errors else (yield from find_sync("model", sync_id))
    return resends_rejected(handling, sync)
