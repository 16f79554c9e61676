"""Show the link from a task to its sync in Polytomic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import push_xcom_in_trigger
from airflow_provider_polytomic._task.state import try_xcom_pull, try_xcom_push
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicClient
    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import CompletedSince, Execution, ExecutionRef
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig


def link_url(client: AsyncPolytomicClient | PolytomicClient, target: ExecutionRef | CompletedSince) -> Flow[str | None]:
    """Return the URL of a sync; None if the Airflow connection has no template for it.

    :param client: a client with the settings of an Airflow connection
    """
    from airflow_provider_polytomic.hooks import _connection

    config: ConnectionConfig = client.config  # type: ignore[assignment]
    execution_id = getattr(target, "execution_id", None)
    return (yield from _connection.link_url(config, target.kind, target.sync_id, execution_id))


def push_link(
    task: BaseOperator, context: Context, client: PolytomicClient, target: ExecutionRef | CompletedSince
) -> None:
    """Push the URL of a sync to XCom, where the link, the result and the failure report read it."""
    from airflow_provider_polytomic.api.redaction import one_line

    url = client.run(link_url(client, target))
    if url and not try_xcom_push(context["ti"], LINK_XCOM_KEY, url):
        task.log.info("In Polytomic: %s", one_line(url, 2000))


async def push_link_in_trigger(
    task_instance: Any, client: AsyncPolytomicClient, target: ExecutionRef | CompletedSince
) -> None:
    """Push the URL of a sync to XCom from a trigger."""
    url = await client.run(link_url(client, target))
    if url:
        await push_xcom_in_trigger(task_instance, LINK_XCOM_KEY, storable(url, "the link"))


def with_link(context: Context, execution: Execution) -> Execution:
    """Return the execution with the URL that this attempt has pushed, if there is one."""
    url = try_xcom_pull(context["ti"], LINK_XCOM_KEY)
    return replace(execution, url=url) if url else execution
