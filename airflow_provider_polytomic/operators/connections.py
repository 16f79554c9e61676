"""Operators that manage Polytomic's connections as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.state import Attempt
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.values import as_bool, as_id, as_ids, choice
from airflow_provider_polytomic.durations import duration
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.operators._configuration import BaseConfigurationOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api.models.connections import Connection
    from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

IfExists = Literal["fail", "reuse", "update"]


class PolytomicCreateConnectionOperator(BaseConfigurationOperator):
    """Create a connection; a retry of the task does not create another one.

    Returns the connection without its configuration.

    :param name: Name of the connection (str). (templated)
    :param connection_type: Id of the connection type (str), such as ``postgresql``. (templated)
    :param if_exists: What to do (str) if a connection of this name and type exists: ``"fail"``, ``"reuse"`` it as it
        is, or ``"update"`` it to this configuration; default ``"fail"``.
    :param policies: Ids of its permission policies (sequence of str); default None. (templated)
    :param healthcheck_interval: How often Polytomic checks its health (str), such as ``3h30m``; default None:
        Polytomic's choice.
    :param validate: Whether Polytomic tries the settings before it saves them (bool); default True.
    :param refresh_schemas: Whether to refresh its schemas and wait for the end of the refresh (bool); default False.
    :param refresh_timeout: Seconds (float or timedelta) to wait for the refresh; default 600.
    :param configuration: Settings of the connection (mapping), rendered when the task runs; default None.
    :param configuration_conn_id: Id of an Airflow connection (str) of any type: its fields and extras become the
        settings that the connection type asks for, unless ``configuration`` has them; default None. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises PolytomicTaskError: if the schemas are not refreshed within ``refresh_timeout``
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicCreateConnectionOperator(
            task_id="create",
            name="Warehouse",
            connection_type="postgresql",
            configuration={"hostname": "db.example.com", "database": "crm", "username": "polytomic"},
            configuration_conn_id="warehouse",
        )

    .. seealso::
        How-to: ``docs/connections.md``. API: ``POST /api/connections``
    """

    template_fields: Sequence[str] = (
        "name", "connection_type", "policies", *BaseConfigurationOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str,
        connection_type: str,
        configuration: Mapping[str, Any] | None = None,
        if_exists: IfExists = "fail",
        policies: Sequence[str] | None = None,
        healthcheck_interval: str | None = None,
        validate: bool = True,
        refresh_schemas: bool = False,
        refresh_timeout: float | timedelta = 600.0,
        configuration_conn_id: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            configuration=configuration,
            configuration_conn_id=configuration_conn_id,
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            **kwargs,
        )
        self.name = name
        self.connection_type = connection_type
        self.if_exists: IfExists = choice(if_exists, "if_exists", "fail", "reuse", "update")
        self.policies = policies
        self.healthcheck_interval = healthcheck_interval
        self.validate = validate
        self.refresh_schemas = refresh_schemas
        self.refresh_timeout = duration(refresh_timeout, "refresh_timeout")

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the connection, or return the existing one."""
        from airflow_provider_polytomic.api.provisioning import RefreshTimeout, create_once, refresh

        name, type_id = as_id(self.name, "name"), as_id(self.connection_type, "connection_type")
        policies = _policies(self.policies)
        configuration = self._render_configuration(context, lambda: type_id)
        attempt = Attempt.of(context)
        client = self._hook.get_conn()
        with self._translate_errors(f"Connection {name!r} could not be created"):
            connection = client.run(
                create_once(
                    name,
                    type_id,
                    configuration,
                    key_facts=(*attempt.key_facts, client.config.organization_id),
                    attempts_before=attempt.previous_attempts,
                    if_exists=self.if_exists,
                    policies=policies,
                    healthcheck_interval=self.healthcheck_interval,
                    validate=self.validate,
                )
            )
        if self.refresh_schemas:
            try:
                with self._translate_errors(f"The schemas of connection {self.name!r} could not be refreshed"):
                    client.run(refresh(connection.id, timeout=self.refresh_timeout))
                self.log.info("Refreshed the schemas of connection %s", connection.id)
            except RefreshTimeout as error:
                raise PolytomicTaskError(
                    f"Connection {self.name!r}: {error}. Next: set a longer refresh_timeout, or refresh_schemas=False"
                ) from None
        return _without_secrets(connection)


class PolytomicTestConnectionOperator(BaseConfigurationOperator):
    """Test the settings of a connection; the task fails with Polytomic's message if they do not work.

    :param connection_id: Id of a saved connection (str) whose settings are used where ``configuration`` has none;
        default None. (templated)
    :param connection_type: Id of the connection type (str); default None: the type of the saved connection. (templated)
    :param configuration: Settings of the connection (mapping), rendered when the task runs; default None.
    :param configuration_conn_id: Id of an Airflow connection (str) of any type: its fields and extras become the
        settings that the connection type asks for, unless ``configuration`` has them; default None. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response

    .. code-block:: python

        PolytomicTestConnectionOperator(task_id="test", connection_id="e9d5ba4e-3f2d-4d4f-9f6a-2a1c1a9d3c55")

    .. seealso::
        How-to: ``docs/connections.md``. API: ``POST /api/connections/test``
    """

    template_fields: Sequence[str] = (
        "connection_id", "connection_type", *BaseConfigurationOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        connection_id: str | None = None,
        connection_type: str | None = None,
        configuration: Mapping[str, Any] | None = None,
        configuration_conn_id: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            configuration=configuration,
            configuration_conn_id=configuration_conn_id,
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            **kwargs,
        )
        self.connection_id = connection_id
        self.connection_type = connection_type

    def execute(self, context: Context) -> None:
        """Test the settings."""
        from airflow_provider_polytomic.api import connections

        hook = self._hook
        label = f"Connection {self.connection_id or self.connection_type!r}"
        with self._translate_errors(f"{label} does not work"):
            connection_id = as_id(self.connection_id, "connection_id") if self.connection_id is not None else None
            connection_type = self.connection_type or (_type_of(hook, connection_id) if connection_id else None)
            if not connection_type:
                raise PolytomicRequestRefused("There is nothing to test. Next: set connection_id or connection_type")
        configuration = self._render_configuration(context, lambda: connection_type)
        with self._translate_errors(f"{label} does not work"):
            hook.send(connections.test(connection_type, configuration, connection_id=connection_id))
        self.log.info("%s works", label)


class PolytomicUpdateConnectionOperator(BaseConfigurationOperator):
    """Replace the settings of a connection as a whole, including its secrets.

    Settings that are not given are cleared; the log names each of them.

    :param connection_id: Id of the connection (str). (templated)
    :param name: Name of the connection (str); default None: unchanged. (templated)
    :param policies: Ids of its permission policies (sequence of str); default None: unchanged. (templated)
    :param healthcheck_interval: How often Polytomic checks its health (str), such as ``3h30m``; default None: unchanged
        if the API shows it, otherwise cleared.
    :param validate: Whether Polytomic tries the settings before it saves them (bool); default True.
    :param configuration: Settings of the connection (mapping), rendered when the task runs; default None.
    :param configuration_conn_id: Id of an Airflow connection (str) of any type: its fields and extras become the
        settings that the connection type asks for, unless ``configuration`` has them; default None. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response

    .. code-block:: python

        PolytomicUpdateConnectionOperator(
            task_id="update",
            connection_id="e9d5ba4e-3f2d-4d4f-9f6a-2a1c1a9d3c55",
            configuration={"hostname": "db2.example.com", "database": "crm", "username": "polytomic"},
            configuration_conn_id="warehouse",
        )

    .. seealso::
        How-to: ``docs/connections.md``. API: ``PUT /api/connections/{id}``
    """

    template_fields: Sequence[str] = (
        "connection_id", "name", "policies", *BaseConfigurationOperator.template_fields,
    )  # fmt: skip

    def __init__(
        self,
        *,
        connection_id: str,
        configuration: Mapping[str, Any] | None = None,
        name: str | None = None,
        policies: Sequence[str] | None = None,
        healthcheck_interval: str | None = None,
        validate: bool = True,
        configuration_conn_id: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            configuration=configuration,
            configuration_conn_id=configuration_conn_id,
            polytomic_conn_id=polytomic_conn_id,
            organization_id=organization_id,
            **kwargs,
        )
        self.connection_id = connection_id
        self.name = name
        self.policies = policies
        self.healthcheck_interval = healthcheck_interval
        self.validate = validate

    def execute(self, context: Context) -> dict[str, Any]:
        """Replace the settings."""
        from airflow_provider_polytomic.api.provisioning import replace_settings
        from airflow_provider_polytomic.api.redaction import one_line

        connection_id, hook = as_id(self.connection_id, "connection_id"), self._hook
        policies = _policies(self.policies)
        configuration = self._render_configuration(context, lambda: _type_of(hook, connection_id))
        with self._translate_errors(f"Connection {connection_id} could not be updated"):
            updated = hook.run(
                replace_settings(
                    connection_id,
                    configuration,
                    name=self.name,
                    policies=policies,
                    healthcheck_interval=self.healthcheck_interval,
                    validate=self.validate,
                )
            )
        self.log.info("Updated connection %s: %s", one_line(updated.name or ""), one_line(connection_id))
        return _without_secrets(updated)


class PolytomicDeleteConnectionOperator(ClientTask, BaseOperator):
    """Delete a connection; succeed if it does not exist.

    :param connection_id: Id of the connection (str). (templated)
    :param force: Whether to delete the syncs and everything else that uses it, too (bool); default False. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response

    .. code-block:: python

        PolytomicDeleteConnectionOperator(task_id="delete", connection_id="e9d5ba4e-3f2d-4d4f-9f6a-2a1c1a9d3c55")

    .. seealso::
        How-to: ``docs/connections.md``. API: ``DELETE /api/connections/{id}``
    """

    template_fields: Sequence[str] = ("connection_id", "force", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        connection_id: str,
        force: bool = False,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connection_id = connection_id
        self.force = force
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id

    def execute(self, context: Context) -> None:
        """Delete the connection."""
        from airflow_provider_polytomic.api import PolytomicNotFoundError, connections

        connection_id = as_id(self.connection_id, "connection_id")
        deletion = connections.delete(connection_id, force=as_bool(self.force, "force"))
        with translate_api_errors(f"Connection {connection_id} could not be deleted", self._hook):
            try:
                self._hook.send(deletion)
            except PolytomicNotFoundError:
                self.log.info("Connection %s does not exist", connection_id)
            else:
                self.log.info("Deleted connection %s", connection_id)


def _policies(value: Any) -> list[str] | None:
    """Return the policies; None leaves the choice to Polytomic, and an empty list stands for none."""
    return None if value is None else as_ids(value, "policies") or []


def _without_secrets(connection: Connection) -> dict[str, Any]:
    shown = {"id", "name", "type", "organization_id", "status", "policies"}
    return storable(connection.model_dump(mode="json", include=shown), "the connection")


def _type_of(hook: PolytomicHook, connection_id: str) -> str | None:
    from airflow_provider_polytomic.api import connections

    saved = hook.send(connections.get(connection_id))
    return saved.type.id if saved.type else None
