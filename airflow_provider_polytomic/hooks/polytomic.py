"""The only place that reads an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import BaseHook, find_connection
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import Call, ClientConfig, PolytomicClient
    from airflow_provider_polytomic.api.call import Listing
    from airflow_provider_polytomic.api.models.bulk_syncs import BulkSync
    from airflow_provider_polytomic.api.models.connections import Connection as PolytomicConnection
    from airflow_provider_polytomic.api.models.executions import (
        BulkSyncExecution,
        BulkSyncStatus,
        StartedExecution,
        SyncStatus,
    )
    from airflow_provider_polytomic.api.models.syncs import Sync

T = TypeVar("T")


class PolytomicHook(BaseHook):
    """Speaks to Polytomic with the key of an Airflow connection.

    The client is built at the first request and kept, with its connections, until the hook goes.

    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default``
    """

    conn_name_attr = "polytomic_conn_id"
    default_conn_name = "polytomic_default"
    conn_type = "polytomic"
    hook_name = "Polytomic"

    def __init__(self, polytomic_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.polytomic_conn_id = polytomic_conn_id
        self._client: PolytomicClient | None = None

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels and placeholders for Airflow before 3.2; later ones read the provider metadata."""
        from airflow_provider_polytomic.provider_info import FIELD_BEHAVIOUR

        return {
            "hidden_fields": FIELD_BEHAVIOUR["hidden-fields"],
            "relabeling": FIELD_BEHAVIOUR["relabeling"],
            "placeholders": FIELD_BEHAVIOUR["placeholders"],
        }

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields for Airflow before 3.2; later ones read the provider metadata."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import BooleanField, IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS

        makers: dict[str, Any] = {"boolean": BooleanField, "integer": IntegerField, "number": IntegerField}
        widgets: dict[str, Any] = {}
        for name, field in CONNECTION_FIELDS.items():
            make = makers.get(field["schema"]["type"][0], StringField)
            options: dict[str, Any] = {"description": field["description"]}
            if make is not BooleanField:
                options |= {"validators": [Optional()], "widget": BS3TextFieldWidget()}
            if field["schema"].get("format") == "password":
                make, options["widget"] = PasswordField, BS3PasswordFieldWidget()
            widgets[name] = make(lazy_gettext(field["label"]), **options)
        return widgets

    def get_conn(self) -> PolytomicClient:
        """Return the client.

        :raises PolytomicRequestRefused: if the connection cannot be used as it is
        """
        if self._client is None:
            from airflow_provider_polytomic.api import PolytomicClient

            self._client = PolytomicClient(config=self.config())
        return self._client

    def config(self) -> ClientConfig:
        """Read the Airflow connection.

        :raises PolytomicRequestRefused: if it cannot be used as it is
        """
        from airflow_provider_polytomic.hooks._connection import config_of

        return config_of(self.get_connection(self.polytomic_conn_id), self.polytomic_conn_id)

    async def aconfig(self) -> ClientConfig:
        """Read the Airflow connection from an event loop; otherwise as :meth:`config`."""
        from airflow_provider_polytomic.hooks._connection import config_of

        return config_of(await find_connection(self.polytomic_conn_id), self.polytomic_conn_id)

    def send(self, call: Call[T]) -> T:
        """Send one call.

        :raises PolytomicError: if it fails
        """
        return self.get_conn().send(call)

    async def asend(self, call: Call[T]) -> T:
        """Send one call from an event loop."""
        from airflow_provider_polytomic.api import AsyncPolytomicClient

        async with AsyncPolytomicClient(config=await self.aconfig()) as client:
            return await client.send(call)

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Follow a list to its end, one row after another."""
        return self.get_conn().pages(call)

    def test_connection(self) -> tuple[bool, str]:
        """Ask Polytomic whom the key stands for: ``GET /api/me``."""
        from airflow_provider_polytomic.api import PolytomicError, identity

        try:
            me = self.send(identity.get().once())
        except (PolytomicError, PolytomicRequestRefused) as error:
            return False, f"{error}. {_advice(error)}".rstrip()
        who = me.email or me.id or "an organization key"
        return True, f"Connected to {me.organization_name or me.organization_id or 'Polytomic'} as {who}."

    def start_sync(self, sync_id: str, **parameters: Any) -> StartedExecution:
        """Start a model sync; ``parameters`` are those of :func:`airflow_provider_polytomic.api.syncs.start`."""
        from airflow_provider_polytomic.api import syncs

        return self.send(syncs.start(sync_id, **parameters))

    def get_sync_status(self, sync_id: str) -> SyncStatus:
        """Get the current and the last execution of a model sync."""
        from airflow_provider_polytomic.api import syncs

        return self.send(syncs.get_status(sync_id))

    def cancel_sync(self, sync_id: str) -> None:
        """Ask for the end of whatever execution of a model sync runs."""
        from airflow_provider_polytomic.api import syncs

        self.send(syncs.cancel(sync_id))

    def list_syncs(self, **parameters: Any) -> Iterator[Sync]:
        """List model syncs; ``parameters`` are those of :func:`airflow_provider_polytomic.api.syncs.list`."""
        from airflow_provider_polytomic.api import syncs

        return self.pages(syncs.list(**parameters))

    def start_bulk_sync(self, bulk_sync_id: str, **parameters: Any) -> BulkSyncExecution:
        """Start a bulk sync; ``parameters`` are those of :func:`airflow_provider_polytomic.api.bulk_syncs.start`."""
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(bulk_syncs.start(bulk_sync_id, **parameters))

    def get_bulk_sync_status(self, bulk_sync_id: str) -> BulkSyncStatus:
        """Get the current and the last execution of a bulk sync."""
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(bulk_syncs.get_status(bulk_sync_id))

    def cancel_bulk_sync(self, bulk_sync_id: str) -> None:
        """Ask for the end of whatever execution of a bulk sync runs."""
        from airflow_provider_polytomic.api import bulk_syncs

        self.send(bulk_syncs.cancel(bulk_sync_id))

    def list_bulk_syncs(self, **parameters: Any) -> Iterator[BulkSync]:
        """List bulk syncs; ``parameters`` are those of :func:`airflow_provider_polytomic.api.bulk_syncs.list`."""
        from airflow_provider_polytomic.api import bulk_syncs

        return self.pages(bulk_syncs.list(**parameters))

    def list_connections(self) -> Iterator[PolytomicConnection]:
        """List Polytomic's connections."""
        from airflow_provider_polytomic.api import connections

        return self.pages(connections.list())

    def create_connection(
        self, name: str, type: str, configuration: dict[str, Any], **parameters: Any
    ) -> PolytomicConnection:
        """Create a connection.

        :param parameters: those of :func:`airflow_provider_polytomic.api.connections.create`
        """
        from airflow_provider_polytomic.api import connections

        return self.send(connections.create(name, type, configuration, **parameters))

    def test_polytomic_connection(
        self, type: str, configuration: dict[str, Any], connection_id: str | None = None
    ) -> None:
        """Try a connection's settings.

        :raises PolytomicError: if they do not work
        """
        from airflow_provider_polytomic.api import connections

        self.send(connections.test(type, configuration, connection_id=connection_id))


def _advice(error: Exception) -> str:
    from airflow_provider_polytomic import api

    if isinstance(error, api.PolytomicAuthError):
        return "Polytomic does not know this API key: is it whole and not revoked, and does it need an organization id?"
    if isinstance(error, api.PolytomicTransportError):
        return "Is the host right, and can it be reached from here?"
    return ""
