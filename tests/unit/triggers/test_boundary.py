"""What crosses the boundary of a trigger: parameters that it refuses, and failures that become events."""

from __future__ import annotations

import json

import pytest

from airflow_provider_polytomic._task.events import EventStatus, validate_execute_complete_event
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicUnavailable
from airflow_provider_polytomic.triggers import _base
from airflow_provider_polytomic.triggers.executions import PolytomicExecutionTrigger
from airflow_provider_polytomic.triggers.freshness import PolytomicFreshnessTrigger
from airflow_provider_polytomic.triggers.many import PolytomicManyExecutionsTrigger
from airflow_provider_polytomic.triggers.sensors import PolytomicSensorTrigger

NAN, INF = float("nan"), float("inf")
SYNC = {"kind": "model", "sync_id": "s"}
TRIGGERS = {
    PolytomicExecutionTrigger: {**SYNC, "execution_id": "e"},
    PolytomicFreshnessTrigger: SYNC,
    PolytomicManyExecutionsTrigger: {"runs": [{**SYNC, "execution_id": "e"}]},
    PolytomicSensorTrigger: {**SYNC, "timeout": 60.0},
}
DURATIONS = {
    PolytomicExecutionTrigger: ("poll_interval",),
    PolytomicFreshnessTrigger: ("poll_interval", "max_age"),
    PolytomicManyExecutionsTrigger: ("poll_interval",),
    PolytomicSensorTrigger: ("poll_interval", "timeout"),
}
MOMENTS = {
    PolytomicExecutionTrigger: ("deadline", "latest_end"),
    PolytomicFreshnessTrigger: ("deadline",),
    PolytomicManyExecutionsTrigger: ("deadline",),
}


@pytest.mark.parametrize("value", [0, -1, NAN, INF, "60", True, 1e12], ids=repr)
@pytest.mark.parametrize("trigger_class", TRIGGERS)
def test_an_invalid_interval_or_deadline_is_refused_in_a_way_that_every_triggerer_survives(trigger_class, value):
    """Up to Airflow 3.2, the triggerer survives only a ``TypeError`` of a trigger's constructor."""
    for name in (*DURATIONS[trigger_class], *MOMENTS.get(trigger_class, ())):
        with pytest.raises(TypeError, match=name):
            trigger_class(**{**TRIGGERS[trigger_class], name: value})


@pytest.mark.parametrize("wrong", [{"kind": "modle"}, {"ownership": "mine"}], ids=str)
def test_an_unknown_word_is_refused_likewise(wrong):
    with pytest.raises(TypeError):
        PolytomicExecutionTrigger(**{**TRIGGERS[PolytomicExecutionTrigger], **wrong})


def test_parameters_that_airflow_cannot_store_are_refused_before_the_deferral():
    trigger = PolytomicExecutionTrigger(**{**TRIGGERS[PolytomicExecutionTrigger], "sync_id": "a\x00b"})
    with pytest.raises(PolytomicUnavailable, match="the parameters of the trigger: a text has a NUL"):
        trigger.serialize()


@pytest.mark.parametrize(
    "error",
    [
        RecursionError("too deep"),
        KeyError("\ud800"),
        ValueError("a\x00b\x1b[31m"),
        MemoryError(),
        UnicodeError("\udfff"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_unexpected_exception_is_an_event_that_airflow_can_store(error, monkeypatch, logged, wait_for_event):
    async def fail(self):
        raise error

    monkeypatch.setattr(PolytomicExecutionTrigger, "_wait", fail)
    event = await wait_for_event(PolytomicExecutionTrigger(**SYNC, execution_id="e", ownership="owned", try_number=2))
    json.dumps(event, ensure_ascii=False).encode()
    assert (event["status"], event["execution_id"], event["ownership"], event["try_number"]) == (
        "unavailable", "e", "owned", 2,
    )  # fmt: skip
    assert event["message"].startswith(f"The wait has failed: {type(error).__name__}")
    assert not {"\x00", "\x1b"} & set(event["message"])
    assert isinstance(validate_execute_complete_event(event).error, PolytomicUnavailable)
    assert "The wait has failed" in logged()


async def test_a_result_that_airflow_cannot_store_is_the_failure_of_its_wait(monkeypatch, wait_for_event):
    async def wait(self):
        return self._event(EventStatus.ENDED, execution={"counts": {"total": 10**20}})

    monkeypatch.setattr(PolytomicFreshnessTrigger, "_wait", wait)
    event = await wait_for_event(PolytomicFreshnessTrigger(**SYNC))
    assert event["status"] == "unavailable"
    assert "does not fit in 64 bits" in event["message"]


def test_a_refusal_is_final_and_another_failure_is_not():
    refused = validate_execute_complete_event({"status": "refused", "message": "no"}).error
    assert isinstance(refused, PolytomicRequestRefused)
    assert validate_execute_complete_event({"status": "deadline"}).error is None
    assert _base.wait_failure("x").startswith("The wait has failed: x.\n  Next:\n")
