"""Delivery of events to the webhook, on loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from airflow_provider_polytomic.emulator.domain.events import queue_new_events
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery, PendingDelivery, Webhook

_SIGNATURE_HEADER = "Polytomic-Signature"
_MAX_ATTEMPTS = 5
_DELIVERY_TIMEOUT = 10.0
_MAX_RESPONSE_TEXT = 1000


class WebhookDispatcher:
    """Make the attempts that are due, each in its own task, so that one does not wait for another."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def dispatch(self) -> None:
        """Start the attempts that are due."""
        with self._state.lock:
            queue_new_events(self._state)
            webhook, now = self._state.webhook, self._state.clock()
            if webhook is None:
                return
            due = [each for each in webhook.pending if each.due_at is not None and each.due_at <= now]
            for pending in due:
                pending.due_at = None
                pending.attempts += 1
        for pending in due:
            task = asyncio.create_task(self._attempt(webhook, pending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel running attempts and close the client."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await self._client.aclose()

    async def _attempt(self, webhook: Webhook, pending: PendingDelivery) -> None:
        behavior, clock, timer = self._state.behavior, self._state.clock, asyncio.get_running_loop().time
        body = pending.body(behavior)
        headers = {"Content-Type": "application/json", _SIGNATURE_HEADER: webhook.signature(body, behavior)}
        began, at = timer(), clock()
        success, details = await self._post(webhook.endpoint, body, headers)
        details["duration_ms"] = int(1000 * (timer() - began))
        details["event_type"] = pending.event["type"]
        with self._state.lock:
            webhook.deliveries.append(Delivery(str(uuid4()), pending.event["id"], at, success, details))
            if not success and pending.attempts < _MAX_ATTEMPTS:
                pending.due_at = clock() + self._state.behavior.delivery_backoff * 2 ** (pending.attempts - 1)
            elif pending in webhook.pending:
                webhook.pending.remove(pending)

    async def _post(self, endpoint: str, body: bytes, headers: dict[str, str]) -> tuple[bool, dict[str, Any]]:
        """Post once; return whether it succeeded, and what the API shows of it."""
        if not is_loopback(urlsplit(endpoint).hostname or ""):
            return False, {"error": "The emulator delivers on loopback only.", "error_kind": "refused"}
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_DELIVERY_TIMEOUT, verify=False, trust_env=False)
        try:
            response = await self._client.post(endpoint, content=body, headers=headers)
        except httpx.HTTPError as error:
            return False, {"error": str(error) or type(error).__name__, "error_kind": "connection"}
        details = {"status_code": response.status_code, "response_body": response.text[:_MAX_RESPONSE_TEXT]}
        return response.is_success, details


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
