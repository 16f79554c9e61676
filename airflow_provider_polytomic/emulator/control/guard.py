"""Refuse requests to the control routes that a web page of another origin has sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.http.webhook_dispatcher import is_loopback

SAME_SITE = ("", "none", "same-origin")
"""Values of ``Sec-Fetch-Site`` of requests that no page of another origin has sent."""


def refuse_foreign(request: Request, body: bytes) -> None:
    """Refuse a request that may come from a web page.

    A page may send requests to loopback, and read the responses if a name of its own resolves to loopback. It may not
    send JSON.

    :raises ApiError: with 403
    """
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not is_loopback(_hostname(host)):
        raise ApiError(403, "The control routes answer only to 127.0.0.1, ::1 and localhost.")
    if request.headers.get("sec-fetch-site", "") not in SAME_SITE or origin not in (None, f"http://{host}"):
        raise ApiError(403, "The control routes answer to no page of another origin.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "GET" and media_type != "application/json" and (body or media_type):
        raise ApiError(403, "The body must be sent as application/json.")


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
