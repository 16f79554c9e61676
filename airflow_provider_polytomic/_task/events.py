"""What a trigger hands back, as the task that waited reads it."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.exceptions import PolytomicTaskError


def validate_execute_complete_event(event: Any) -> dict[str, Any]:
    """Return the event, if it is one of this provider's triggers; nothing else may end a task as a success.

    :raises PolytomicTaskError: if it is something else
    """
    known = isinstance(event, dict) and (
        event.get("status") in ("deadline", "refused", "unavailable")
        or (event.get("status") in ("ended", "running") and event.get("execution"))
    )
    if not known:
        raise unexpected_event_error(event)
    event_of_any_release: dict[str, Any] = {
        "execution": None,
        "execution_id": None,
        "ownership": "joined",
        "message": "",
        "try_number": None,
        "latest_end": None,
        "previous_schema_results": None,
        **event,
    }
    return event_of_any_release


def unexpected_event_error(event: Any) -> PolytomicTaskError:
    """Return what to raise for an event that is none of this provider's."""
    return PolytomicTaskError(
        f"The trigger handed back what no trigger of this provider does: {event!r}. Next: a retry of the task goes "
        "on waiting for what it waited for"
    )
