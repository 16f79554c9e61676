"""Connections as code: what keeping them takes beyond single requests."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_polytomic.api import connections, schemas
from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicAPIError
from airflow_provider_polytomic.api.flow import Flow, Pause, send
from airflow_provider_polytomic.api.idempotency import idempotency_key
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.connections import Connection
from airflow_provider_polytomic.api.retry import is_transient

log = logging.getLogger(__name__)


class AlreadyExists(ValueError):
    """There is a connection of this name and type, and it was not to be touched."""


class RefreshTimeout(Exception):
    """The schemas were not read in time."""


def create_once(
    name: str,
    type: str,
    configuration: Mapping[str, Any],
    *,
    key_facts: Sequence[str | int],
    attempts_before: int = 0,
    if_exists: str = "fail",
    policies: Sequence[str] | None = None,
    healthcheck_interval: str | None = None,
    validate: bool | None = None,
) -> Flow[Connection]:
    """Create a connection, unless an earlier attempt has.

    The request carries a key made of ``key_facts``, so that a repetition is answered with the first one's connection. A
    failure may be recorded under a key, so an attempt after the first goes on to further keys. Only the repetition can
    tell whether an existing connection is the one that an earlier attempt created, so what it has created instead, if
    it is not, is deleted again.

    :param if_exists: ``fail``, ``reuse`` or ``update``
    :raises AlreadyExists: if there is one and it was to fail
    :raises PolytomicError: if Polytomic refuses
    """
    options: dict[str, Any] = {"policies": policies, "healthcheck_interval": healthcheck_interval, "validate": validate}
    existing = yield from _find(name, type)
    if existing and if_exists == "reuse":
        return existing
    if existing and if_exists == "update":
        return (yield from replace_settings(existing.id, configuration, **options))
    if existing and not attempts_before:
        raise AlreadyExists(f"{type} connection {name!r} exists already ({existing.id}); see if_exists")
    created = yield from _create_under_keys(name, type, configuration, key_facts, attempts_before, **options)
    if existing and created.id != existing.id:
        yield from send(connections.delete(created.id))
        raise AlreadyExists(f"{type} connection {name!r} exists already ({existing.id}); see if_exists")
    return created


def _create_under_keys(
    name: str,
    type: str,
    configuration: Mapping[str, Any],
    key_facts: Sequence[str | int],
    attempts_before: int,
    **options: Any,
) -> Flow[Connection]:
    for number in range(attempts_before + 2):
        key = idempotency_key(*key_facts, "connection", type, name, number)
        creation = connections.create(name, type, configuration, idempotency_key=key, **options)
        try:
            return (yield from send(creation))
        except PolytomicAPIError as error:
            if number > attempts_before or not (is_transient(error) or number < attempts_before):
                raise
    raise AssertionError("the last key returns or raises")


def replace_settings(
    connection_id: str,
    configuration: Mapping[str, Any],
    *,
    name: str | None = None,
    policies: Sequence[str] | None = None,
    healthcheck_interval: str | None = None,
    validate: bool | None = None,
) -> Flow[Connection]:
    """Replace a connection's configuration as a whole, and keep what else is known of it where nothing else is given.

    The log names the settings that this clears, before it does. The API may not show how often the connection's health
    is checked, so that is cleared too unless it is given.
    """
    before = yield from send(connections.get(connection_id))
    cleared = _cleared(before.configuration or {}, configuration)
    healthcheck_interval = healthcheck_interval or (before.model_extra or {}).get("healthcheck_interval")
    if healthcheck_interval is None:
        cleared.append("healthcheck_interval, if it has one, which the API does not show")
    if cleared:
        log.warning("The update of connection %s clears: %s", connection_id, ", ".join(cleared))
    after = yield from send(
        connections.update(
            connection_id,
            name=name or before.name or connection_id,
            configuration=configuration,
            type=before.type.id if before.type else None,
            policies=before.policies if policies is None else policies,
            healthcheck_interval=healthcheck_interval,
            validate=validate,
        )
    )
    return after


def _cleared(before: Mapping[str, Any], after: Mapping[str, Any], within: str = "") -> list[str]:
    """List the settings that ``before`` has and ``after`` does not give again, however deep.

    :param within: the settings that they are part of, each with a dot after it
    """
    cleared: list[str] = []
    for name, had in sorted(before.items()):
        given = after.get(name)
        if name not in after and had not in (None, "", [], {}):
            cleared.append(f"{within}{name}")
        elif isinstance(had, Mapping) and isinstance(given, Mapping):
            cleared += _cleared(had, given, f"{within}{name}.")
    return cleared


def refresh(
    connection_id: str, *, timeout: float, poll_interval: float = 2.0, clock: Callable[[], float] = time.monotonic
) -> Flow[None]:
    """Have a connection's schemas read anew, and wait until they are.

    The old ``fresh`` may still show after the request, so the end is a ``refreshing`` that is over, or a new time of
    the last refresh. How a failed refresh shows is not known: any other word than ``fresh`` at the end is warned about.

    :param timeout: seconds to wait
    :param poll_interval: seconds between two looks
    :raises RefreshTimeout: if it takes longer
    """
    end = clock() + timeout
    before = yield from send(schemas.get_status(connection_id))
    yield from send(schemas.refresh(connection_id))
    has_begun = False
    while True:
        yield Pause(poll_interval)
        status = yield from send(schemas.get_status(connection_id))
        if status.cache_status == "refreshing":
            has_begun = True
        elif has_begun or status.last_refresh_finished != before.last_refresh_finished:
            if status.cache_status != "fresh":
                log.warning("The refresh of connection %s has ended as %r", connection_id, status.cache_status)
            return
        if clock() >= end:
            raise RefreshTimeout(f"its schemas are still {status.cache_status!r} after {timeout:.0f} s")


def _find(name: str, type: str) -> Flow[Connection | None]:
    call: Call[Page[Connection]] | None = connections.list()
    while call is not None:
        page = yield from send(call)
        for connection in page.rows:
            if connection.name == name and connection.type and connection.type.id == type:
                return connection
        call = next_page(call, page)
    return None
