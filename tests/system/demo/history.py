"""Give the emulated Polytomic a past: syncs of every outcome with a history, for the page in Airflow's UI."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_polytomic.emulator import Emulator
from airflow_provider_polytomic.emulator.samples import BULK_SYNC_ID, FAILING_MODEL_SYNC_ID, MODEL_SYNC_ID

HOURS = 20
MINUTES = (9, 11, 8, 10, 14, 9, 10, 12, 9, 8, 17, 10, 9, 11, 13, 9, 10, 8, 12, 9)
"""Duration of the execution of each hour, by which the bars of the page differ."""

EXPIRED = {"outcome": "failed", "errors": ["The CRM refused the login: the session has expired"]}
MISSING_COLUMN = {"id": "Contact", "records": 0, "outcome": "failed", "message": 'column "owner_id" does not exist'}


def add_history(emulator: Emulator) -> None:
    """Run the sample syncs and some more in each of the last hours, by a clock that is set back and put right again."""
    due = datetime.now(timezone.utc) - timedelta(minutes=50)
    leads = emulator.add_model_sync(name="Leads to ads", counts={"total": 5400, "insert": 40, "update": 5360})
    late = emulator.add_model_sync(
        name="Invoices to finance", counts={"total": 310, "insert": 310}, next_execution_time=due.isoformat()
    )
    late.attributes["schedule"] = {"frequency": "hourly"}
    slow = emulator.add_model_sync(name="Product usage to support", counts={"total": 90000, "upserts": 90000})
    emulator.add_model_sync(name="Trials to newsletter", active=False)
    histories: dict[str, dict[int, dict[str, Any]]] = {
        MODEL_SYNC_ID: {7: {"outcome": "failed", "errors": ["429 Too Many Requests"]}},
        FAILING_MODEL_SYNC_ID: {hour: {"outcome": "completed", "errors": []} for hour in range(HOURS - 2)},
        BULK_SYNC_ID: {4: {"outcome": "canceled"}, HOURS - 1: {"schemas": [{"id": "Account"}, MISSING_COLUMN]}},
        leads.id: {12: EXPIRED, HOURS - 1: {"outcome": "canceled"}},
        late.id: {},
        slow.id: {3: {"outcome": "failed", "errors": ["connection reset by peer"]}},
    }
    emulator.clock.advance(-HOURS * 3600)
    for hour in range(HOURS):
        for number, (sync_id, changes) in enumerate(histories.items()):
            duration = 60 * MINUTES[(hour + 3 * number) % len(MINUTES)]
            is_skipped = sync_id == late.id and hour == HOURS - 1
            if not is_skipped:
                emulator.plan_next(sync_id, _plan(sync_id, duration, changes.get(hour, {})))
                emulator.start(sync_id)
        emulator.clock.advance(3600)
    emulator.plan_next(slow.id, {"duration": math.inf})
    emulator.start(slow.id)


def _plan(sync_id: str, duration: float, changes: dict[str, Any]) -> dict[str, Any]:
    """Return the plan of an execution; a bulk sync takes as long as its slowest schema."""
    if sync_id != BULK_SYNC_ID:
        return {"duration": duration, **changes}
    schemas = changes.get("schemas") or [{"id": "Account", "records": 320}, {"id": "Contact", "records": 1800}]
    return {**changes, "schemas": [{**each, "duration": duration} for each in schemas]}
