"""Push events to the webhook, on loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from airflow_provider_polytomic.emulator.domain import events
from airflow_provider_polytomic.emulator.domain.state import State
from airflow_provider_polytomic.emulator.domain.webhooks import MOST_ATTEMPTS, SIGNATURE, Delivery, PendingDelivery, Webhook

_PATIENCE = 10.0
_SHOWN_OF_AN_ANSWER = 1000


def queue_new_events(state: State) -> None:
    """Take up the events that have come to be seen since the last time; those of a disabled webhook are passed over."""
    webhook = state.webhook
    if webhook is None:
        return
    new = [each for each in events.visible(state) if each not in webhook.known]
    webhook.known.update(new)
    if webhook.disabled_at is None:
        new.sort(key=events.order(state.behavior))
        shown = (events.shown(each, state.organization_id, state.behavior) for each in new)
        webhook.pending.extend(PendingDelivery(each, state.clock()) for each in shown)


class WebhookDispatcher:
    """Make the attempts to deliver that are due, each in a task of its own, so that one does not wait for another."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self) -> None:
        """Set off with whatever is due."""
        with self._state.lock:
            queue_new_events(self._state)
            webhook, now = self._state.webhook, self._state.clock()
            due = (
                [each for each in webhook.pending if each.due_at is not None and each.due_at <= now] if webhook else []
            )
            for pending_delivery in due:
                pending_delivery.due_at = None
                pending_delivery.attempts += 1
        for pending_delivery in due:
            assert webhook is not None
            task = asyncio.create_task(self._deliver(webhook, pending_delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is on its way."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await self._client.aclose()

    async def _deliver(self, webhook: Webhook, pending_delivery: PendingDelivery) -> None:
        body = pending_delivery.body(self._state.behavior)
        headers = {"Content-Type": "application/json", SIGNATURE: webhook.signature(body, self._state.behavior)}
        began, at = asyncio.get_running_loop().time(), self._state.clock()
        success, shown = await self._post(webhook.endpoint, body, headers)
        shown["duration_ms"] = int(1000 * (asyncio.get_running_loop().time() - began))
        shown["event_type"] = pending_delivery.event["type"]
        with self._state.lock:
            webhook.deliveries.append(Delivery(str(uuid4()), pending_delivery.event["id"], at, success, shown))
            if success or pending_delivery.attempts >= MOST_ATTEMPTS:
                if pending_delivery in webhook.pending:
                    webhook.pending.remove(pending_delivery)
            else:
                pause = self._state.behavior.delivery_backoff * 2 ** (pending_delivery.attempts - 1)
                pending_delivery.due_at = self._state.clock() + pause

    async def _post(self, endpoint: str, body: bytes, headers: dict[str, str]) -> tuple[bool, dict[str, Any]]:
        """Post once, and tell whether it was accepted and what to show of it."""
        if not is_loopback(urlsplit(endpoint).hostname or ""):
            return False, {"error": "The emulator delivers on loopback only.", "error_kind": "refused"}
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_PATIENCE, verify=False, trust_env=False)
        try:
            answer = await self._client.post(endpoint, content=body, headers=headers)
        except httpx.HTTPError as error:
            return False, {"error": str(error) or type(error).__name__, "error_kind": "connection"}
        shown = {"status_code": answer.status_code, "response_body": answer.text[:_SHOWN_OF_AN_ANSWER]}
        return answer.is_success, shown


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
