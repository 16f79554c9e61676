"""Status and counts of an execution by plan, time, cancel request and forced end, without HTTP."""

from __future__ import annotations

import math

import pytest

from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.plans import Plan

SCHEMAS = [
    {"id": "contact", "duration": 5, "records": 100},
    {"id": "account", "duration": 10, "records": 50, "errors": 4, "outcome": "failed", "message": "no access"},
]


def model(**plan) -> Execution:
    return Execution("e", "s", "model", Plan().with_changes(plan), created_at=0, type="manual")


def bulk(**plan) -> Execution:
    return Execution("e", "s", "bulk", Plan().with_changes({"schemas": SCHEMAS, **plan}), created_at=0, type="manual")


def statuses(execution: Execution, *times: float) -> list[str]:
    return [execution.status(at) for at in times]


def test_runs_from_created_to_completed():
    assert statuses(model(duration=10), 0, 0.9, 1, 9.9, 10, 99) == [
        "created",
        "created",
        "running",
        "running",
        "completed",
        "completed",
    ]


@pytest.mark.parametrize(
    "plan",
    [
        {"outcome": "failed"},
        {"outcome": "interrupted"},
        {"outcome": "a_future_status", "unknown_statuses": ["a_future_status"]},
    ],
)
def test_ends_with_its_outcome(plan):
    execution, outcome = model(duration=10, **plan), plan["outcome"]
    assert statuses(execution, 9, 10) == ["running", outcome]
    assert execution.completed_at(10) == 10


def test_shows_the_statuses_of_its_plan():
    execution = model(duration=10, statuses=[["queued", 0], ["running", 3], ["interrupted", 5], ["running", 7]])
    assert statuses(execution, 0, 2, 3, 5, 7, 10) == [
        "queued",
        "queued",
        "running",
        "interrupted",
        "running",
        "completed",
    ]
    assert (execution.started_at(2), execution.started_at(3)) == (None, 3)
    assert execution.completed_at(5) is None


def test_an_infinite_duration_never_ends():
    execution = model(duration=math.inf)
    assert statuses(execution, 0, 1e9) == ["created", "running"]


def test_ends_at_once_without_duration():
    assert statuses(model(duration=0), 0) == ["completed"]
    assert model(duration=0).counts(0)["total"] == 100


def test_counts_grow_while_it_runs():
    execution = model(duration=11, statuses=[["created", 0], ["running", 1]], counts={"total": 100, "error": 10})
    assert [execution.counts(at)["total"] for at in (0, 1, 6, 11, 99)] == [0, 0, 50, 100, 100]
    assert execution.counts(6)["error"] == 5
    assert execution.counts(99)["insert"] == 0


def test_errors_show_at_the_end():
    execution = model(duration=10, errors=["boom"])
    assert (execution.errors(9), execution.errors(10)) == ((), ("boom",))


def test_cancel_takes_a_while_and_keeps_what_was_done():
    execution = model(duration=11, statuses=[["running", 1]], counts={"total": 100}, cancel_takes=2, errors=["boom"])
    execution.request_cancel(4)
    assert statuses(execution, 4, 5.9, 6, 20) == ["canceling", "canceling", "canceled", "canceled"]
    assert execution.counts(20)["total"] == 50
    assert execution.errors(20) == ()


def test_a_second_cancel_does_not_postpone_the_end():
    execution = model(duration=100, cancel_takes=2)
    execution.request_cancel(4)
    execution.request_cancel(5)
    assert execution.status(6) == "canceled"
    assert execution.cancel_requests == 2


def test_a_cancel_may_end_completed():
    execution = model(duration=100, cancel_takes=2, cancel_ends="completed", counts={"total": 100})
    execution.request_cancel(4)
    assert statuses(execution, 5, 6) == ["canceling", "completed"]
    assert execution.counts(6)["total"] == 100


def test_canceled_before_it_worked_has_not_started():
    execution = model(duration=100, statuses=[["created", 0], ["running", 50]], cancel_takes=1)
    execution.request_cancel(2)
    assert execution.started_at(99) is None
    assert execution.completed_at(99) == 3


def test_finish_ends_it_now():
    execution = model(duration=100)
    execution.finish(5, "failed", ("gone",))
    assert (execution.status(5), execution.errors(5), execution.completed_at(5)) == ("failed", ("gone",), 5)
    with pytest.raises(ValueError, match="already ended"):
        execution.finish(6, "completed")


def test_an_execution_can_queue_behind_another():
    first = model(duration=10)
    second = Execution(
        "f", "s", "model", Plan().with_changes({"duration": 10}), created_at=2, type="manual", queued_behind=first
    )
    assert statuses(second, 2, 9.9, 10, 11, 20) == ["queued", "queued", "created", "running", "completed"]
    first.request_cancel(3)
    assert second.begins_at == 5


def test_bulk_status_sums_up_its_schemas():
    execution = bulk()
    assert statuses(execution, 0, 5, 9.9, 10) == ["created", "running", "running", "errors"]
    assert [each.status for each in execution.schemas(5)] == ["completed", "running"]
    assert [each.status for each in execution.schemas(10)] == ["completed", "failed"]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["completed", "completed"], "completed"),
        (["failed", "failed"], "failed"),
        (["completed", "failed"], "errors"),
        (["completed", "interrupted"], "errors"),
    ],
)
def test_bulk_outcome(outcomes, expected):
    schemas = [{"id": str(number), "outcome": outcome} for number, outcome in enumerate(outcomes)]
    assert bulk(schemas=schemas).status(99) == expected


def test_bulk_outcome_of_the_plan_wins():
    assert bulk(outcome="failed").status(99) == "failed"


def test_bulk_message_is_that_of_the_failed_schema_unless_planned():
    assert bulk().message(9) is None
    assert bulk().message(10) == "no access"
    assert bulk(message="planned").message(10) == "planned"


def test_each_schema_counts_by_its_own_duration():
    contact, account = bulk(statuses=[["running", 0]]).schemas(5)
    assert (contact.records, contact.completed_at) == (100, 5)
    assert (account.records, account.errors, account.message, account.completed_at) == (25, 2, None, None)


def test_bulk_cancel_leaves_finished_schemas_alone():
    execution = bulk(cancel_takes=1, statuses=[["running", 0]])
    execution.request_cancel(6)
    assert [each.status for each in execution.schemas(6.5)] == ["completed", "running"]
    assert [each.status for each in execution.schemas(7)] == ["completed", "canceled"]
    assert [each.records for each in execution.schemas(99)] == [100, 35]


def test_bulk_plan_of_some_schemas():
    plan = Plan().with_changes({"schemas": [*SCHEMAS, {"id": "off", "enabled": False}]})
    assert [each.id for each in plan.with_schemas([]).schemas] == ["contact", "account"]
    assert [each.id for each in plan.with_schemas(["off"]).schemas] == ["off"]


def test_test_run_moves_five_records_a_schema():
    plan = Plan().with_changes({"schemas": [{"id": "a", "records": 100}, {"id": "b", "records": 2}]}).as_test()
    assert [each.records for each in plan.schemas] == [5, 2]


@pytest.mark.parametrize(("value", "counts"), [("whole", (9, 8)), ("few", (5, 5)), ("nothing", (0, 0))])
def test_test_run_of_a_model_sync(value, counts):
    plan = Plan().with_changes({"counts": {"total": 9, "insert": 8}}).as_test(value)
    assert (plan.counts["total"], plan.counts["insert"]) == counts


@pytest.mark.parametrize("word", ["interrupted", "errors"])
def test_an_execution_that_resumes(word):
    schemas = [{"id": "a"}, {"id": "b", "duration": 4, "outcome": "failed"}]
    plan = Plan().with_changes({"duration": 10, "outcome": word, "schemas": schemas})
    assert plan.resumed("ends", "ends") == plan
    values = ("resumes", "ends") if word == "interrupted" else ("ends", "resumes")
    assert plan.resumed(*reversed(values)) == plan
    execution = Execution("e", "s", "bulk", plan.resumed(*values), created_at=0, type="manual")
    assert [execution.status(at) for at in (9.9, 10, 19.9, 20)] == ["running", word, word, "completed"]
    assert execution.completed_at(19.9) is None
    assert [each.status for each in execution.schemas(20)] == ["completed", "completed"]


@pytest.mark.parametrize("changes", [{"durration": 1}, {"counts": {"totl": 1}}])
def test_a_misspelled_plan_is_refused(changes):
    with pytest.raises(ValueError, match="has no"):
        Plan().with_changes(changes)
