"""Read the status of many bulk syncs, and adapt the size of batches."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_polytomic.api.errors import (
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
    class_of_status,
)
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.syncs import BulkSyncSummary
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.executions.poller.batch import BATCH_GROWTH_INTERVAL, BATCH_TIMEOUT, MAX_SYNCS, Batch

OWNED = ExecutionRef("bulk", "sync", "owned")


def shown(status: str | None, *schemas: tuple[str | None, str | None], sync_id: str = "sync", count: int = 7) -> Any:
    rows = [
        {"schema": str(place), "execution_id": execution_id, "status": word, "record_count": count}
        for place, (execution_id, word) in enumerate(schemas)
    ]
    return BulkSyncSummary(sync_id=sync_id, status=status, schemas=rows)


def ask(batch: Batch, runs: list[ExecutionRef], *rows: BulkSyncSummary) -> Any:
    polling = batch.running(runs)
    call = next(polling)
    assert (call.path, call.repeatable, call.timeout) == ("/api/bulk/syncs/status", False, BATCH_TIMEOUT)
    with pytest.raises(StopIteration) as stop:
        polling.send(call.convert(Page[BulkSyncSummary](data=list(rows))))
    return stop.value.value


@pytest.mark.parametrize(
    "row",
    [
        shown("running", ("owned", "running")),
        shown("running", ("owned", "completed"), ("owned", "exporting")),
        shown("running", ("owned", "running"), ("before", "completed")),
        shown("scheduled", ("owned", "created"), ("owned", "created")),
        shown("a new word", ("owned", "another new word")),
    ],
)
def test_shown_running(row: BulkSyncSummary):
    running = ask(Batch(), [OWNED], row)
    assert running[OWNED].id == "owned"
    assert running[OWNED].status == row.status
    assert running[OWNED].counts["total"] == 7 * len(running[OWNED].schemas)


@pytest.mark.parametrize(
    "row",
    [
        shown("completed", ("owned", "completed")),
        shown("failed", ("owned", "running")),
        shown("running"),
        shown(None, ("owned", "running")),
        shown("running", ("owned", "completed")),
        shown("running", (None, "running")),
        shown("running", ("next", "running")),
        shown("running", ("next", "running"), ("owned", "running")),
        shown("running", ("next", "created"), ("owned", "completed")),
        shown("running", ("owned", "running"), sync_id="another"),
    ],
)
def test_not_certainly_running(row: BulkSyncSummary):
    assert ask(Batch(), [OWNED], row) == {}


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63)])
def test_the_numbers_of_its_schemas_are_added_up_within_64_bits(count: int):
    row = shown("running", ("owned", "running"), ("owned", "running"), count=count)
    assert ask(Batch(), [OWNED], row)[OWNED].counts["total"] == count


def test_two_executions_of_one_sync():
    after = ExecutionRef("bulk", "sync", "after")
    assert list(ask(Batch(), [OWNED, after], shown("running", ("after", "running")))) == [after]


def test_each_sync_is_named_once():
    call = next(Batch().running([OWNED, ExecutionRef("bulk", "sync", "after"), ExecutionRef("bulk", "b", "c")]))
    assert call.query == (("sync_id", "sync"), ("sync_id", "b"))


def test_syncs_with_many_schemas_are_asked_for_in_smaller_batches():
    batch = Batch()
    many = [("owned", "running")] * 200
    ask(batch, [OWNED], shown("running", *many))
    assert batch.size == 5
    ask(batch, [OWNED], shown("running", ("owned", "running")))
    assert batch.size == MAX_SYNCS


def test_batches_pause_after_two_refusals_in_a_row():
    batch, refusal = Batch(), class_of_status(403)(403, method="GET", path="/")
    batch.failed(refusal, 50, now=0.0)
    assert batch.usable(1.0)
    ask(batch, [OWNED], shown("running"))
    batch.failed(refusal, 50, now=2.0)
    assert batch.usable(3.0)
    batch.failed(refusal, 50, now=4.0)
    assert not batch.usable(5.0)
    assert batch.usable(305.0)
    assert batch.size == MAX_SYNCS


@pytest.mark.parametrize(
    "error",
    [
        *(class_of_status(status)(status, method="GET", path="/") for status in (400, 413, 414, 422, 431)),
        PolytomicResponseError("cannot be used: it is larger than 16 MiB", method="GET", path="/", is_json=True),
    ],
)
def test_a_batch_that_may_be_too_large_becomes_smaller(error: PolytomicError):
    batch = Batch()
    for _ in range(10):
        batch.failed(error, batch.size, now=0.0)
    assert batch.size == 1
    assert not batch.usable(BATCH_GROWTH_INTERVAL - 1), "one by one is what it is instead of"
    sizes = []
    for hour in range(1, 8):
        assert batch.usable(hour * BATCH_GROWTH_INTERVAL)
        assert batch.usable(hour * BATCH_GROWTH_INTERVAL + 1)
        sizes.append(batch.size)
    assert sizes == [2, 4, 8, 16, 32, 50, 50]


@pytest.mark.parametrize(
    "error",
    [
        PolytomicTransportError("reset", method="GET", path="/", sent=True),
        PolytomicResponseError("cut short", method="GET", path="/"),
        class_of_status(500)(500, method="GET", path="/"),
    ],
)
def test_an_unanswered_batch_counts_as_refused_if_single_polls_are_answered(error: PolytomicError):
    batch = Batch()
    for _ in range(5):
        batch.failed(error, 50, now=0.0)
    assert batch.usable(1.0)
    batch.single_answered(2.0)
    batch.single_answered(3.0)
    assert batch.usable(4.0), "one failure is one refusal, however many others have answers"
    batch.failed(error, 50, now=5.0)
    batch.single_answered(6.0)
    assert not batch.usable(7.0)


def test_a_429_is_no_refusal():
    batch = Batch()
    for _ in range(5):
        batch.failed(class_of_status(429)(429, method="GET", path="/"), 50, now=0.0)
        batch.single_answered(1.0)
    assert batch.usable(2.0)
