"""The public REST API of Airflow, as far as asset events need it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import httpx

_PAGE = 100
_TIMEOUT = 30.0


class AirflowApi:
    """Finds assets and creates their events, with the rights of the user whose name and password it is given.

    :param base_url: where the API server is reached, with the path of ``[api] base_url``
    """

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.login = (base_url, username, password)
        self._base_url = base_url.rstrip("/")
        self._token: str | None = None

    async def asset_id(self, uri: str) -> int | None:
        """Find the asset with this URI that a DAG uses: ``GET /api/v2/assets``."""
        async for asset in self._all("assets", {"uri_pattern": uri}):
            if asset.get("uri") == uri:
                return int(asset["id"])
        return None

    async def events_since(self, asset_id: int, moment: datetime) -> AsyncIterator[dict[str, Any]]:
        """Give the events of an asset, the latest first: ``GET /api/v2/assets/events``."""
        query = {"asset_id": asset_id, "timestamp_gte": moment.isoformat(), "order_by": "-timestamp"}
        async for event in self._all("assets/events", query, "asset_events"):
            yield event

    async def create_event(self, asset_id: int, extra: Mapping[str, Any]) -> None:
        """Create an event of an asset: ``POST /api/v2/assets/events``."""
        await self._send("POST", "assets/events", json={"asset_id": asset_id, "extra": dict(extra)})

    async def _all(self, path: str, query: Mapping[str, Any], name: str = "assets") -> AsyncIterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = await self._send("GET", path, params={**query, "limit": _PAGE, "offset": offset})
            for row in answer[name]:
                yield row
            offset += len(answer[name])
            if not answer[name] or offset >= answer["total_entries"]:
                return

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        """Send one request, with a new token where there is none or the last one is not accepted any longer.

        :raises httpx.HTTPError: if it fails
        """
        async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
            fresh = self._token is None
            if fresh:
                self._token = await self._new_token(client)
            answer = await self._authorized(client, method, path, request)
            if answer.status_code == 401 and not fresh:
                self._token = await self._new_token(client)
                answer = await self._authorized(client, method, path, request)
            return answer.raise_for_status().json()

    async def _authorized(
        self, client: httpx.AsyncClient, method: str, path: str, request: Mapping[str, Any]
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return await client.request(method, f"{self._base_url}/api/v2/{path}", headers=headers, **request)

    async def _new_token(self, client: httpx.AsyncClient) -> str:
        _, username, password = self.login
        login = {"username": username, "password": password}
        answer = await client.post(f"{self._base_url}/auth/token", json=login)
        return str(answer.raise_for_status().json()["access_token"])
