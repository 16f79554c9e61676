"""The webhook of the organization, its pending deliveries and the attempts to deliver them."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import timestamp


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver an event.

    :param details: the other fields that the API shows.
    """

    id: str
    event_id: str
    at: float
    success: bool
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as the API shows it."""
        shown = {"id": self.id, "event_id": self.event_id, "attempted_at": timestamp(self.at), "success": self.success}
        return {**shown, **self.details}


@dataclass(eq=False)
class PendingDelivery:
    """An event that is to be delivered.

    :param event: the event as the API lists it.
    :param due_at: time of the next attempt; None during an attempt.
    """

    event: dict[str, Any]
    due_at: float | None
    attempts: int = 0

    def body(self, behavior: Behavior) -> bytes:
        """Return the body to post."""
        names = list(self.event) if behavior.delivery_body == "whole" else ["type", "event"]
        return json.dumps({name: self.event[name] for name in names}).encode()


@dataclass(eq=False)
class Webhook:
    """The address to which the events of the organization are delivered.

    :param known: events that have been queued or skipped.
    :param pending: events that are to be delivered.
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
        """Return the signature of ``body``."""
        digest = hmac.digest(self.secret.encode(), body, behavior.signature_hash)
        text = digest.hex() if behavior.signature_encoding == "hex" else base64.b64encode(digest).decode()
        return f"{behavior.signature_hash}={text}" if behavior.signature_prefix else text

    def to_json(self) -> dict[str, Any]:
        """Return the webhook as the API shows it."""
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
