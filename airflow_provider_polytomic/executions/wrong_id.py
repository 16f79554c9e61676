"""Advice on a refused id that is not the id of the expected kind of sync, or no longer that of a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from airflow_provider_polytomic.api import entities
from airflow_provider_polytomic.api.errors import (
    PolytomicError,
    PolytomicNotFoundError,
    PolytomicPermissionError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.flow import Flow, send
from airflow_provider_polytomic.api.redaction import one_line
from airflow_provider_polytomic.executions.kinds import MAX_ID_LENGTH, sync_kind
from airflow_provider_polytomic.results import SyncKindName

T = TypeVar("T")

ENTITY_TIMEOUT = 3.0
"""Seconds for the request of an object's type, without which the refusal is reported as it is."""

CHOICES_OF_KIND: dict[SyncKindName, str] = {"model": "kind='model'", "bulk": "kind='bulk'"}
"""The advice for callers that take the kind of the sync as a parameter."""

REFUSALS_OF_AN_ID = (PolytomicNotFoundError, PolytomicPermissionError, PolytomicValidationError)
"""Responses to a request with the id of another object; the API documents none."""

_SYNC_KINDS: dict[str, SyncKindName] = {"sync": "model", "bulk_sync": "bulk"}
_EXECUTION_KINDS: dict[str, SyncKindName] = {"sync_execution": "model", "bulk_sync_execution": "bulk"}
_OTHER_TYPES = ("model", "connection", "organization", "user", "harbor", "harbor_context")


def with_advice_on_id(flow: Flow[T], kind: SyncKindName, sync_id: str, choices: Mapping[SyncKindName, str]) -> Flow[T]:
    """Run a flow about a sync; if it is refused, set the advice of the error if the id is that of another object.

    :param kind: kind of sync that the id is taken for
    :param choices: what to use for each kind of sync, such as the class of the operator
    """
    try:
        return (yield from flow)
    except REFUSALS_OF_AN_ID as error:
        error.advice = yield from advice_on_id(kind, sync_id, choices)
        raise


def with_advice_on_name(flow: Flow[T]) -> Flow[T]:
    """Run a flow about a sync whose name an attempt has resolved; if the sync is gone, set the advice of the error."""
    try:
        return (yield from flow)
    except PolytomicNotFoundError as error:
        if "/executions/" not in error.path:
            error.advice = "clear the task, which then resolves the name again"
        raise


def advice_on_id(kind: SyncKindName, sync_id: str, choices: Mapping[SyncKindName, str]) -> Flow[str | None]:
    """Ask Polytomic once what an id stands for; return what to use instead, or None if that is not known.

    :param kind: kind of sync that the id was taken for
    :param choices: what to use for each kind of sync, such as the class of the operator
    """
    call = entities.get(sync_id).with_timeout(ENTITY_TIMEOUT).without_retries()
    try:
        entity = yield from send(call)
    except PolytomicError:
        return None
    if (entity.id or "").casefold() != sync_id.casefold():
        return None
    type, label = entity.type or "", sync_kind(kind).label
    if type in _SYNC_KINDS:
        found = _SYNC_KINDS[type]
        return None if found == kind else f"use {choices[found]}, since the id is that of a {sync_kind(found).label}"
    if type in _EXECUTION_KINDS:
        found = _EXECUTION_KINDS[type]
        parent = entity.relationships.get("sync" if found == "model" else "bulk_sync")
        its_sync = (
            f"the id of its sync ({one_line(parent.id, MAX_ID_LENGTH)})"
            if parent and parent.id
            else "the id of its sync"
        )
        instead = its_sync if found == kind else f"{choices[found]} with {its_sync}"
        return f"use {instead}, since the id is that of an execution of a {sync_kind(found).label}"
    if type in _OTHER_TYPES:
        article = "an" if type == "organization" else "a"
        return f"use the id of a {label}, since the id is that of {article} {type.replace('_', ' ')}"
    return None
