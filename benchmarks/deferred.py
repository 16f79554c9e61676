"""Write deferred task instances and their triggers into Airflow's database: ``python -m benchmarks.deferred``."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Any

from benchmarks.systems import SYSTEMS

BUNDLE = "dags-folder"


def dag_id(system: str) -> str:
    """Return the id of the DAG whose only task is mapped to all waits of a system."""
    return f"waits_{system}"


def write(system: str, waits: int, interval: float) -> None:
    """Write a DAG run with a mapped task, each of whose task instances waits for a trigger.

    :param system: name of the system that creates the triggers
    :param waits: number of task instances
    :param interval: seconds between two polls of a trigger
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    create = SYSTEMS[system](interval).trigger
    with create_session() as session:
        task, first = _task_instance(dag_id(system), session)
        for number in range(waits):
            instance = TaskInstance(
                task,
                dag_version_id=first.dag_version_id,
                run_id=first.run_id,
                state=TaskInstanceState.DEFERRED,
                map_index=number,
            )
            instance.try_number = 1
            instance.next_method = "execute_complete"
            instance.trigger = Trigger.from_object(create(number, interval))
            session.add(instance)
        session.delete(first)


def _task_instance(id: str, session: Any) -> tuple[Any, Any]:
    """Write a DAG with one task, and a run of it; return the task and its instance."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.dagbag import DBDagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import LazyDeserializedDAG
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    with DAG(id, schedule=None) as dag:
        EmptyOperator(task_id="wait")
    DagBundlesManager().sync_bundles_to_db(session=session)
    session.flush()
    lazy = LazyDeserializedDAG.from_dag(dag)
    SerializedDAG.bulk_write_to_db(BUNDLE, None, [lazy], session=session)
    SerializedDagModel.write_dag(lazy, bundle_name=BUNDLE, session=session)
    session.flush()
    serialized = DBDagBag().get_latest_version_of_dag(id, session=session)
    assert serialized
    run = serialized.create_dagrun(
        run_id="run",
        run_after=datetime.now(timezone.utc),
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.RUNNING,
        session=session,
    )
    [instance] = run.get_task_instances(session=session)
    return serialized.get_task(instance.task_id), instance


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
