"""Operators that keep Polytomic's connections as code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.attempt import Attempt
from airflow_provider_polytomic._task.values import as_bool, as_id
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.operators._configuration import PolytomicConfigurationOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api.models.connections import Connection

IfExists = Literal["fail", "reuse", "update"]


class PolytomicCreateConnectionOperator(PolytomicConfigurationOperator):
    """Create a connection; a retry of the task does not create another one: ``POST /api/connections``.

    Returns the connection without its configuration.

    :param name: what people see (templated)
    :param connection_type: id of the connection type, such as ``postgresql`` (templated)
    :param if_exists: what to do when a connection of this name and type exists: ``"fail"``, ``"reuse"`` it as it is, or
        ``"update"`` it to this configuration
    :param policies: ids of the permission policies that hold for it (templated)
    :param healthcheck_interval: how often Polytomic checks its health, such as ``3h30m``; default: its own choice
    :param validate: whether Polytomic tries the settings before it saves them; default True
    :param refresh_schemas: have its schemas read, and wait until they are; default False
    :param refresh_timeout: seconds to wait for that; default 600
    :param configuration: settings of the connection; templates in it are rendered when the task runs
    :param configuration_conn_id: id of an Airflow connection that has the secrets: the fields of its extra and, as
        ``password``, its password are added to ``configuration``, whose own fields win (templated)
    :param polytomic_conn_id: id of the Airflow connection to Polytomic; default ``polytomic_default`` (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises PolytomicTaskError: if its schemas are not read within ``refresh_timeout``
    :raises ValueError: if a parameter has a value that it cannot have; when the DAG file is parsed
    """

    template_fields: Sequence[str] = (
        "name", "connection_type", "policies", *PolytomicConfigurationOperator.template_fields,
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
        refresh_timeout: float = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(configuration=configuration, **kwargs)
        if if_exists not in ("fail", "reuse", "update"):
            raise ValueError(f"if_exists is 'fail', 'reuse' or 'update', not {if_exists!r}")
        self.name = name
        self.connection_type = connection_type
        self.if_exists = if_exists
        self.policies = policies
        self.healthcheck_interval = healthcheck_interval
        self.validate = validate
        self.refresh_schemas = refresh_schemas
        self.refresh_timeout = refresh_timeout

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the connection, or take the one of this name."""
        from airflow_provider_polytomic.api.provisioning import RefreshTimeout, create_once, refresh

        settings = self._settings(context)
        attempt = Attempt.of(context)
        client = PolytomicHook(self.polytomic_conn_id).get_conn()
        with self._refusing(f"Connection {self.name!r} could not be created", settings):
            connection = client.run(
                create_once(
                    self.name,
                    self.connection_type,
                    settings,
                    key_facts=(*attempt.identity, attempt.generation),
                    attempts_before=attempt.before,
                    if_exists=self.if_exists,
                    policies=self.policies,
                    healthcheck_interval=self.healthcheck_interval,
                    validate=self.validate,
                )
            )
        if self.refresh_schemas:
            try:
                with self._refusing(f"The schemas of connection {self.name!r} could not be refreshed"):
                    client.run(refresh(connection.id, timeout=self.refresh_timeout))
            except RefreshTimeout as timeout_error:
                raise PolytomicTaskError(f"Connection {self.name!r}: {timeout_error}") from None
        return _without_secrets(connection)


class PolytomicTestConnectionOperator(PolytomicConfigurationOperator):
    """Try a connection's settings; fails with Polytomic's words if they do not work: ``POST /api/connections/test``.

    :param connection_id: a saved connection whose settings are taken where ``configuration`` has none (templated)
    :param connection_type: id of the connection type; default: that of the saved connection (templated)
    :param configuration: settings of the connection; templates in it are rendered when the task runs
    :param configuration_conn_id: id of an Airflow connection that has the secrets: the fields of its extra and, as
        ``password``, its password are added to ``configuration``, whose own fields win (templated)
    :param polytomic_conn_id: id of the Airflow connection to Polytomic; default ``polytomic_default`` (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    template_fields: Sequence[str] = (
        "connection_id", "connection_type", *PolytomicConfigurationOperator.template_fields,
    )  # fmt: skip

    def __init__(self, *, connection_id: str | None = None, connection_type: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection_id = connection_id
        self.connection_type = connection_type

    def execute(self, context: Context) -> None:
        """Try the settings."""
        from airflow_provider_polytomic.api import connections

        settings = self._settings(context)
        hook = PolytomicHook(self.polytomic_conn_id)
        label = f"Connection {self.connection_id or self.connection_type!r}"
        with self._refusing(f"{label} does not work", settings):
            kind = self.connection_type
            connection_id = as_id(self.connection_id, "connection_id") if self.connection_id is not None else None
            if not kind and connection_id:
                saved = hook.send(connections.get(connection_id))
                kind = saved.type.id if saved.type else None
            if not kind:
                raise PolytomicRequestRefused("There is nothing to test. Next: give connection_id or connection_type")
            hook.send(connections.test(kind, settings, connection_id=connection_id))
        self.log.info("%s works", label)


class PolytomicUpdateConnectionOperator(PolytomicConfigurationOperator):
    """Replace a connection as a whole, its secrets included: ``PUT /api/connections/{id}``.

    What is not given is cleared; the log names each setting that is.

    :param connection_id: id of the connection (templated)
    :param name: what people see; default: as it is (templated)
    :param policies: ids of the permission policies that hold for it; default: as they are (templated)
    :param healthcheck_interval: how often Polytomic checks its health, such as ``3h30m``; default: as it is, where the
        API shows that, else none
    :param validate: whether Polytomic tries the settings before it saves them; default True
    :param configuration: settings of the connection; templates in it are rendered when the task runs
    :param configuration_conn_id: id of an Airflow connection that has the secrets: the fields of its extra and, as
        ``password``, its password are added to ``configuration``, whose own fields win (templated)
    :param polytomic_conn_id: id of the Airflow connection to Polytomic; default ``polytomic_default`` (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    template_fields: Sequence[str] = (
        "connection_id", "name", "policies", *PolytomicConfigurationOperator.template_fields,
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
        **kwargs: Any,
    ) -> None:
        super().__init__(configuration=configuration, **kwargs)
        self.connection_id = connection_id
        self.name = name
        self.policies = policies
        self.healthcheck_interval = healthcheck_interval
        self.validate = validate

    def execute(self, context: Context) -> dict[str, Any]:
        """Replace the connection."""
        from airflow_provider_polytomic.api.provisioning import replace_settings

        settings = self._settings(context)
        connection_id = as_id(self.connection_id, "connection_id")
        client = PolytomicHook(self.polytomic_conn_id).get_conn()
        with self._refusing(f"Connection {connection_id} could not be updated", settings):
            updated = client.run(
                replace_settings(
                    connection_id,
                    settings,
                    name=self.name,
                    policies=self.policies,
                    healthcheck_interval=self.healthcheck_interval,
                    validate=self.validate,
                )
            )
        return _without_secrets(updated)


class PolytomicDeleteConnectionOperator(BaseOperator):
    """Delete a connection; one that is gone already is a success: ``DELETE /api/connections/{id}``.

    :param connection_id: id of the connection (templated)
    :param force: delete the syncs and everything else that uses it as well; default False (templated)
    :param polytomic_conn_id: id of the Airflow connection to Polytomic; default ``polytomic_default`` (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    """

    template_fields: Sequence[str] = ("connection_id", "force", "polytomic_conn_id")

    def __init__(
        self,
        *,
        connection_id: str,
        force: bool = False,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.connection_id = connection_id
        self.force = force
        self.polytomic_conn_id = polytomic_conn_id

    def execute(self, context: Context) -> None:
        """Delete the connection."""
        from airflow_provider_polytomic.api import PolytomicNotFoundError, connections

        connection_id = as_id(self.connection_id, "connection_id")
        deletion = connections.delete(connection_id, force=as_bool(self.force, "force"))
        with translate_api_errors(f"Connection {connection_id} could not be deleted", self.polytomic_conn_id):
            try:
                PolytomicHook(self.polytomic_conn_id).send(deletion)
            except PolytomicNotFoundError:
                self.log.info("Connection %s does not exist", connection_id)


def _without_secrets(connection: Connection) -> dict[str, Any]:
    """Return what may be read by anybody of a connection."""
    return connection.model_dump(mode="json", include={"id", "name", "type", "organization_id", "status", "policies"})
