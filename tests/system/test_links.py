"""The link to the sync in the responses of Airflow's REST API, before and after the execution ends."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("dag_id", ["model_worker_plain", "bulk_deferred_plain", "sensor_deferred"])
def test_the_link_exists_while_the_sync_runs_and_after(run_dag, emulator, cluster, dag_id):
    run = run_dag(dag_id, before=emulator.start if "sensor" in dag_id else None)

    def links() -> dict[str, str | None]:
        return cluster.extra_links(run.dag_id, run.run_id, "sync")

    run.wait_until(lambda: links().get("Polytomic sync"), "link")
    [execution] = run.executions
    kind = "bulk" if dag_id.startswith("bulk") else "model"
    url = f"{emulator.url}/org/{emulator.organization_id}/{kind}/{run.sync_id}?run={execution.id}"
    assert links() == {"Polytomic sync": url}
    assert execution.status != "completed"
    run.wait_for_state("running" if "worker" in dag_id else "deferred")
    assert links() == {"Polytomic sync": url}
    run.finish()
    run.wait_for_state("success")
    assert links() == {"Polytomic sync": url}
    assert run.xcom()["url"] == url
