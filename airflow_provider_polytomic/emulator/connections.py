"""Keep connections, and keep their secrets to itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MASK = "********"
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|private_?key|access_?key|credential|service_?account|auth_?code",
    re.IGNORECASE,
)


@dataclass(eq=False)
class Connection:
    """One connection of the organization, with its configuration as it was sent."""

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


def redacted(value: Any) -> Any:
    """Give ``value`` with whatever stands under the name of a secret masked."""
    if isinstance(value, Mapping):
        return {name: MASK if _hides(name, item) else redacted(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(item) for item in value]
    return value


def _hides(name: str, item: Any) -> bool:
    return bool(item) and not isinstance(item, bool) and _SECRET.search(name) is not None
