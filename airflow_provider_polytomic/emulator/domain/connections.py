"""Keep connections, and keep their secrets to itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.errors import ApiError

MASK = "********"
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|private_?key|access_?key|credential|service_?account|auth_?code",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Refresh:
    """One reading of a connection's schemas.

    :param shown_at: when the status begins to show it.
    :param ends_at: when it is over; ``math.inf``: never.
    :param ends: ``cache_status`` from then on.
    :param finishes: whether it ends with a ``last_refresh_finished`` of its own.
    """

    started_at: float
    shown_at: float
    ends_at: float
    ends: str = "fresh"
    finishes: bool = True

    def over(self, now: float) -> bool:
        """Tell whether it has ended."""
        return now >= self.ends_at


@dataclass(eq=False)
class Connection:
    """One connection, with its configuration as it was sent.

    :param parent_id: connection of another organization that it is a copy of.
    :param refreshes: the readings of its schemas, oldest first; none before the first that was asked for.
    :param proxy_answer: what the system behind it answers: ``status``, ``contentType`` and ``body``; None: an echo.
    :param proxy_statuses: moments and statuses of what was sent through its proxy.
    """

    id: str
    name: str
    type: str
    configuration: Mapping[str, Any]
    created_at: float
    updated_at: float
    policies: tuple[str, ...] = ()
    healthcheck_interval: str | None = None
    status: str = "healthy"
    status_error: str | None = None
    organization_id: str = ""
    parent_id: str | None = None
    refreshes: list[Refresh] = field(default_factory=list)
    proxy_answer: Mapping[str, Any] | None = None
    proxy_statuses: list[tuple[float, int]] = field(default_factory=list)

    def begin_refresh(self, now: float, *, lag: float, takes: float, ends: str, finishes: bool) -> None:
        """Begin to read the schemas, unless they are being read."""
        if not self.refreshes or self.refreshes[-1].over(now):
            self.refreshes.append(Refresh(now, now + lag, now + takes, ends, finishes))


def redact(value: Any) -> Any:
    """Give ``value`` with whatever stands under the name of a secret masked."""
    if isinstance(value, Mapping):
        return {name: MASK if _hides(name, item) else redact(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return value


def _hides(name: str, item: Any) -> bool:
    return bool(item) and not isinstance(item, bool) and _SECRET.search(name) is not None


def restore_masked(sent: Any, stored: Any, reading: str) -> Any:
    """Give what an update that sends ``sent`` over ``stored`` keeps, by the switch ``masked_secret``."""
    if isinstance(sent, Mapping):
        known = stored if isinstance(stored, Mapping) else {}
        return {name: restore_masked(item, known.get(name), reading) for name, item in sent.items()}
    if isinstance(sent, (list, tuple)):
        known_items = list(stored) if isinstance(stored, (list, tuple)) else []
        known_items += [None] * (len(sent) - len(known_items))
        return [restore_masked(item, known, reading) for item, known in zip(sent, known_items)]
    if sent != MASK or stored is None or reading == "store":
        return sent
    if reading == "refuse":
        raise ApiError(422, "A masked secret cannot be stored.")
    return stored
