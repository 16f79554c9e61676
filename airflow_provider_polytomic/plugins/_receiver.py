"""Receive a delivery of the webhook of Polytomic, verify it, and create an asset event."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.api import PolytomicError, PolytomicNotFoundError
from airflow_provider_polytomic.api.decoding import decode_json
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.api.sharing import shared_client
from airflow_provider_polytomic.assets import AssetUri, host_of
from airflow_provider_polytomic.executions import Execution, ExecutionRef, Outcome
from airflow_provider_polytomic.executions.events import EndEvent, end_fields, end_of, event_errors
from airflow_provider_polytomic.hooks._connection import ConnectionConfig
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.links.url import sync_url
from airflow_provider_polytomic.plugins._airflow_api import AirflowApi, AirflowApiError, AirflowLogin
from airflow_provider_polytomic.plugins._settings import SIGNATURE_HEADER, WebhookSettings

COMPLETED, WITH_ERRORS = "completed", "completed_with_errors"


@dataclass(frozen=True)
class Delivery(EndEvent):
    """One delivery of an event about the end of an execution."""

    @classmethod
    def read(cls, body: bytes) -> Delivery | None:
        """Read the body of a delivery; return None if its event is about something else.

        :raises ValueError: if it cannot be read
        """
        event = decode_json(body)
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise ValueError("it is not an event")
        fields = end_fields(event)
        return cls(**fields) if fields else None

    @property
    def ref(self) -> ExecutionRef:
        """The execution that ended."""
        return ExecutionRef(self.kind, self.sync_id, self.execution_id)

    def may_be_one_of(self, events: Set[str]) -> bool:
        """Return whether the delivery may be one of these events, before the execution is known."""
        return self.event in events or (self.event == COMPLETED and WITH_ERRORS in events)

    def event_of(self, execution: Execution) -> str:
        """Return the event. Polytomic may send ``completed`` beside ``completed_with_errors``, or instead of it.

        :param execution: the execution, as Polytomic's API shows it
        """
        return WITH_ERRORS if self.event == COMPLETED and end_of(execution) == WITH_ERRORS else self.event

    def payload(self, execution: Execution, url: str | None) -> dict[str, Any]:
        """Return the payload of the asset event, with the fields of ``PolytomicEventTrigger``.

        :param execution: the execution, as Polytomic's API shows it
        :param url: address of the sync in Polytomic
        """
        ended_at = execution.completed_at or self.created_at
        return {
            "event": self.event_of(execution),
            "event_id": self.event_id,
            "kind": self.kind,
            "sync_id": self.sync_id,
            "sync_name": self.sync_name,
            "execution_id": self.execution_id,
            "created_at": ended_at.isoformat() if ended_at else None,
            "counts": dict(execution.counts),
            "errors": event_errors(execution.errors or [self.error]),
            "url": url,
        }

    def is_reported_by(self, extra: Mapping[str, Any]) -> bool:
        """Return whether an asset event with this ``extra`` is about the same end; an execution ends once.

        Events of this route and of ``PolytomicEventTrigger`` have a payload; those of outlets have its fields.
        """
        payload = extra.get("payload", extra)
        if not isinstance(payload, dict) or payload.get("execution_id") != self.execution_id:
            return False
        return payload.get("outcome") != Outcome.RUNNING.value


T = TypeVar("T")
log = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(hours=1)
"""Maximum difference between the clocks of Polytomic and Airflow when looking for a repeated delivery."""

MAX_DELIVERY_BYTES = 64 * 1024
"""Maximum size of a body, whatever ``webhook_max_bytes`` says: it is kept before its signature can be checked."""

MAX_UNVERIFIED_DELIVERIES = 64
"""Bodies that are read or checked at the same time; the response to further requests is 503."""

BODY_TIMEOUT = 5.0
"""Seconds in which a body must arrive, so that slow senders do not keep the places of others."""

DELIVERY_TIMEOUT = 15.0
"""Seconds for one delivery; then the response is 503, and Polytomic delivers it again."""


class DeliveryRefused(Exception):
    """A delivery that the route refuses.

    :param status: status code of the response
    :param reason: text in the response; contains no secret
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


def build_app(settings: WebhookSettings) -> FastAPI:
    """Build the application with the route ``POST /webhook``."""
    app = FastAPI(title="Polytomic webhook", docs_url=None, redoc_url=None, openapi_url=None)
    handler = DeliveryHandler(settings)

    @app.post("/webhook")
    async def receive(request: Request) -> JSONResponse:
        try:
            return JSONResponse({"result": await handler.handle(request)})
        except DeliveryRefused as refused:
            log.warning("Refused a delivery of Polytomic's webhook with %s: %s", refused.status, refused)
            return JSONResponse({"result": "refused", "reason": str(refused)}, refused.status)

    return app


class DeliveryHandler:
    """Handle deliveries; those of one execution one after another."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._airflow: AirflowApi | None = None
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unverified = 0

    async def handle(self, request: Request) -> str:
        """Handle one delivery and return the result.

        :raises DeliveryRefused: if the delivery is invalid or cannot be handled now
        """
        try:
            return await asyncio.wait_for(self._handle(request), DELIVERY_TIMEOUT)
        except asyncio.TimeoutError:
            raise DeliveryRefused(503, f"It took longer than {DELIVERY_TIMEOUT:g} seconds.") from None
        except (DeliveryRefused, ClientDisconnect):
            raise
        except Exception as error:
            frames = "".join(traceback.format_tb(error.__traceback__))
            log.error("Could not handle a delivery of Polytomic's webhook: %s\n%s", type(error).__name__, frames)
            raise DeliveryRefused(500, "The delivery could not be handled.") from None

    async def _handle(self, request: Request) -> str:
        delivery = await self._read(request)
        if delivery is None or not delivery.may_be_one_of(self._settings.events):
            return "ignored"
        try:
            async with self._locks.setdefault(delivery.execution_id, asyncio.Lock()):
                result = await self._create_event(delivery)
        except AirflowApiError as error:
            log.error("A request to Airflow's REST API failed: %s", error)
            raise DeliveryRefused(503, "A request to Airflow's REST API failed.") from None
        log.info("Handled a delivery of Polytomic's webhook, %s %s: %s", delivery.ref, one_line(delivery.event), result)
        return result

    async def _read(self, request: Request) -> Delivery | None:
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not signature:
            raise DeliveryRefused(401, f"There is no {SIGNATURE_HEADER} header.")
        if self._unverified >= MAX_UNVERIFIED_DELIVERIES:
            raise DeliveryRefused(503, "Too many deliveries arrive at the same time.")
        self._unverified += 1
        try:
            body = await self._verified_body(request, signature)
        finally:
            self._unverified -= 1
        try:
            return Delivery.read(body)
        except ValueError as error:
            raise DeliveryRefused(422, f"The body is not a delivery: {error}.") from None

    async def _verified_body(self, request: Request, signature: str) -> bytes:
        try:
            body = await asyncio.wait_for(self._body(request), BODY_TIMEOUT)
        except asyncio.TimeoutError:
            raise DeliveryRefused(408, f"The body took longer than {BODY_TIMEOUT:g} seconds.") from None
        secret = (await _get_connection(self._settings.webhook_conn_id)).password or ""
        if not secret:
            raise DeliveryRefused(503, "The webhook has no secret to verify the signature with.")
        if not self._settings.is_valid_signature(body, signature, secret):
            raise DeliveryRefused(401, f"The {SIGNATURE_HEADER} header does not match the body.")
        return body

    async def _body(self, request: Request) -> bytes:
        """Read the body up to the maximum size, whatever its Content-Length."""
        max_bytes, body = min(self._settings.webhook_max_bytes, MAX_DELIVERY_BYTES), bytearray()
        too_long = DeliveryRefused(413, f"The body is longer than {max_bytes} bytes.")
        content_length = request.headers.get("content-length", "")
        if content_length.isdigit() and int(content_length) > max_bytes:
            raise too_long
        async for part in request.stream():
            if len(body) + len(part) > max_bytes:
                raise too_long
            body += part
        return bytes(body)

    async def _create_event(self, delivery: Delivery) -> str:
        airflow = await self._airflow_api()
        asset_id, config = await self._find_asset(delivery, airflow)
        if asset_id is None:
            return "no asset"
        execution, url = await _get_execution(config, delivery)
        if not execution.outcome.final:
            raise DeliveryRefused(503, "The execution has not ended according to Polytomic's API.")
        payload = delivery.payload(execution, url)
        if payload["event"] not in self._settings.events:
            return "ignored"
        ended_at = datetime.fromisoformat(payload["created_at"]) if payload["created_at"] else _now()
        if 0 < self._settings.webhook_max_age < (_now() - ended_at).total_seconds():
            raise DeliveryRefused(400, "The event is too old.")
        async for event in airflow.events_since(asset_id, min(ended_at, _now()) - CLOCK_SKEW):
            if delivery.is_reported_by(event.extra or {}):
                return "repeated"
        await airflow.create_event(asset_id, storable({"payload": payload}, "the extra of an asset event"))
        return "created"

    async def _find_asset(self, delivery: Delivery, airflow: AirflowApi) -> tuple[int | None, ConnectionConfig]:
        """Find the asset with the organization of the delivery, or else the one without, and how to read its sync."""
        conn_id = self._settings.webhook_polytomic_conn_id
        for organization_id in dict.fromkeys((delivery.organization_id, None)):
            config = await _read_in_thread(PolytomicHook(conn_id, organization_id).config, conn_id)
            uri = AssetUri(host_of(config.base_url), delivery.kind, delivery.sync_id, organization_id=organization_id)
            asset_id = await airflow.asset_id(str(uri))
            if asset_id is not None:
                break
        else:
            log.warning("Ignored a delivery of Polytomic's webhook: no DAG has an asset %s", one_line(str(uri)))
        return asset_id, config

    async def _airflow_api(self) -> AirflowApi:
        conn_id = self._settings.webhook_airflow_conn_id
        connection = await _get_connection(conn_id)
        try:
            login = AirflowLogin.read(connection)
        except ValueError as error:
            log.error("The Airflow connection %r of Polytomic's webhook cannot be used: %s", conn_id, error)
            raise DeliveryRefused(503, "The connection to Airflow's REST API cannot be used.") from None
        if self._airflow is None or self._airflow.login != login:
            self._airflow = AirflowApi(login)
        return self._airflow


async def _get_connection(conn_id: str) -> Any:
    """Get an Airflow connection; again at each delivery, so that a changed secret takes effect at once."""
    return await _read_in_thread(partial(PolytomicHook.get_connection, conn_id), conn_id)


async def _read_in_thread(read: Callable[[], T], conn_id: str) -> T:
    """Read a connection; log the type of an error only, since its message may contain a part of a password."""
    try:
        return await asyncio.to_thread(read)
    except Exception as error:
        log.error("The Airflow connection %r of Polytomic's webhook cannot be read: %s", conn_id, type(error).__name__)
        raise DeliveryRefused(503, "An Airflow connection of the webhook cannot be read.") from None


async def _get_execution(config: ConnectionConfig, delivery: Delivery) -> tuple[Execution, str | None]:
    """Get the execution and its URL from Polytomic; a delivery may lack its time and its row counts."""
    ref, template = delivery.ref, config.link_template_of(delivery.kind)
    try:
        async with shared_client(config) as client:
            execution = await client.run(ref.fetch(without_retries=True))
            if not template:
                return execution, None
            return execution, await client.run(sync_url(template, config, ref.kind, ref.sync_id, ref.execution_id))
    except PolytomicNotFoundError:
        raise DeliveryRefused(422, "Polytomic has no such execution.") from None
    except PolytomicError as error:
        log.error("Could not get %s: %s", ref, error)
        raise DeliveryRefused(503, "A request to Polytomic failed.") from None


def _now() -> datetime:
    return datetime.now(timezone.utc)
