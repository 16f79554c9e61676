"""Keep the webhook of the organization, what is to be delivered to it and the attempts to do so."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import timestamp

SIGNATURE = "Polytomic-Signature"
MOST_ATTEMPTS = 5


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
class PendingDelivery:
    """One event on its way.

    :param event: the event as it is listed.
    :param due_at: when the next attempt is to be made; None while one is being made.
    """

    event: dict[str, Any]
    due_at: float | None
    attempts: int = 0

    def body(self, behavior: Behavior) -> bytes:
        """Give what is posted."""
        names = list(self.event) if behavior.delivery_body == "whole" else ["type", "event"]
        return json.dumps({name: self.event[name] for name in names}).encode()


@dataclass(eq=False)
class Webhook:
    """The address that the organization's events are pushed to.

    :param known: the events that have been taken up or passed over.
    :param pending: what is on its way.
    """

    id: str
    endpoint: str
    secret: str = field(repr=False)
    organization_id: str
    created_at: float
    disabled_at: float | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    known: set[Any] = field(default_factory=set, repr=False)
    pending: list[PendingDelivery] = field(default_factory=list)

    def signature(self, body: bytes, behavior: Behavior) -> str:
        """Sign what is posted."""
        digest = hmac.digest(self.secret.encode(), body, behavior.signature_hash)
        text = digest.hex() if behavior.signature_encoding == "hex" else base64.b64encode(digest).decode()
        return f"{behavior.signature_hash}={text}" if behavior.signature_prefix else text

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
