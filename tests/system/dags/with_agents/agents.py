"""Define a DAG with an agent whose model follows a script: it starts a sync, and then it is done."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from airflow.providers.common.ai.hooks.pydantic_ai import PydanticAIHook
from airflow.providers.common.ai.operators.agent import AgentOperator
from airflow.sdk import DAG
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from airflow_provider_polytomic.toolsets.polytomic import PolytomicToolset


class ScriptedHook(PydanticAIHook):
    """A connection to a model that starts the sync of the prompt once, and then tells that it is done."""

    def get_conn(self) -> Any:
        return FunctionModel(_respond)


class ScriptedAgentOperator(AgentOperator):
    """The agent operator, with the scripted model."""

    @cached_property
    def llm_hook(self) -> PydanticAIHook:
        return ScriptedHook()


def _respond(messages: Any, info: Any) -> ModelResponse:
    parts = [part for message in messages for part in message.parts]
    if any(isinstance(part, ToolReturnPart) for part in parts):
        return ModelResponse(parts=[TextPart("done")])
    sync_id = next(part.content for part in parts if part.part_kind == "user-prompt")
    return ModelResponse(parts=[ToolCallPart("start-sync", {"sync_id": sync_id}, tool_call_id="start")])


with DAG(dag_id="agent", start_date=datetime(2026, 1, 1), schedule=None, catchup=False):
    ScriptedAgentOperator(
        task_id="sync",
        prompt="{{ dag_run.conf['sync_id'] }}",
        llm_conn_id="model",
        system_prompt="Start the sync.",
        toolsets=[PolytomicToolset(access="write")],
        retries=1,
        retry_delay=timedelta(seconds=1),
    )
