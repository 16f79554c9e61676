"""The public REST API of Airflow, as far as asset events need it."""

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
from airflow_provider_polytomic.api.http import tls_context
from airflow_provider_polytomic.hooks._connection import base_url_of, settings_of

_PAGE = 100
_TIMEOUT = 30.0


class AirflowError(Exception):
    """Airflow's REST API gave no usable answer."""


@dataclass(frozen=True)
class Login:
    """Where the REST API is, and as whom it is used.

    :param base_url: where the API server is reached, with the path of ``[api] base_url``
    :param verify: whether the server's certificate is checked, or the path of a CA bundle to check it with
    """

    base_url: str
    username: str
    password: str = field(repr=False)
    verify: bool | str = True

    @classmethod
    def read(cls, connection: Any) -> Login:
        """Read a connection; where it has no host, ``[api] base_url`` holds.

        :raises ValueError: if it cannot be used, or the password would leave this machine in clear
        """
        options = settings_of(connection.extra, ("verify", "allow_http"))
        default = conf.get("api", "base_url", fallback="") or f"localhost:{conf.get('api', 'port', fallback='8080')}"
        address = base_url_of(connection, default, loopback_scheme="http")
        return cls(
            checked_address(address, options.get("allow_http", False), "password of Airflow's user"),
            connection.login or "",
            connection.password or "",
            options.get("verify", True),
        )


class Row(BaseModel):
    """What is read of an asset or of one of its events."""

    id: int
    uri: str | None = None
    extra: dict[str, Any] | None = None


class _Page(BaseModel):
    rows: list[Row] = Field(validation_alias=AliasChoices("assets", "asset_events"))
    total_entries: int


class AirflowApi:
    """Finds assets and creates their events, with the rights of the user whose name and password it is given."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._token: str | None = None

    async def asset_id(self, uri: str) -> int | None:
        """Find the asset with this URI that a DAG uses: ``GET /api/v2/assets``."""
        async for asset in self._all("assets", {"uri_pattern": uri}):
            if asset.uri == uri:
                return asset.id
        return None

    def events_since(self, asset_id: int, moment: datetime) -> AsyncIterator[Row]:
        """Give the events of an asset, the latest first: ``GET /api/v2/assets/events``."""
        query = {"asset_id": asset_id, "timestamp_gte": moment.isoformat(), "order_by": "-timestamp"}
        return self._all("assets/events", query)

    async def create_event(self, asset_id: int, extra: Mapping[str, Any]) -> None:
        """Create an event of an asset: ``POST /api/v2/assets/events``."""
        await self._send("POST", "assets/events", json={"asset_id": asset_id, "extra": dict(extra)})

    async def _all(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[Row]:
        offset = 0
        while True:
            answer = await self._send("GET", path, params={**query, "limit": _PAGE, "offset": offset})
            try:
                page = _Page.model_validate(answer)
            except ValueError:
                raise AirflowError(f"GET {path}: the answer has another shape than expected") from None
            for row in page.rows:
                yield row
            offset += len(page.rows)
            if not page.rows or offset >= page.total_entries:
                return

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        """Send one request, with a new token where there is none or the last one is not accepted any longer.

        No proxy of the environment stands between this machine and itself.

        :raises AirflowError: if it fails
        """
        local = is_loopback(urlsplit(self.login.base_url).hostname or "")
        try:
            async with httpx.AsyncClient(
                timeout=_TIMEOUT, verify=tls_context(self.login.verify), trust_env=not local
            ) as client:
                fresh = self._token is None
                if fresh:
                    self._token = await self._new_token(client)
                answer = await self._authorized(client, method, path, request)
                if answer.status_code == 401 and not fresh:
                    self._token = await self._new_token(client)
                    answer = await self._authorized(client, method, path, request)
                return answer.raise_for_status().json()
        except httpx.HTTPStatusError as error:
            raise AirflowError(
                f"{error.request.method} {error.request.url.path}: {error.response.status_code}"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AirflowError(f"{method} {path}: {type(error).__name__}: {error}") from None
        except (ValueError, LookupError, TypeError) as error:
            raise AirflowError(f"{method} {path}: the answer cannot be read: {type(error).__name__}") from None

    async def _authorized(
        self, client: httpx.AsyncClient, method: str, path: str, request: Mapping[str, Any]
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return await client.request(method, f"{self.login.base_url}/api/v2/{path}", headers=headers, **request)

    async def _new_token(self, client: httpx.AsyncClient) -> str:
        login = {"username": self.login.username, "password": self.login.password}
        answer = await client.post(f"{self.login.base_url}/auth/token", json=login)
        return str(answer.raise_for_status().json()["access_token"])
