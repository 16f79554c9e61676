"""Write connections, what is behind them, and who is asking, as the API shows it."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic.emulator.domain import catalog
from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.connections import Connection, redact
from airflow_provider_polytomic.emulator.domain.state import ORGANIZATION_NAME, USER_EMAIL, USER_ID, State
from airflow_provider_polytomic.emulator.http import access
from airflow_provider_polytomic.emulator.routes.rendering import ACTOR

_DAY = 24 * 60 * 60
_AUTHORIZE = "https://connect.emulator.invalid/authorize"
_NOT_WHEN_WRITTEN = (
    *("api_calls_last_24_hours", "parent_connection_id", "rate_limit"),
    *("created_at", "created_by", "updated_at", "updated_by"),
)
_CONTRACT = {
    "allowedMethods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "bodyTypes": ["string", "object", "array", "null"],
    "blockedRequestHeaders": ["authorization", "cookie", "host"],
    "blockedResponseHeaders": ["set-cookie"],
    "pathRule": "relative, beginning with a slash",
    "queryModes": ["query", "rawQuery"],
    "queryValueTypes": ["string", "number", "boolean", "array"],
    "rawQueryRule": "without the question mark",
    "maxRequestBodyBytes": 256 * 1024,
    "maxResponseBodyBytes": 1024 * 1024,
    "rateLimitPerMinute": 60,
    "timeoutMs": 30_000,
}


def connection(each: Connection) -> dict[str, Any]:
    """Write a connection with its secrets masked."""
    return {
        "id": each.id,
        "name": each.name,
        "type": catalog.type_in_connection(each.type),
        "organization_id": each.organization_id,
        "configuration": redact(each.configuration),
        "policies": list(each.policies),
        "saved": True,
        "status": each.status,
        "status_error": each.status_error,
        "parent_connection_id": each.parent_id,
        "api_calls_last_24_hours": None,
        "rate_limit": None,
        "created_at": timestamp(each.created_at),
        "created_by": ACTOR,
        "updated_at": timestamp(each.updated_at),
        "updated_by": ACTOR,
    }


def written_connection(each: Connection, *, authorize: bool = False) -> dict[str, Any]:
    """Write a connection as the answer to its creation or update, which shows less."""
    whole = connection(each)
    for name in _NOT_WHEN_WRITTEN:
        whole.pop(name)
    auth = f"{_AUTHORIZE}?connection={each.id}" if authorize and catalog.kind(each.type).oauth else None
    return {**whole, "healthcheck_interval": each.healthcheck_interval, "auth_url": auth, "auth_code": None}


def schema_status(each: Connection, now: float) -> dict[str, Any]:
    """Write how fresh the knowledge of a connection's schemas is; before the first refresh it is as old as that."""
    shown = [refresh for refresh in each.refreshes if now >= refresh.shown_at]
    finished = [refresh.ends_at for refresh in shown if refresh.over(now) and refresh.finishes]
    status = "fresh"
    if shown:
        status = shown[-1].ends if shown[-1].over(now) else "refreshing"
    return {
        "cache_status": status,
        "last_refresh_started": timestamp(shown[-1].started_at if shown else each.created_at),
        "last_refresh_finished": timestamp(finished[-1] if finished else each.created_at),
    }


def proxy_info(each: Connection, now: float) -> dict[str, Any]:
    """Write what may be sent through a connection's proxy, and what was."""
    recent = [(at, status) for at, status in each.proxy_statuses if at > now - _DAY]
    hundreds = [status // 100 for _, status in recent]
    return {
        "connectionId": each.id,
        "backendType": each.type,
        "apis": [],
        "inheritedBase": {"baseUrl": "https://upstream.emulator.invalid", "lockedHeaders": [], "lockedQuery": {}},
        "mergeRules": {"headers": "inherited headers win", "query": "inherited parameters come first"},
        "requestContract": _CONTRACT,
        "stats": {
            "callsLast24h": None,
            "lastProxyCallAt": timestamp(recent[-1][0]) if recent else None,
            "proxyCallsLast24h": len(recent),
            **{f"proxy{number}xxLast24h": hundreds.count(number) for number in (2, 4, 5)},
        },
    }


def identity(state: State, role: str | None) -> dict[str, Any]:
    """Write who the caller is: a user by a bearer key, the organization by a basic one, a partner, or the system."""
    user = {"id": USER_ID, "email": USER_EMAIL, "role": "admin"} if role == access.USER else {}
    return {
        **user,
        "organization_id": state.organization_id,
        "organization_name": ORGANIZATION_NAME,
        "is_user": role == access.USER,
        "is_organization": role == access.ORGANIZATION,
        "is_partner": role == access.PARTNER,
        "is_system": role == access.DEPLOYMENT,
        "credential": {"method": "api_key"},
    }
