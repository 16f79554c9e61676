"""The operations of the API as tools of the agents of ``apache-airflow-providers-common-ai``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.ai.utils.toolset_base import AirflowToolset
from pydantic_ai.exceptions import ApprovalRequired, ModelRetry
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets.abstract import ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from airflow_provider_polytomic._compat import StateStore, current_context
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.state import Attempt
from airflow_provider_polytomic._task.values import choice
from airflow_provider_polytomic.api import (
    Call,
    PolytomicClient,
    PolytomicConflictError,
    PolytomicNotFoundError,
    PolytomicValidationError,
)
from airflow_provider_polytomic.api.catalogue import Operation, answer, offered
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.toolsets._task_calls import CALLS_STATE_KEY, TaskCalls

if TYPE_CHECKING:
    from pydantic_ai import RunContext

ASK = ("never", "destructive", "writes")
"""Sets of calls that need the approval of a person."""

MAX_RETRIES = 3
"""Number of corrections that the model may make to a call that was refused."""

_ARGUMENTS = SchemaValidator(core_schema.dict_schema(core_schema.str_schema(), core_schema.any_schema()))


class PolytomicToolset(AirflowToolset):
    """Let an agent call operations of the Polytomic API, with the key of an Airflow connection.

    The tools have the names of ``docs/agents.md``. A refusal that the model can correct (400, 404, 409, 422, an invalid
    argument) goes back to it; any other failure ends the run. A retry of the task does not repeat a start, and does not
    ask for the approval of one that an earlier attempt has sent.

    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :param areas: Areas of the operations (sequence of str); default ``("syncs", "bulk_syncs")``.
    :param access: ``"read"`` (str) for operations that change nothing, ``"write"`` for those that delete nothing, or
        ``"full"``; default ``"read"``.
    :param ask: Calls that need the approval of a person (str): ``"never"``, ``"destructive"`` or ``"writes"``; default
        ``"writes"``.
    :raises ValueError: if a parameter is invalid

    .. code-block:: python

        AgentOperator(
            task_id="repair",
            llm_conn_id="llm",
            prompt="Find the syncs that failed last night, and start them again.",
            toolsets=[PolytomicToolset(access="write")],
        )

    .. seealso::
        How-to: ``docs/agents.md``.
    """

    agent_template_fields: Sequence[str] = ("polytomic_conn_id", "organization_id")

    def __init__(
        self,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        areas: Sequence[str] = ("syncs", "bulk_syncs"),
        access: str = "read",
        ask: str = "writes",
    ) -> None:
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        self.areas = tuple(areas)
        self.access = access
        self.ask = choice(ask, "ask", *ASK)
        self._max_retries = MAX_RETRIES
        self._operations = offered(access, self.areas)
        self._task_calls: dict[tuple[str | int, ...], TaskCalls] = {}

    @property
    def id(self) -> str:
        """Return the id by which the run is resumed after an approval."""
        return f"polytomic-{self.polytomic_conn_id}-{self.organization_id or ''}"

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """Return a tool for each operation."""
        return {name: self._tool(name, operation, ctx) for name, operation in self._operations.items()}

    async def execute_tool(
        self, name: str, tool_args: dict[str, Any], *, ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Call an operation and return its response as JSON without secrets.

        :raises ApprovalRequired: If a person has to approve the call first.
        """
        return await self.run_blocking(self._call, self._operations[name], tool_args, ctx.tool_call_approved)

    def _tool(self, name: str, operation: Operation, ctx: RunContext[Any]) -> ToolsetTool[Any]:
        def validate(ctx: RunContext[Any], /, **tool_args: Any) -> None:
            _build(operation, tool_args)

        definition = ToolDefinition(
            name=name,
            description=operation.description,
            parameters_json_schema=operation.parameters,
            sequential=True,
        )
        return ToolsetTool(
            toolset=self,
            tool_def=definition,
            max_retries=self._get_tool_max_retries(ctx),
            args_validator=_ARGUMENTS,
            args_validator_func=validate,
        )

    def _needs_approval(self, operation: Operation) -> bool:
        return operation.destructive if self.ask == "destructive" else self.ask == "writes" and not operation.read_only

    def _call(self, operation: Operation, arguments: Mapping[str, Any], is_approved: bool) -> Any:
        call = _build(operation, arguments)
        calls = self._calls_of_attempt() if operation.takes_idempotency_key else None
        facts = calls.key_facts(operation.name, call) if calls else ()
        is_allowed = is_approved or not self._needs_approval(operation)
        if not (is_allowed or (calls and calls.was_sent(facts))):
            raise ApprovalRequired
        if calls:
            calls.note(facts)
        attempts_before = calls.attempt.previous_attempts if calls else 0
        failure = f"The operation {operation.name} failed"
        hook = PolytomicHook(self.polytomic_conn_id, self.organization_id)
        with PolytomicClient(config=hook.config()) as client, translate_api_errors(failure, hook):
            try:
                return client.run(answer(call, key_facts=facts, attempts_before=attempts_before))
            except (PolytomicValidationError, PolytomicNotFoundError, PolytomicConflictError) as error:
                refusal = str(error)
        raise ModelRetry(refusal)

    def _calls_of_attempt(self) -> TaskCalls | None:
        """Return the calls of the attempt that runs in this process; None outside a task."""
        context = current_context()
        if context is None:
            return None
        attempt = Attempt.of(context)
        key = (*attempt.key_facts, attempt.try_number)
        if key not in self._task_calls:
            self._task_calls[key] = TaskCalls(attempt, StateStore(context, CALLS_STATE_KEY))
        return self._task_calls[key]


def _build(operation: Operation, arguments: Mapping[str, Any]) -> Call[Any]:
    """Build a call, or let the model correct its arguments."""
    try:
        return operation.build(arguments)
    except ValueError as error:
        problem = str(error)
    raise ModelRetry(problem)
