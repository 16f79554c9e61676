"""The only place that reads an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import BaseHook, find_connection

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import Call, PolytomicClient
    from airflow_provider_polytomic.api.models.base import Listing
    from airflow_provider_polytomic.api.models.connections import Connection as PolytomicConnection
    from airflow_provider_polytomic.api.models.executions import (
        BulkSyncExecution,
        BulkSyncStatus,
        StartedExecution,
        SyncStatus,
    )
    from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

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

    def config(self) -> ConnectionConfig:
        """Read the Airflow connection.

        :raises PolytomicRequestRefused: if it cannot be used as it is
        """
        from airflow_provider_polytomic.hooks._connection import config_of

        return config_of(self.get_connection(self.polytomic_conn_id), self.polytomic_conn_id)

    async def aconfig(self) -> ConnectionConfig:
        """Read the Airflow connection from an event loop; otherwise as :meth:`config`.

        :raises PolytomicRequestRefused: if it cannot be used as it is
        """
        from airflow_provider_polytomic.hooks._connection import config_of

        return config_of(await find_connection(self.polytomic_conn_id), self.polytomic_conn_id)

    def send(self, call: Call[T]) -> T:
        """Send one call.

        :param call: what a function of :mod:`airflow_provider_polytomic.api` has built
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        return self.get_conn().send(call)

    async def asend(self, call: Call[T]) -> T:
        """Send one call from an event loop, where the Airflow connection is looked up without blocking it.

        :param call: what a function of :mod:`airflow_provider_polytomic.api` has built
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import AsyncPolytomicClient

        async with AsyncPolytomicClient(config=await self.aconfig()) as client:
            return await client.send(call)

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Follow a list to its end, one row after another.

        :param call: a list, such as ``syncs.list()``
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        return self.get_conn().pages(call)

    def test_connection(self) -> tuple[bool, str]:
        """Ask Polytomic whom the key stands for: ``GET /api/me``.

        The message goes to the browser as it is; it holds no secret.
        """
        from airflow_provider_polytomic.hooks._connection_test import try_out

        return try_out(self.get_connection(self.polytomic_conn_id))

    def start_sync(self, sync_id: str, **parameters: Any) -> StartedExecution:
        """Start a model sync, and do not wait for its end: ``POST /api/syncs/{id}/executions``.

        :param sync_id: id of the model sync
        :param parameters: those of :func:`airflow_provider_polytomic.api.syncs.start`
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import syncs

        return self.send(syncs.start(sync_id, **parameters))

    def get_sync_status(self, sync_id: str) -> SyncStatus:
        """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``.

        :param sync_id: id of the model sync
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import syncs

        return self.send(syncs.get_status(sync_id))

    def cancel_sync(self, sync_id: str) -> None:
        """Ask for the end of whatever execution of a model sync runs: ``POST /api/syncs/{id}/cancel``.

        :param sync_id: id of the model sync
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import syncs

        self.send(syncs.cancel(sync_id))

    def list_syncs(self, **parameters: Any) -> Iterator[Sync]:
        """List model syncs, to the last page: ``GET /api/syncs``.

        :param parameters: those of :func:`airflow_provider_polytomic.api.syncs.list`
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import syncs

        return self.pages(syncs.list(**parameters))

    def start_bulk_sync(self, bulk_sync_id: str, **parameters: Any) -> BulkSyncExecution:
        """Start a bulk sync, and do not wait for its end: ``POST /api/bulk/syncs/{id}/executions``.

        :param bulk_sync_id: id of the bulk sync
        :param parameters: those of :func:`airflow_provider_polytomic.api.bulk_syncs.start`
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(bulk_syncs.start(bulk_sync_id, **parameters))

    def get_bulk_sync_status(self, bulk_sync_id: str) -> BulkSyncStatus:
        """Get the current and the last execution of a bulk sync: ``GET /api/bulk/syncs/{id}/status``.

        :param bulk_sync_id: id of the bulk sync
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(bulk_syncs.get_status(bulk_sync_id))

    def cancel_bulk_sync(self, bulk_sync_id: str) -> None:
        """Ask for the end of whatever execution of a bulk sync runs: ``POST /api/bulk/syncs/{id}/cancel``.

        :param bulk_sync_id: id of the bulk sync
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import bulk_syncs

        self.send(bulk_syncs.cancel(bulk_sync_id))

    def list_bulk_syncs(self, **parameters: Any) -> Iterator[BulkSync]:
        """List bulk syncs, to the last page: ``GET /api/bulk/syncs``.

        :param parameters: those of :func:`airflow_provider_polytomic.api.bulk_syncs.list`
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.pages(bulk_syncs.list(**parameters))

    def list_connections(self) -> Iterator[PolytomicConnection]:
        """List Polytomic's connections: ``GET /api/connections``.

        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import connections

        return self.pages(connections.list())

    def create_connection(
        self, name: str, type: str, configuration: dict[str, Any], **parameters: Any
    ) -> PolytomicConnection:
        """Create a connection: ``POST /api/connections``.

        :param name: what people see
        :param type: id of the connection type, such as ``postgresql``
        :param configuration: the settings that this type asks for, secrets among them
        :param parameters: those of :func:`airflow_provider_polytomic.api.connections.create`
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import connections

        return self.send(connections.create(name, type, configuration, **parameters))

    def test_polytomic_connection(
        self, type: str, configuration: dict[str, Any], connection_id: str | None = None
    ) -> None:
        """Try a connection's settings without saving them: ``POST /api/connections/test``.

        :param type: id of the connection type
        :param configuration: settings to try
        :param connection_id: a saved connection whose settings are taken where ``configuration`` has none
        :raises PolytomicError: if Polytomic refuses, or gives no usable answer
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used as it is
        """
        from airflow_provider_polytomic.api import connections

        self.send(connections.test(type, configuration, connection_id=connection_id))
