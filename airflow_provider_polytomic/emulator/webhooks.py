"""Keep the webhook of the organization and the attempts to reach it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.clock import timestamp


@dataclass(frozen=True)
class Delivery:
    """One attempt to push one event.

    :param shown: what the API shows of it besides the fields here.
    """

    id: str
    event_id: str
    at: float
    success: bool
    shown: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Webhook:
    """The address that the organization's events are pushed to."""

    id: str
    endpoint: str
    secret: str = field(repr=False)
    organization_id: str
    created_at: float
    disabled_at: float | None = None
    deliveries: list[Delivery] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Write the webhook as the API shows it."""
        disabled = self.disabled_at is not None
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "secret": self.secret,
            "organization_id": self.organization_id,
            "created_at": timestamp(self.created_at),
            "disabled": disabled,
            "disabled_at": timestamp(self.disabled_at),
            "disabled_reason": "Disabled by request." if disabled else None,
        }


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """Write an attempt as the API shows it."""
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "attempted_at": timestamp(delivery.at),
        "success": delivery.success,
        **delivery.shown,
    }
