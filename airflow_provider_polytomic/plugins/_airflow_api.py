"""Call Airflow's public REST API to find assets and create their events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import AliasChoices, BaseModel, Field

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic.api.config import checked_address, is_loopback
from airflow_provider_polytomic.api.transport import tls_context
from airflow_provider_polytomic.hooks._connection import read_base_url, read_extra

_PAGE = 100
_TIMEOUT = 30.0


class AirflowApiError(Exception):
    """A request to Airflow's REST API failed or its response is invalid."""


@dataclass(frozen=True)
class AirflowLogin:
    """The URL of the REST API and the user that sends requests to it.

    :param base_url: URL of the API server, with the path of ``[api] base_url``
    :param verify: whether to verify the server's certificate, or the path of a CA bundle to verify it with
    """

    base_url: str
    username: str
    password: str = field(repr=False)
    verify: bool | str = True

    @classmethod
    def read(cls, connection: Any) -> AirflowLogin:
        """Read a connection; without a host, use ``[api] base_url``.

        :raises ValueError: if the connection cannot be used, or would send the password unencrypted to another machine
        """
        options = read_extra(connection.extra, ("verify", "allow_http"))
        default = conf.get("api", "base_url", fallback="") or f"localhost:{conf.get('api', 'port', fallback='8080')}"
        address = read_base_url(connection, default, loopback_scheme="http")
        return cls(
            checked_address(address, options.get("allow_http", False), "password of Airflow's user"),
            connection.login or "",
            connection.password or "",
            options.get("verify", True),
        )


class Row(BaseModel):
    """An asset or an event of an asset."""

    id: int
    uri: str | None = None
    extra: dict[str, Any] | None = None


class _Page(BaseModel):
    rows: list[Row] = Field(validation_alias=AliasChoices("assets", "asset_events"))
    total_entries: int


class AirflowApi:
    """Find assets and create their events with the permissions of a user."""

    def __init__(self, login: AirflowLogin) -> None:
        self.login = login
        self._token: str | None = None

    async def asset_id(self, uri: str) -> int | None:
        """Return the id of the asset with this URI, or None if no DAG uses it: ``GET /api/v2/assets``."""
        async for asset in self._all("assets", {"uri_pattern": uri}):
            if asset.uri == uri:
                return asset.id
        return None

    def events_since(self, asset_id: int, since: datetime) -> AsyncIterator[Row]:
        """Yield the events of an asset, latest first: ``GET /api/v2/assets/events``."""
        query = {"asset_id": asset_id, "timestamp_gte": since.isoformat(), "order_by": "-timestamp"}
        return self._all("assets/events", query)

    async def create_event(self, asset_id: int, extra: Mapping[str, Any]) -> None:
        """Create an event of an asset: ``POST /api/v2/assets/events``."""
        await self._send("POST", "assets/events", json={"asset_id": asset_id, "extra": dict(extra)})

    async def _all(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Row]:
        offset = 0
        while True:
            response = await self._send("GET", path, params={**query, "limit": _PAGE, "offset": offset})
            try:
                page = _Page.model_validate(response)
            except ValueError:
                raise AirflowApiError(f"GET {path}: the response has an unexpected shape") from None
            for row in page.rows:
                yield row
            offset += len(page.rows)
            if not page.rows or offset >= page.total_entries:
                return

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        """Send a request and return its response; get a new token if there is none or it has expired.

        Requests to this machine ignore the environment's proxies.

        :raises AirflowApiError: if it fails
        """
        url, local = f"{self.login.base_url}/api/v2/{path}", is_loopback(urlsplit(self.login.base_url).hostname or "")
        try:
            verify = tls_context(self.login.verify)
            async with httpx.AsyncClient(timeout=_TIMEOUT, verify=verify, trust_env=not local) as client:
                is_new = self._token is None
                while True:
                    if self._token is None:
                        credentials = {"username": self.login.username, "password": self.login.password}
                        created = await client.post(f"{self.login.base_url}/auth/token", json=credentials)
                        self._token = str(created.raise_for_status().json()["access_token"])
                    headers = {"Authorization": f"Bearer {self._token}"}
                    response = await client.request(method, url, headers=headers, **request)
                    if is_new or response.status_code != 401:
                        return response.raise_for_status().json()
                    self._token, is_new = None, True
        except httpx.HTTPStatusError as error:
            sent = error.request
            raise AirflowApiError(f"{sent.method} {sent.url.path}: {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AirflowApiError(f"{method} {path}: {type(error).__name__}: {error}") from None
        except (ValueError, LookupError, TypeError) as error:
            raise AirflowApiError(f"{method} {path}: the response cannot be read: {type(error).__name__}") from None
