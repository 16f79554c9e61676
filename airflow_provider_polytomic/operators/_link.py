"""Where a person finds the execution of a task in Polytomic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_polytomic.links.syncs import LINK_XCOM_KEY

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig
    from airflow_provider_polytomic.runs import Completion, Execution, Run
    from airflow_provider_polytomic.runs.freshness import Freshness


def show_link(
    task: BaseOperator, context: Context, client: PolytomicClient, awaited: Run | Completion | Freshness
) -> None:
    """Write the address where the link, the result and the report read it; nothing, where it is not known.

    :param client: one whose settings are those of an Airflow connection
    """
    from airflow_provider_polytomic.api.address import address_of

    config: ConnectionConfig = client.config  # type: ignore[assignment]
    template = config.link_template_of(awaited.kind)
    if not template:
        return
    execution_id = getattr(awaited, "execution_id", None)
    url = client.run(address_of(template, config, awaited.kind, awaited.sync_id, execution_id))
    if url:
        context["ti"].xcom_push(key=LINK_XCOM_KEY, value=url)
        task.log.info("In Polytomic: %s", url)


def linked(context: Context, execution: Execution) -> Execution:
    """Return the execution with its address, where this attempt has written one."""
    ti = context["ti"]
    url = ti.xcom_pull(task_ids=ti.task_id, key=LINK_XCOM_KEY, map_indexes=ti.map_index)
    return replace(execution, url=url) if url else execution
