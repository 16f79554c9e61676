"""A stand-in for Airflow's API server: the page's application in it, its users, and its lists of DAGs and XComs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.core_api import security
from fastapi import FastAPI, HTTPException, Request
from jwt import InvalidTokenError
from starlette.testclient import TestClient

from airflow_provider_polytomic.plugins.ui import PAGE_PREFIX
from airflow_provider_polytomic.ui.app import build_app
from tests.system.processes import poll

READER, VIEWER = "reader", "viewer"


@dataclass
class ApiServer:
    """The API server and what it lists.

    :param lists: rows by the path of their list
    :param requests: paths and users of the requests to the REST API
    """

    client: TestClient
    lists: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def log_in(self, user: str) -> None:
        self.client.cookies.set("_token", user)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{PAGE_PREFIX}/{path}", params=query)

    def syncs(self, *viewed: str, conn_id: str = "polytomic_default") -> dict[str, Any]:
        answer: dict[str, Any] = self.get(f"connections/{conn_id}/syncs", viewed=",".join(viewed)).json()
        return answer

    def wait_for_syncs(self, is_reached: Callable[[dict[str, Any]], Any], *viewed: str) -> dict[str, Any]:
        """Ask for the syncs until they are as wanted."""

        def reached() -> dict[str, Any] | None:
            answer = self.syncs(*viewed)
            return answer if is_reached(answer) else None

        found = poll(reached, 20)
        assert found, self.syncs()
        return found


class _AuthManager:
    async def get_user_from_token(self, token: str) -> Any:
        if token not in (READER, VIEWER):
            raise InvalidTokenError
        return SimpleNamespace(name=token)

    def is_authorized_connection(self, *, method: str, user: Any, details: Any = None) -> bool:
        return bool(method == "GET" and user.name == READER and details.conn_id)


@contextmanager
def api_server(monkeypatch: pytest.MonkeyPatch, *connection_ids: str) -> Iterator[ApiServer]:
    """Run the API server with a page for some connections."""
    monkeypatch.setattr(security, "get_auth_manager", _AuthManager)
    monkeypatch.setattr(security.Connection, "get_team_name", lambda conn_id: None)
    root = FastAPI()
    root.mount(PAGE_PREFIX, build_app(list(connection_ids)))
    server = ApiServer(TestClient(root))

    @root.get("/api/v2/{path:path}")
    async def answer(path: str, request: Request) -> Any:
        server.requests.append((path, request.cookies.get("_token")))
        found = server.lists.get(path)
        if found is None:
            raise HTTPException(404)
        return found(request) if callable(found) else found

    with server.client:
        yield server
