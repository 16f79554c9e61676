"""What is done with one delivery, from its raw bytes to the asset event."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from typing import Any
from weakref import WeakValueDictionary

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from airflow_provider_polytomic.api import PolytomicError, PolytomicNotFoundError
from airflow_provider_polytomic.api.sharing import shared_client
from airflow_provider_polytomic.assets import AssetUri, host_of
from airflow_provider_polytomic.executions import Execution
from airflow_provider_polytomic.hooks._connection import ConnectionConfig
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.links.url import sync_url
from airflow_provider_polytomic.plugins._airflow_api import AirflowApi, AirflowError, Login
from airflow_provider_polytomic.plugins._delivery import Delivery
from airflow_provider_polytomic.plugins._settings import Settings
from airflow_provider_polytomic.plugins._signature import HEADER, is_genuine

log = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(hours=1)
"""How far apart the clocks of Polytomic and Airflow may be when a repetition is looked for."""

PATIENCE = 15.0
"""Seconds for one delivery, whoever is slow; then it is to be delivered again."""


class Refused(Exception):
    """A delivery that is not taken.

    :param reason: said to the caller, so nothing secret
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


def build_app(settings: Settings) -> FastAPI:
    """Build the application with its one route."""
    app = FastAPI(title="Polytomic webhook", docs_url=None, redoc_url=None, openapi_url=None)
    receiver = Receiver(settings)

    @app.post("/webhook")
    async def receive(request: Request) -> JSONResponse:
        try:
            return JSONResponse({"result": await receiver.receive(request)})
        except Refused as refused:
            log.warning("A delivery of Polytomic's webhook is answered %s: %s", refused.status, refused)
            return JSONResponse({"result": "refused", "reason": str(refused)}, refused.status)

    return app


class Receiver:
    """Takes deliveries; those of one execution one after another."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._airflow: AirflowApi | None = None
        self._in_turn: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def receive(self, request: Request) -> str:
        """Take one delivery and tell what has become of it.

        :raises Refused: if it is not taken
        """
        try:
            return await asyncio.wait_for(self._receive(request), PATIENCE)
        except asyncio.TimeoutError:
            raise Refused(503, f"It took longer than {PATIENCE:g} seconds.") from None

    async def _receive(self, request: Request) -> str:
        delivery = await self._read(request)
        if delivery is None or not delivery.may_be_one_of(self._settings.events):
            return "ignored"
        try:
            async with self._in_turn.setdefault(delivery.execution_id, asyncio.Lock()):
                result = await self._act(delivery)
        except AirflowError as error:
            log.error("Airflow's REST API gave no usable answer: %s", error)
            raise Refused(503, "Airflow's REST API gave no usable answer.") from None
        log.info("Webhook: %s %s: %s", delivery.run, delivery.event, result)
        return result

    async def _read(self, request: Request) -> Delivery | None:
        signature = request.headers.get(HEADER, "")
        if not signature:
            raise Refused(401, f"There is no {HEADER} header.")
        body = await self._body(request)
        secret = (await _connection(self._settings.webhook_conn_id)).password or ""
        if not secret:
            raise Refused(503, "There is no secret to check a signature with.")
        if not is_genuine(
            body,
            signature,
            secret,
            hash=self._settings.webhook_signature_hash,
            encoding=self._settings.webhook_signature_encoding,
        ):
            raise Refused(401, f"The {HEADER} header does not fit.")
        try:
            return Delivery.read(body)
        except ValueError as error:
            raise Refused(422, f"The body is not a delivery: {error}.") from None

    async def _body(self, request: Request) -> bytes:
        """Read the body, and no more of it than is allowed, whatever its announced length."""
        most, body = self._settings.webhook_max_bytes, bytearray()
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            raise Refused(413, f"The body is longer than {most} bytes.")
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise Refused(413, f"The body is longer than {most} bytes.")
        return bytes(body)

    async def _act(self, delivery: Delivery) -> str:
        config = await self._polytomic()
        uri = str(AssetUri(host_of(config.base_url), delivery.kind, delivery.sync_id))
        airflow = await self._api()
        asset_id = await airflow.asset_id(uri)
        if asset_id is None:
            log.warning("Webhook: no DAG has an asset %s", uri)
            return "no asset"
        execution, url = await _look(config, delivery)
        if not execution.outcome.final:
            raise Refused(503, "The execution has not ended, as Polytomic's API shows it.")
        payload = delivery.payload(execution, url)
        if payload["event"] not in self._settings.events:
            return "ignored"
        happened = datetime.fromisoformat(payload["created_at"]) if payload["created_at"] else _now()
        if 0 < self._settings.webhook_max_age < (_now() - happened).total_seconds():
            raise Refused(400, "The event is too old.")
        async for event in airflow.events_since(asset_id, min(happened, _now()) - CLOCK_SKEW):
            if delivery.is_told_by(event.extra or {}):
                return "repeated"
        await airflow.create_event(asset_id, {"payload": payload})
        return "created"

    async def _polytomic(self) -> ConnectionConfig:
        conn_id = self._settings.webhook_polytomic_conn_id
        try:
            return await asyncio.to_thread(PolytomicHook(conn_id).config)
        except Exception as error:
            raise _unreadable(conn_id, error) from None

    async def _api(self) -> AirflowApi:
        conn_id = self._settings.webhook_airflow_conn_id
        connection = await _connection(conn_id)
        try:
            login = Login.read(connection)
        except ValueError as error:
            log.error("The Airflow connection %r of Polytomic's webhook cannot be used: %s", conn_id, error)
            raise Refused(503, "The connection to Airflow's REST API cannot be used.") from None
        if self._airflow is None or self._airflow.login != login:
            self._airflow = AirflowApi(login)
        return self._airflow


async def _connection(conn_id: str) -> Any:
    """Look an Airflow connection up, at each delivery, so that a changed secret holds at once."""
    try:
        return await asyncio.to_thread(PolytomicHook.get_connection, conn_id)
    except Exception as error:
        raise _unreadable(conn_id, error) from None


def _unreadable(conn_id: str, error: Exception) -> Refused:
    """Tell of the error's type alone: its text may have pieces of a URI, and so of a password."""
    log.error("The Airflow connection %r of Polytomic's webhook cannot be read: %s", conn_id, type(error).__name__)
    return Refused(503, "An Airflow connection of the webhook cannot be read.")


async def _look(config: ConnectionConfig, delivery: Delivery) -> tuple[Execution, str | None]:
    """Ask Polytomic itself for the execution and its address: a delivery need not say when it was or what it moved."""
    run, template = delivery.run, config.link_template_of(delivery.kind)
    try:
        async with shared_client(config) as client:
            execution = await client.run(run.fetch(without_retries=True))
            if not template:
                return execution, None
            return execution, await client.run(sync_url(template, config, run.kind, run.sync_id, run.execution_id))
    except PolytomicNotFoundError:
        raise Refused(422, "Polytomic knows no such execution.") from None
    except PolytomicError as error:
        log.error("%s could not be looked at: %s", delivery.run, error)
        raise Refused(503, "Polytomic gave no usable answer.") from None


def _now() -> datetime:
    return datetime.now(timezone.utc)
