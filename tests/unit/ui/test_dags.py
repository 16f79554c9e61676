"""The DAGs and tasks of a sync, as Airflow shows them to the person who looks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_polytomic._task.link import sync_xcoms
from airflow_provider_polytomic.executions import ExecutionRef

NOW = datetime.now(timezone.utc)
HOUR = timedelta(hours=1)
XCOMS = "dags/~/dagRuns/~/taskInstances/~/xcomEntries"


def xcom(sync, dag_id, run_after, *others, action="started", task_id="run", run_id=None, map_index=-1, delay=60):
    [key] = sync_xcoms(action, [ExecutionRef(each.kind, each.id, "an execution") for each in (sync, *others)])
    return {
        "key": key,
        "dag_id": dag_id,
        "task_id": task_id,
        "run_id": run_id or f"scheduled__{run_after.isoformat()}",
        "map_index": map_index,
        "timestamp": (run_after + timedelta(seconds=delay)).isoformat(),
        "run_after": run_after.isoformat(),
    }


@pytest.fixture
def airflow(server):
    """Return a function that says what Airflow lists."""

    def airflow(xcoms=(), assets=(), **dags):
        lists = {XCOMS: page("xcom_entries", xcoms), "assets": page("assets", assets)}
        for dag_id, (dag, last_run) in dags.items():
            runs = [{"run_after": last_run.isoformat()}] if last_run else []
            lists |= {f"dags/{dag_id}": dag, f"dags/{dag_id}/dagRuns": {"dag_runs": runs}}
        server.lists = lists

    return airflow


def page(name, rows):
    def answer(request):
        query = request.query_params
        offset, limit = int(query["offset"]), int(query["limit"])
        since = query.get("run_after_gte")
        found = [row for row in rows if not since or row["run_after"] >= since]
        return {name: found[offset : offset + limit], "total_entries": len(found)}

    return answer


@pytest.fixture
def sync(server, emulator):
    sync = emulator.add_model_sync(name="Orders")
    server.wait_for_syncs(lambda answer: answer["rows"])
    return sync


def of(server, sync):
    return server.get("connections/polytomic_default/dags").json()["syncs"].get(f"{sync.kind}:{sync.id}")


def test_a_row_names_the_tasks_that_have_left_their_xcom(server, airflow, sync):
    xcoms = [
        xcom(sync, "crm", NOW - 2 * HOUR),
        xcom(sync, "crm", NOW - HOUR),
        xcom(sync, "report", NOW - HOUR, action="waited for", task_id="group.wait", run_id="manual/1", map_index=3),
    ]
    airflow(xcoms, crm=({}, None))
    tasks = of(server, sync)["tasks"]
    assert [(each["dag_id"], each["task_id"]) for each in tasks] == [("crm", "run"), ("report", "group.wait")]
    run_id = xcoms[1]["run_id"].replace(":", "%3A").replace("+", "%2B")
    assert tasks[0]["url"] == f"../dags/crm/runs/{run_id}/tasks/run"
    assert tasks[1]["url"] == "../dags/report/runs/manual%2F1/tasks/group.wait/mapped/3"


def test_a_task_that_waits_for_several_syncs_is_in_the_row_of_each(server, emulator, airflow, sync):
    other = emulator.add_bulk_sync(name="Events")
    airflow([xcom(sync, "report", NOW - HOUR, other, action="waited for", task_id="wait", run_id="manual")])
    for each in (sync, other):
        assert [task["task_id"] for task in of(server, each)["tasks"]] == ["wait"]


def test_a_row_names_the_dags_of_its_asset(server, airflow, sync):
    asset = {
        "uri": f"polytomic://app.polytomic.com/model/{sync.id}",
        "producing_tasks": [{"dag_id": "crm", "task_id": "run"}],
        "scheduled_dags": [{"dag_id": "report"}],
    }
    airflow(assets=[asset, {"uri": "polytomic://other"}])
    assert [(each["dag_id"], each["task_id"]) for each in of(server, sync)["tasks"]] == [("crm", "run"), ("report", "")]


def test_details_have_the_runs_and_what_the_tasks_did(server, airflow, sync):
    airflow([xcom(sync, "crm", NOW - HOUR, run_id="manual"), xcom(sync, "stop", NOW, action="canceled", run_id="m2")])
    answer = server.get(f"connections/polytomic_default/syncs/model/{sync.id}").json()
    assert [(each["action"], each["dag_id"], each["run_id"]) for each in answer["tasks"]] == [
        ("canceled", "stop", "m2"),
        ("started", "crm", "manual"),
    ]


def test_details_have_the_dag_runs_that_events_of_the_asset_have_created(server, airflow, sync):
    airflow(
        [xcom(sync, "crm", NOW - 2 * HOUR, run_id="manual")],
        assets=[{"id": 7, "uri": f"polytomic://app.polytomic.com/model/{sync.id}"}],
    )
    runs = [{"dag_id": "report", "run_id": f"asset_triggered__{n}"} for n in range(2)]
    events = [(NOW, runs), (NOW - HOUR, runs[:1]), (NOW - 3 * HOUR, [])]
    server.lists["assets/events"] = lambda request: {
        "asset_events": [{"timestamp": at.isoformat(), "created_dagruns": created} for at, created in events]
        if request.query_params["asset_id"] == "7"
        else []
    }
    tasks = server.get(f"connections/polytomic_default/syncs/model/{sync.id}").json()["tasks"]
    assert [(each["action"], each["dag_id"], each["run_id"]) for each in tasks] == [
        ("triggered", "report", "asset_triggered__0"),
        ("triggered", "report", "asset_triggered__1"),
        ("started", "crm", "manual"),
    ]
    assert tasks[0]["run_url"] == "../dags/report/runs/asset_triggered__0"


def test_a_task_that_names_its_sync_twice_is_in_the_details_once(server, airflow, sync):
    airflow([xcom(sync, "report", NOW, action="waited for", run_id="manual", delay=delay) for delay in (1, 60)])
    answer = server.get(f"connections/polytomic_default/syncs/model/{sync.id}").json()
    assert len(answer["tasks"]) == 1


def test_tasks_are_shown_without_assets_that_the_person_may_not_read_and_dags_that_are_gone(server, airflow, sync):
    airflow([xcom(sync, "deleted", NOW - HOUR)])
    del server.lists["assets"]
    assert [each["dag_id"] for each in of(server, sync)["tasks"]] == ["deleted"]


def test_airflow_is_asked_with_the_rights_of_the_person_who_looks(server, airflow, sync):
    airflow()
    of(server, sync)
    assert {user for _, user in server.requests} == {"reader"}


def test_what_one_person_may_see_is_not_shown_to_another(server, airflow, sync):
    airflow([xcom(sync, "crm", NOW, run_id="manual")])
    assert of(server, sync)["tasks"]
    server.lists = {}
    server.client.headers["Authorization"] = "Bearer reader"
    assert of(server, sync) is None


def test_requests_of_one_person_share_what_airflow_tells(server, airflow, sync):
    airflow([xcom(sync, "crm", NOW, run_id="manual")])
    tasks = of(server, sync)
    sent = len(server.requests)
    assert of(server, sync) == tasks
    assert len(server.requests) == sent


def test_the_syncs_are_shown_without_their_dags_if_airflow_does_not_answer(server, sync):
    assert server.get("connections/polytomic_default/dags").json() == {"syncs": {}}
    answer = server.get(f"connections/polytomic_default/syncs/model/{sync.id}").json()
    assert "404" in answer["tasks_problem"]


def test_a_shorter_period_is_listed_where_many_tasks_have_run(server, airflow, sync):
    xcoms = [xcom(sync, f"dag_{n}", NOW - 3 * 24 * HOUR, run_id="manual") for n in range(1001)]
    airflow([*xcoms, xcom(sync, "recent", NOW - HOUR, run_id="manual")])
    assert [each["dag_id"] for each in of(server, sync)["tasks"]] == ["recent"]
    assert len(server.requests) <= 4


def test_as_many_tasks_and_assets_as_possible_are_listed_where_there_are_too_many(server, airflow, sync):
    assets = [{"uri": f"polytomic://host/model/{n}", "scheduled_dags": [{"dag_id": "other"}]} for n in range(1001)]
    assets[-2]["uri"] = f"polytomic://host/model/{sync.id}"
    airflow([xcom(sync, f"dag_{n}", NOW - HOUR, run_id="manual") for n in range(1001)], assets)
    answer = server.get(f"connections/polytomic_default/syncs/model/{sync.id}").json()
    assert len(answer["tasks"]) == 20
    assert len([path for path, _ in server.requests if path == XCOMS]) == 13
    assert len([path for path, _ in server.requests if path == "assets"]) == 10


def test_a_sync_is_late_if_the_run_of_its_dag_has_not_started_it(server, airflow, sync):
    due = NOW - HOUR
    airflow(
        [xcom(sync, "crm", NOW - 25 * HOUR, delay=600)], crm=({"next_dagrun_run_after": (NOW + HOUR).isoformat()}, due)
    )
    late = of(server, sync)["late"]
    assert late == {"dag_id": "crm", "since": (due + timedelta(minutes=20)).isoformat()}


def test_a_sync_is_late_if_the_next_run_of_its_dag_is_not_created(server, airflow, sync):
    due = NOW - HOUR
    airflow([xcom(sync, "crm", NOW - 2 * HOUR)], crm=({"next_dagrun_run_after": due.isoformat()}, NOW - 2 * HOUR))
    assert of(server, sync)["late"]["since"] == (due + timedelta(minutes=11)).isoformat()


@pytest.mark.parametrize("reason", ["paused", "manual", "waits only", "in time", "has run"])
def test_a_sync_is_not_late_by_a_dag(server, emulator, airflow, sync, reason):
    due = datetime.now(timezone.utc) - timedelta(minutes=5) if reason == "in time" else NOW - HOUR
    if reason == "has run":
        emulator.finish(emulator.start(sync.id).id, "failed")
        server.wait_for_syncs(lambda answer: answer["rows"][0]["executions"], f"model:{sync.id}")
    more = {"manual": {"run_id": "manual"}, "waits only": {"action": "waited for"}}.get(reason, {})
    airflow([xcom(sync, "crm", NOW - 25 * HOUR, **more)], crm=({"is_paused": reason == "paused"}, due))
    assert of(server, sync)["late"] is None
