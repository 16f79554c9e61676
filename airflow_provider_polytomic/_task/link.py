"""Show the link from a task to its sync in Polytomic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from airflow_provider_polytomic._compat import push_xcom_in_trigger
from airflow_provider_polytomic._task.state import error_line, try_xcom_pull, try_xcom_push
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY

SETTINGS_XCOM_KEY = "polytomic_sync_settings"
"""Key of the XCom with the name of the sync and the settings that a process after a deferral needs."""

SYNC_XCOM_PREFIX = "polytomic_sync."
"""Beginning of the key of an XCom whose key names syncs, so that Airflow's list of XComs can be searched for them."""

MAX_XCOM_KEY_LENGTH = 512

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
    from airflow_provider_polytomic.executions import CompletedSince, Execution, ExecutionRef
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig


class LinkedTask:
    """Keep the URL, the name and the settings of a task's sync.

    An attribute is None until its value is known; an empty text says that there is none. Link, lineage and failure
    report share one request for the settings, also after a deferral.
    """

    _sync_action: str = "waited for"
    """Participle for the page in Airflow's UI: the task has started, canceled or waited for the sync."""

    _sync_url: str | None = None
    _sync_name: str | None = None
    _sync_label: str = ""
    """The name of the sync or, if that is not known, its id; the label of a mapped task may contain it."""

    _named_sync: str | None = None
    _resolved_name: str | None = None
    _found_sync: Sync | BulkSync | None = None


def found_sync(task: Any, sync_id: str) -> Sync | BulkSync | None:
    """Return the settings of a sync if they were requested for the task."""
    found: Sync | BulkSync | None = task._found_sync
    return found if found and found.id == sync_id else None


def sync_xcoms(action: str, targets: Iterable[ExecutionRef | CompletedSince]) -> dict[str, dict[str, str | None]]:
    """Return the XComs by which the page in Airflow's UI finds the tasks of syncs: ids of executions by sync, by key.

    A key names as many syncs as fit in it.

    :param action: what the task does with the syncs
    """
    prefix = f"{SYNC_XCOM_PREFIX}{action}."
    xcoms: list[dict[str, str | None]] = [{}]
    for target in targets:
        sync = f"{target.kind}:{quote(target.sync_id, safe='')}"
        if xcoms[-1] and len(prefix + ",".join((*xcoms[-1], sync))) > MAX_XCOM_KEY_LENGTH:
            xcoms.append({})
        xcoms[-1][sync] = getattr(target, "execution_id", None)
    return {prefix + ",".join(executions): executions for executions in xcoms if executions}


def read_sync_xcom_key(key: str) -> tuple[str, list[str]]:
    """Return the action and the syncs, each as kind and id, from the key of an XCom."""
    action, _, syncs = key.removeprefix(SYNC_XCOM_PREFIX).partition(".")
    return action, [unquote(sync) for sync in syncs.split(",")]


def link_url(client: AsyncPolytomicClient | PolytomicClient, target: ExecutionRef | CompletedSince) -> Flow[str | None]:
    """Return the URL of a sync; None if the Airflow connection has no template for it.

    :param client: a client with the settings of an Airflow connection
    """
    from airflow_provider_polytomic.hooks import _connection

    config: ConnectionConfig = client.config  # type: ignore[assignment]
    execution_id = getattr(target, "execution_id", None)
    return (yield from _connection.link_url(config, target.kind, target.sync_id, execution_id))


def push_link(
    task: BaseOperator,
    context: Context,
    client: PolytomicClient,
    target: ExecutionRef | CompletedSince,
    *others: ExecutionRef | CompletedSince,
    named: bool = True,
) -> None:
    """Push the URL, the name and the settings of a sync to XCom, where a process after a deferral reads them.

    An empty text stands for none: Airflow 3 logs an error where an XCom that is read does not exist.

    :param others: further executions that the task waits for
    :param named: whether to request the name, if the task does not have it yet
    """
    from airflow_provider_polytomic.api.redaction import one_line
    from airflow_provider_polytomic.executions.names import find_sync, name_of

    sync: Any = task
    url = client.run(link_url(client, target)) or ""
    name = sync._sync_name
    if name is None or sync._named_sync not in (None, target.sync_id):
        name = ""
    if named and not name and sync._named_sync != target.sync_id:
        sync._found_sync = found_sync(sync, target.sync_id) or client.run(find_sync(target.kind, target.sync_id))
        name = name_of(sync._found_sync, client.config.secrets) or sync._resolved_name or ""
    refused = try_xcom_push(context["ti"], LINK_XCOM_KEY, url)
    settings = _settings_xcom(target, name, found_sync(sync, target.sync_id), client.config.secrets)
    try_xcom_push(context["ti"], SETTINGS_XCOM_KEY, settings)
    for key, executions in sync_xcoms(sync._sync_action, (target, *others)).items():
        try_xcom_push(context["ti"], key, executions)
    sync._sync_url, sync._sync_name, sync._named_sync = url, name, target.sync_id if named else None
    sync._sync_label = name or target.sync_id
    _add_label(context, sync._sync_label)
    if url and refused:
        task.log.info("In Polytomic: %s", one_line(url, 2000))


def _add_label(context: Any, label: str) -> None:
    """Add the label to the context, where ``map_index_template`` reads it."""
    context["sync_name"] = label


def _settings_xcom(
    target: ExecutionRef | CompletedSince, name: str, found: Sync | BulkSync | None, secrets: Sequence[str | None]
) -> dict[str, Any]:
    from airflow_provider_polytomic.executions.kept_settings import select_settings

    settings = select_settings(found, secrets)
    return {"kind": target.kind, "sync_id": target.sync_id, "name": name, "settings": settings}


async def push_link_in_trigger(
    task_instance: Any, client: AsyncPolytomicClient, target: ExecutionRef | CompletedSince
) -> str | None:
    """Push the URL, the name and the settings of a sync to XCom from a trigger, and return the name."""
    from airflow_provider_polytomic.executions.names import find_sync, name_of

    url, secrets = await client.run(link_url(client, target)), client.config.secrets
    found = await client.run(find_sync(target.kind, target.sync_id))
    name = name_of(found, secrets)
    settings = await asyncio.to_thread(_settings_xcom, target, name or "", found, secrets)
    xcoms: dict[str, Any] = {LINK_XCOM_KEY: url or "", SETTINGS_XCOM_KEY: settings}
    xcoms |= sync_xcoms(LinkedTask._sync_action, [target])
    for key, value in xcoms.items():
        try:
            await push_xcom_in_trigger(task_instance, key, storable(value, f"XCom {key}"))
        except Exception as error:
            log.warning("Could not push XCom %s: %s", key, error_line(error))
    return name


def restore_link(task: BaseOperator, context: Context) -> None:
    """Read the URL, the name and the settings that the process before a deferral has pushed."""
    from airflow_provider_polytomic.executions.kept_settings import read_settings

    sync: Any = task
    if sync._sync_url is None:
        sync._sync_url = _text(try_xcom_pull(context["ti"], LINK_XCOM_KEY))
        kept = try_xcom_pull(context["ti"], SETTINGS_XCOM_KEY)
        kept = kept if isinstance(kept, dict) else {}
        sync._sync_name = _text(kept.get("name"))
        sync_id = _text(kept.get("sync_id"))
        sync._sync_label = sync._sync_name or sync_id
        sync._named_sync = sync_id if sync._sync_name else None
        sync._found_sync = read_settings(kept.get("kind"), kept.get("settings"))
    if sync._sync_label:  # ``dag.test()`` of Airflow 2 keeps the attributes, but not the context.
        _add_label(context, sync._sync_label)


def _text(value: Any) -> str:
    """Return a text from XCom; "" for anything else, which a custom XCom backend may return."""
    return value if isinstance(value, str) else ""


def with_link(context: Context, execution: Execution) -> Execution:
    """Return the execution with the URL and the name that this attempt has pushed, if there are any."""
    sync: Any = context["task"]
    restore_link(sync, context)
    return replace(execution, url=sync._sync_url or None, sync_name=sync._sync_name or execution.sync_name)
