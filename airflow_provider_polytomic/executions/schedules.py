"""Return whether Polytomic starts a sync by a schedule of its own."""

from __future__ import annotations

from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
from airflow_provider_polytomic.api.redaction import one_line

MANUAL = "manual"
MAX_SCHEDULE_LENGTH = 100


def own_schedule(sync: Sync | BulkSync) -> str | None:
    """Return the frequencies by which Polytomic starts a sync, as the API names them; None if it does not start it.

    The schedule of an inactive sync does not run.
    """
    schedules = [sync.schedule] if isinstance(sync, Sync) else [sync.default_schedule, *sync.additional_schedules]
    frequencies = [str(each["frequency"]) for each in schedules if each and each.get("frequency")]
    own = ", ".join(dict.fromkeys(each for each in frequencies if each != MANUAL))
    return one_line(own, MAX_SCHEDULE_LENGTH) if own and sync.active is not False else None
