"""The data in responses of the API."""

from __future__ import annotations

from typing import Any

import httpx


def data(response: httpx.Response, status: int = 200) -> Any:
    """Check the status of a response and return its ``data``."""
    assert response.status_code == status, response.text
    return response.json()["data"]
