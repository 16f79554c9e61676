"""Operator for any operation of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator, mask_secret
from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.state import Attempt
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.values import is_templated, with_lists
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api.catalogue import Operation


class PolytomicOperationOperator(ClientTask, BaseOperator):
    """Call any operation of the API by its name, and return its response as JSON without secrets.

    A list has the rows of all its pages. If a worker is lost, a retry of the task does not repeat an operation that
    takes an Idempotency-Key, such as a start.

    :param operation: Name of the operation (str), such as ``"syncs.activate"``. (templated)
    :param arguments: Arguments of the operation (mapping); default None: none. Secrets in it are masked in the
        rendered fields. (templated)
    :param allow_destructive: Whether the operation may delete something (bool); default False.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422), or a template renders to
        an operation that does not exist or is not allowed, or to invalid arguments; not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises ValueError: if the operation does not exist or is not allowed, or an argument is invalid, when the DAG file
        is parsed

    .. code-block:: python

        PolytomicOperationOperator(
            task_id="pause",
            operation="syncs.activate",
            arguments={"sync_id": "{{ params.sync_id }}", "active": False},
        )

    .. seealso::
        How-to: ``docs/agents.md``. API: ``POST /api/syncs/{id}/activate`` and every other endpoint of the table there
    """

    template_fields: Sequence[str] = ("operation", "arguments", "polytomic_conn_id", "organization_id")
    template_fields_renderers = {"arguments": "json"}

    def __init__(
        self,
        *,
        operation: str,
        arguments: Mapping[str, Any] | None = None,
        allow_destructive: bool = False,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.arguments = arguments
        self.allow_destructive = allow_destructive
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        if not is_templated(operation):
            _check(operation, arguments, allow_destructive)

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a value, and let Airflow mask its secrets."""
        from airflow_provider_polytomic.api.secret_values import secrets_in, secrets_of_connection

        rendered = super().render_template(content, *args, **kwargs)
        arguments = with_lists(_as_mapping(rendered))
        settings = secrets_of_connection(arguments) if isinstance(arguments, Mapping) else []
        for secret in [*secrets_in(arguments), *settings]:
            mask_secret(secret)
        return rendered

    def execute(self, context: Context) -> Any:
        """Call the operation."""
        from airflow_provider_polytomic.api.catalogue import answer

        arguments = with_lists(_as_mapping(self.arguments))
        try:
            operation = _check(self.operation, arguments, self.allow_destructive)
            call = operation.build(arguments or {})
        except ValueError as error:
            raise PolytomicRequestRefused(f"{error}. Next: correct operation and arguments") from None
        attempt = Attempt.of(context)
        client = self._hook.get_conn()
        facts = (*attempt.key_facts, operation.name, call.path, client.config.organization_id)
        with translate_api_errors(f"The operation {operation.name} failed", self._hook):
            flow = answer(
                call,
                key_facts=facts if operation.takes_idempotency_key else (),
                attempts_before=attempt.previous_attempts,
            )
            value = client.run(flow)
        self.log.info("Called %s: %s %s", operation.name, call.method, call.path)
        return storable(value, "the answer")


def _check(name: Any, arguments: Any, allow_destructive: bool) -> Operation:
    """Return an operation, unless it or an argument whose value is known is invalid.

    :raises ValueError: if it is not allowed or does not exist, or an argument is missing, unknown or invalid
    """
    from airflow_provider_polytomic.api.catalogue import find

    operation = find(name)
    if operation.destructive and not allow_destructive:
        raise ValueError(f"{name} deletes something, which needs allow_destructive=True")
    if isinstance(arguments, Mapping):
        operation.check(arguments, [each for each, value in arguments.items() if is_templated(value)])
    elif arguments is None:
        operation.check({})
    elif not is_templated(arguments):
        raise ValueError("arguments is not a mapping")
    return operation


def _as_mapping(value: Any) -> Any:
    """Return the JSON object that a text contains; return any other value unchanged."""
    try:
        return json.loads(value) if isinstance(value, str) and value.lstrip().startswith("{") else value
    except ValueError:
        return value
