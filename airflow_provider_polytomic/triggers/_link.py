"""Where a person finds in Polytomic what a trigger waits for, where no worker has written it down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import push_xcom_in_trigger
from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import AsyncPolytomicClient
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig
    from airflow_provider_polytomic.runs import Completion, Run


async def address_for(client: AsyncPolytomicClient, awaited: Run | Completion) -> str | None:
    """Return the address; None where the connection has no template of it.

    :param client: one whose settings are those of an Airflow connection
    """
    from airflow_provider_polytomic.api.address import address_of

    config: ConnectionConfig = client.config  # type: ignore[assignment]
    template = config.link_template_of(awaited.kind)
    if not template:
        return None
    execution_id = getattr(awaited, "execution_id", None)
    return await client.run(address_of(template, config, awaited.kind, awaited.sync_id, execution_id))


async def show_link(task_instance: Any, client: AsyncPolytomicClient, awaited: Run | Completion) -> None:
    """Write the address where the link and the worker read it, if there is one."""
    url = await address_for(client, awaited)
    if url:
        await push_xcom_in_trigger(task_instance, LINK_XCOM_KEY, url)
