"""Agents with a scripted model call the operations of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("airflow.providers.common.ai")

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.exceptions import ApprovalRequired
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicUnavailable
from airflow_provider_polytomic.toolsets import _task_calls, polytomic
from airflow_provider_polytomic.toolsets.polytomic import PolytomicToolset
from tests.support.task_instances import StateStore, TaskInstance


class Model:
    """A model that makes the given calls, one after the other, and records what it gets back."""

    def __init__(self, *calls: tuple[str, dict[str, Any]]) -> None:
        self._calls = calls
        self.tools: list[str] = []
        self.answers: list[Any] = []

    def __call__(self, messages: Any, info: Any) -> ModelResponse:
        self.tools = [tool.name for tool in info.function_tools]
        parts = [part for message in messages for part in message.parts]
        self.answers = [part for part in parts if isinstance(part, ToolReturnPart)]
        if len(self.answers) < len(self._calls):
            name, arguments = self._calls[len(self.answers)]
            return ModelResponse(parts=[ToolCallPart(name, arguments, tool_call_id=f"call-{len(self.answers)}")])
        return ModelResponse(parts=[TextPart("done")])


def agent(toolset: PolytomicToolset, *calls: tuple[str, dict[str, Any]]) -> tuple[Agent[None, Any], Model]:
    model = Model(*calls)
    built = Agent(FunctionModel(model), toolsets=[toolset], output_type=[str, DeferredToolRequests])
    return built, model


@pytest.fixture
def in_task(monkeypatch: pytest.MonkeyPatch) -> Callable[[TaskInstance], None]:
    """Return a function that makes a task instance the one that runs in this process."""

    def enter(task: TaskInstance) -> None:
        monkeypatch.setattr(polytomic, "current_context", lambda: task.context)

    return enter


@pytest.fixture
def task() -> TaskInstance:
    return TaskInstance(type("Task", (), {"task_id": "agent", "retries": 3})())


def test_a_tool_returns_the_answer_as_json(emulator):
    syncs = {emulator.add_model_sync().id for _ in range(3)}
    emulator.set_switch("page_size", 2)
    run, model = agent(PolytomicToolset(), ("list-syncs", {}))
    assert run.run_sync("list").output == "done"
    assert {row["id"] for row in model.answers[0].content} == syncs


@pytest.mark.parametrize(
    ("options", "offered", "missing"),
    [
        ({}, "list-syncs", "start-sync"),
        ({"access": "write"}, "start-sync", "delete-model-sync"),
        ({"access": "full"}, "delete-model-sync", "list-connections"),
        ({"areas": ["connections"]}, "list-connections", "list-syncs"),
    ],
)
def test_access_and_areas_decide_which_tools_exist(emulator, options, offered, missing):
    run, model = agent(PolytomicToolset(**options))
    run.run_sync("look")
    assert offered in model.tools
    assert missing not in model.tools


@pytest.mark.parametrize(
    ("ask", "asked"),
    [("writes", True), ("destructive", False), ("never", False)],
    ids=["writes", "destructive", "never"],
)
def test_a_start_waits_for_approval(emulator, ask, asked):
    sync = emulator.add_model_sync()
    run, _ = agent(PolytomicToolset(access="write", ask=ask), ("start-sync", {"sync_id": sync.id}))
    paused = run.run_sync("start it")
    assert isinstance(paused.output, DeferredToolRequests) == asked
    assert len(emulator.executions(sync.id)) == (0 if asked else 1)
    if asked:
        approved = DeferredToolResults(approvals={paused.output.approvals[0].tool_call_id: True})
        resumed = run.run_sync(message_history=paused.all_messages(), deferred_tool_results=approved)
        assert resumed.output == "done"
        assert len(emulator.executions(sync.id)) == 1


def test_a_deletion_waits_for_approval_unless_nothing_does(emulator):
    sync = emulator.add_model_sync()
    for ask, is_deleted in (("destructive", False), ("never", True)):
        run, _ = agent(PolytomicToolset(access="full", ask=ask), ("delete-model-sync", {"sync_id": sync.id}))
        run.run_sync("delete it")
        assert (emulator.syncs == []) == is_deleted


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("get-sync", {"sync_id": "unknown"}, "404"),
        ("get-sync", {}, "sync_id: is missing"),
        ("list-syncs", {"mode": "upsert"}, "mode: Input should be 'create'"),
        ("start-sync", {"sync_id": "paused"}, "400: The sync is not active"),
    ],
)
def test_a_refusal_that_the_model_can_correct_goes_back_to_it(emulator, tool, arguments, text):
    emulator.add_model_sync(id="paused", active=False)
    run, model = agent(PolytomicToolset(access="write", ask="never"), (tool, arguments))
    assert run.run_sync("try").output == "done"
    assert model.answers[0].outcome == "retried"
    assert text in model.answers[0].content


def test_an_invalid_call_is_corrected_before_a_person_is_asked(emulator):
    run, model = agent(PolytomicToolset(access="write"), ("start-sync", {}))
    assert run.run_sync("start it").output == "done"
    assert "sync_id: is missing" in model.answers[0].content


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("status", "error"), [(401, PolytomicRequestRefused), (403, PolytomicRequestRefused), (503, PolytomicUnavailable)]
)
def test_another_failure_ends_the_run(emulator, status, error):
    emulator.fault("status", status=status, path="/**", count=None)
    run, _ = agent(PolytomicToolset(), ("list-syncs", {}))
    with pytest.raises(error, match="The operation syncs.list failed"):
        run.run_sync("list")


@pytest.mark.usefixtures("no_waiting")
def test_a_retry_of_the_task_does_not_repeat_a_start(emulator, in_task, task):
    sync = emulator.add_model_sync()
    call = ("start-sync", {"sync_id": sync.id})
    in_task(task)
    emulator.fault("reset", when="after", path="/**/executions", method="POST", count=None)
    with pytest.raises(PolytomicUnavailable):
        agent(PolytomicToolset(access="write", ask="never"), call)[0].run_sync("start it")
    emulator.clear_faults()
    in_task(task.retry())
    agent(PolytomicToolset(access="write", ask="never"), call)[0].run_sync("start it")
    assert len(emulator.executions(sync.id)) == 1


@pytest.mark.usefixtures("no_waiting")
def test_a_retry_does_not_ask_again_for_a_start_that_was_sent(emulator, in_task, task):
    sync = emulator.add_model_sync()
    call = ("start-sync", {"sync_id": sync.id})
    task.context["task_state_store"] = StateStore()
    in_task(task)
    run, _ = agent(PolytomicToolset(access="write"), call)
    approve = {"deferred_tool_results": DeferredToolResults(approvals={"call-0": True})}
    emulator.fault("reset", when="after", path="/**/executions", method="POST", count=None)
    paused = run.run_sync("start it").all_messages()
    with pytest.raises(PolytomicUnavailable):
        run.run_sync(message_history=paused, **approve)
    emulator.clear_faults()
    in_task(task.retry())
    assert agent(PolytomicToolset(access="write"), call)[0].run_sync("start it").output == "done"
    assert len(emulator.executions(sync.id)) == 1
    again, _ = agent(PolytomicToolset(access="write"), call, call)
    assert isinstance(again.run_sync("start it twice").output, DeferredToolRequests)
    assert len(emulator.executions(sync.id)) == 1


@pytest.mark.parametrize("is_cleared", [True, False], ids=["cleared", "a day later"])
def test_a_start_that_would_not_be_repeated_needs_another_approval(emulator, in_task, task, monkeypatch, is_cleared):
    sync = emulator.add_model_sync(duration=0)
    call = ("start-sync", {"sync_id": sync.id})
    task.context["task_state_store"] = StateStore()
    in_task(task)
    agent(PolytomicToolset(access="write", ask="never"), call)[0].run_sync("start it")
    if not is_cleared:
        now = time.time()
        monkeypatch.setattr(_task_calls.time, "time", lambda: now + _task_calls.MAX_REPEAT_AGE)
    in_task(task.clear() if is_cleared else task.retry())
    run, _ = agent(PolytomicToolset(access="write"), call)
    assert isinstance(run.run_sync("start it").output, DeferredToolRequests)
    assert len(emulator.executions(sync.id)) == 1


def test_a_start_after_a_pause_is_another_execution(emulator, in_task, task):
    sync = emulator.add_model_sync(duration=0)
    call = ("start-sync", {"sync_id": sync.id})
    task.context["task_state_store"] = StateStore()
    in_task(task)
    for _ in range(2):  # the resumed run is in another process
        agent(PolytomicToolset(access="write", ask="never"), call)[0].run_sync("start it")
    assert len(emulator.executions(sync.id)) == 2


async def test_a_framework_without_approvals_starts_nothing(emulator):
    sync = emulator.add_model_sync()
    tools = await asyncio.to_thread(PolytomicToolset(access="write").airflow_tools)
    [start] = [tool for tool in tools if tool.name == "start-sync"]
    with pytest.raises(ApprovalRequired):
        await start.function({"sync_id": sync.id})
    assert emulator.executions(sync.id) == []


def test_a_second_start_in_one_attempt_is_another_execution(emulator, in_task, task):
    sync = emulator.add_model_sync(duration=0)
    in_task(task)
    run, _ = agent(PolytomicToolset(access="write", ask="never"), *[("start-sync", {"sync_id": sync.id})] * 2)
    run.run_sync("start it twice")
    assert len(emulator.executions(sync.id)) == 2


def test_the_organization_takes_the_place_of_the_login(emulator, monkeypatch):
    uri = emulator.airflow_connection.replace(emulator.api_key, emulator.partner_key)
    monkeypatch.setenv("AIRFLOW_CONN_PARTNER", uri)
    run, model = agent(PolytomicToolset("partner", emulator.organization_id, areas=["identity"]), ("identity-get", {}))
    run.run_sync("who am I")
    assert emulator.requests[-1].auth == "basic"


@pytest.mark.usefixtures("no_waiting")
def test_the_organization_remains_after_a_401(emulator, monkeypatch):
    uri = emulator.airflow_connection.replace(emulator.api_key, emulator.partner_key)
    monkeypatch.setenv("AIRFLOW_CONN_PARTNER", uri)
    emulator.fault("status", status=401, count=1)
    run, model = agent(PolytomicToolset("partner", emulator.organization_id, areas=["identity"]), ("identity-get", {}))
    run.run_sync("who am I")
    assert [request.auth for request in emulator.requests] == ["basic", "basic"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"access": "all"}, "access must be one of"), ({"areas": ["sync"]}, "no area 'sync'"), ({"ask": "always"}, "ask")],
)
def test_an_invalid_parameter_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        PolytomicToolset(**options)


def test_the_connection_is_templated():
    toolset = PolytomicToolset("conn", "org")
    assert [getattr(toolset, name) for name in toolset.agent_template_fields] == ["conn", "org"]
    assert toolset.id == "polytomic-conn-org"
