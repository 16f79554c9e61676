"""Flows that create and update connections and refresh their schemas."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from airflow_provider_polytomic.api import connections, schemas
from airflow_provider_polytomic.api.call import Call, idempotency_key
from airflow_provider_polytomic.api.errors import PolytomicAPIError
from airflow_provider_polytomic.api.flow import Flow, Pause, all_rows, send
from airflow_provider_polytomic.api.models.connections import Connection
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.api.retry import is_transient

T = TypeVar("T")
log = logging.getLogger(__name__)


class AlreadyExists(ValueError):
    """A connection of this name and type exists, and ``if_exists`` is ``fail``."""


class RefreshTimeout(Exception):
    """The refresh of the schemas did not end in time."""


def send_once(call: Call[T], *, key_facts: Sequence[str | int | None], attempts_before: int = 0) -> Flow[T]:
    """Send a call with an Idempotency-Key, so that the API returns the response of an earlier attempt, if there is one.

    The API may have recorded a failure for a key, so later attempts continue with further keys.

    :param call: Call of an operation that takes an Idempotency-Key.
    :param key_facts: Facts that are the same in all attempts.
    :param attempts_before: Number of attempts before this one.
    :raises PolytomicError: If a request fails.
    """
    for number in count():
        try:
            return (yield from send(replace(call, idempotency_key=idempotency_key(*key_facts, number))))
        except PolytomicAPIError as error:
            if number > attempts_before or not (is_transient(error) or number < attempts_before):
                raise
    raise AssertionError


def create_once(
    name: str,
    type: str,
    configuration: Mapping[str, Any],
    *,
    key_facts: Sequence[str | int | None],
    attempts_before: int = 0,
    if_exists: str = "fail",
    policies: Sequence[str] | None = None,
    healthcheck_interval: str | None = None,
    validate: bool | None = None,
) -> Flow[Connection]:
    """Create a connection unless an earlier attempt has created it.

    The request is repeated as :func:`send_once` does. If a connection of this name exists, only the repeated request
    shows who created it: if it creates another one, that is deleted again.

    :param key_facts: Facts that are the same in all attempts.
    :param attempts_before: Number of attempts before this one.
    :param if_exists: ``fail``, ``reuse`` or ``update``.
    :raises AlreadyExists: If the connection exists and ``if_exists`` is ``fail``.
    :raises PolytomicError: If a request fails.
    """
    options: dict[str, Any] = {"policies": policies, "healthcheck_interval": healthcheck_interval, "validate": validate}
    every = yield from all_rows(connections.list())
    existing = next((each for each in every if each.name == name and each.type and each.type.id == type), None)
    shown = one_line(f"{type} connection {name!r}")
    if existing and if_exists == "reuse":
        log.info("Reusing %s, which exists: %s", shown, existing.id)
        return existing
    if existing and if_exists == "update":
        updated = yield from replace_settings(existing.id, configuration, **options)
        log.info("Updated %s, which existed: %s", shown, existing.id)
        return updated
    if existing and not attempts_before:
        raise AlreadyExists(f"{type} connection {name!r} exists already ({existing.id}); see if_exists")
    created = yield from send_once(
        connections.create(name, type, configuration, **options),
        key_facts=(*key_facts, "connection", type, name),
        attempts_before=attempts_before,
    )
    if existing and created.id != existing.id:
        yield from send(connections.delete(created.id))
        raise AlreadyExists(f"{type} connection {name!r} exists already ({existing.id}); see if_exists")
    log.info("Created %s: %s", shown, created.id)
    return created


def replace_settings(
    connection_id: str,
    configuration: Mapping[str, Any],
    *,
    name: str | None = None,
    policies: Sequence[str] | None = None,
    healthcheck_interval: str | None = None,
    validate: bool | None = None,
) -> Flow[Connection]:
    """Replace the configuration of a connection as a whole, and keep its other settings unless they are given.

    Log the settings that this clears. The API may not return ``healthcheck_interval``, which is then cleared, too.
    """
    before = yield from send(connections.get(connection_id))
    cleared = _cleared(before.configuration or {}, configuration)
    healthcheck_interval = healthcheck_interval or (before.model_extra or {}).get("healthcheck_interval")
    if cleared:
        log.warning("The update of connection %s clears: %s", connection_id, one_line(", ".join(cleared), 2000))
    if healthcheck_interval is None:
        log.info("The update of connection %s clears its healthcheck_interval, if it has one", connection_id)
    update = connections.update(
        connection_id,
        name=name or before.name or connection_id,
        configuration=configuration,
        type=before.type.id if before.type else None,
        policies=before.policies if policies is None else policies,
        healthcheck_interval=healthcheck_interval,
        validate=validate,
    )
    return (yield from send(update))


def _cleared(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the settings of ``before`` that ``after`` lacks, at any depth, as dotted names."""
    cleared: list[str] = []
    for name, old in sorted(before.items()):
        new = after.get(name)
        if name not in after and old not in (None, "", [], {}):
            cleared.append(f"{prefix}{name}")
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            cleared += _cleared(old, new, f"{prefix}{name}.")
    return cleared


def refresh(
    connection_id: str, *, timeout: float, poll_interval: float = 2.0, clock: Callable[[], float] = time.monotonic
) -> Flow[None]:
    """Refresh the schemas of a connection and wait for the end.

    The status may be ``fresh`` for a while after the request. So the refresh has ended when ``refreshing`` is over, or
    when the time of the last refresh has changed. The API does not document a failed refresh: log a warning if the
    status at the end is not ``fresh``.

    :param timeout: Seconds to wait for the end.
    :param poll_interval: Seconds between two status requests; default 2.
    :param clock: Return monotonic seconds; default ``time.monotonic``.
    :raises RefreshTimeout: If the refresh does not end in time.
    """
    deadline = clock() + timeout
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
        if clock() >= deadline:
            raise RefreshTimeout(f"its schemas are still {status.cache_status!r} after {timeout:.0f} s")
