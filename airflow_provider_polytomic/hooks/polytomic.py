"""The hook: the client of an Airflow connection, and the calls that DAG authors make by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import BaseHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import Call, PolytomicClient
    from airflow_provider_polytomic.api.bulk_syncs import FetchMode, ResyncMode
    from airflow_provider_polytomic.api.models.base import Listing
    from airflow_provider_polytomic.api.models.connections import Connection as PolytomicConnection
    from airflow_provider_polytomic.api.models.executions import (
        BulkSyncExecution,
        BulkSyncStatus,
        StartedExecution,
        SyncStatus,
    )
    from airflow_provider_polytomic.api.models.syncs import BulkSync, Sync
    from airflow_provider_polytomic.api.syncs import SyncMode
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

T = TypeVar("T")


class PolytomicHook(BaseHook):
    """Send requests to Polytomic with the key of an Airflow connection.

    The first request creates the client; the hook keeps it with its HTTP connections.

    :param polytomic_conn_id: Id (str) of the Airflow connection; default ``polytomic_default``.

    .. code-block:: python

        @task
        def start_nightly_sync() -> str:
            execution = PolytomicHook().start_sync("248df4b7-aa70-47b8-a036-33ac447e668d", resync=True)
            return execution.id

    .. seealso::
        How-to: ``docs/connection.md``. API: ``GET /api/me``
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
        """Return the labels and placeholders of the form; Airflow 3.2 and later read the provider metadata instead."""
        from airflow_provider_polytomic.provider_info import FIELD_BEHAVIOUR

        return {name.replace("-", "_"): value for name, value in FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the form; Airflow 3.2 and later read the provider metadata instead."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import BooleanField, IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS

        field_types: dict[str, Any] = {"boolean": BooleanField, "integer": IntegerField, "number": IntegerField}
        widgets: dict[str, Any] = {}
        for name, field in CONNECTION_FIELDS.items():
            field_type = field_types.get(field["schema"]["type"][0], StringField)
            options: dict[str, Any] = {"description": field["description"]}
            if field_type is not BooleanField:
                options |= {"validators": [Optional()], "widget": BS3TextFieldWidget()}
            if field["schema"].get("format") == "password":
                field_type, options["widget"] = PasswordField, BS3PasswordFieldWidget()
            widgets[name] = field_type(lazy_gettext(field["label"]), **options)
        return widgets

    def get_conn(self) -> PolytomicClient:
        """Return the client, the same one at each call.

        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        if self._client is None:
            from airflow_provider_polytomic.api import PolytomicClient

            self._client = PolytomicClient(config=self.config())
        return self._client

    def config(self) -> ConnectionConfig:
        """Read the Airflow connection.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        from airflow_provider_polytomic.hooks._lookup import ConnectionSource

        return ConnectionSource(self.polytomic_conn_id, self.get_connection).read()

    async def aconfig(self) -> ConnectionConfig:
        """Read the Airflow connection without blocking the event loop.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        from airflow_provider_polytomic.hooks._lookup import ConnectionSource

        return await ConnectionSource(self.polytomic_conn_id, self.get_connection).aread()

    def send(self, call: Call[T]) -> T:
        """Send one call and return its result.

        :param call: A call built by a function of :mod:`airflow_provider_polytomic.api`, such as ``syncs.get(id)``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        return self.get_conn().send(call)

    async def asend(self, call: Call[T]) -> T:
        """Send one call from an event loop, without blocking it, and return its result.

        :param call: A call built by a function of :mod:`airflow_provider_polytomic.api`, such as ``syncs.get(id)``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import AsyncPolytomicClient

        async with AsyncPolytomicClient(config=await self.aconfig()) as client:
            return await client.send(call)

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Yield the rows of all pages of a list; each page is requested when it is needed.

        :param call: A call for a list, such as ``syncs.list()``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        return self.get_conn().pages(call)

    def test_connection(self) -> tuple[bool, str]:
        """Call ``GET /api/me`` once; return whether it succeeded and a message for the connection form.

        The message names the organization and the user of the key, or the error and what to do. It holds no secret.
        """
        from airflow_provider_polytomic.hooks._connection import test_connection

        try:
            connection = self.get_connection(self.polytomic_conn_id)
        except Exception as error:  # Airflow and its secrets backends raise many; their messages may hold a secret.
            return False, f"The Airflow connection cannot be read ({type(error).__name__})."
        return test_connection(connection)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call any operation of the API by its name, and return its answer as JSON without secrets.

        A list has the rows of all its pages. See the table in ``docs/agents.md``.

        :param operation: Name (str) of the operation, such as ``"syncs.activate"``.
        :param arguments: Arguments of the operation, by name.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        :raises ValueError: if the operation does not exist, or an argument is missing, unknown or invalid
        """
        from airflow_provider_polytomic.api import catalogue

        return self.get_conn().run(catalogue.answer(catalogue.build(operation, arguments)))

    def start_sync(
        self,
        sync_id: str,
        *,
        resync: bool | None = None,
        test: bool | None = None,
        identities: Sequence[str] | None = None,
        source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
        idempotency_key: str | None = None,
    ) -> StartedExecution:
        """Start an execution of a model sync and do not wait for it to end: ``POST /api/syncs/{id}/executions``.

        :param sync_id: Id (str) of the model sync.
        :param resync: Whether to sync all records (bool), not only the changed ones. Default None: the API's default.
        :param test: Value (bool) that is passed on; the API does not document its effect. Default None.
        :param identities: Values (sequence of str) of the identity field: sync only these records. Default None: all.
        :param source_identities: Records, each a list of mappings with model, field and value, at most 1000; excludes
            ``identities``. Default None: all.
        :param idempotency_key: Key (str); a start repeated with it returns the same execution. Default None: no key.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        return self.send(
            syncs.start(
                sync_id,
                resync=resync,
                test=test,
                identities=identities,
                source_identities=source_identities,
                idempotency_key=idempotency_key,
            )
        )

    def get_sync_status(self, sync_id: str) -> SyncStatus:
        """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``.

        :param sync_id: Id (str) of the model sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        return self.send(syncs.get_status(sync_id))

    def cancel_sync(self, sync_id: str) -> None:
        """Request the cancellation of a model sync's current execution: ``POST /api/syncs/{id}/cancel``.

        :param sync_id: Id (str) of the model sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        self.send(syncs.cancel(sync_id))

    def list_syncs(
        self,
        *,
        active: bool | None = None,
        mode: SyncMode | None = None,
        target_connection_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Sync]:
        """Yield the model syncs of all pages, the latest changed first: ``GET /api/syncs``.

        :param active: Whether to list only active or only inactive syncs (bool). Default None: both.
        :param mode: Only syncs of this mode (str), such as ``updateOrCreate``. Default None: all.
        :param target_connection_id: Only syncs that write to the connection with this id (str). Default None: all.
        :param limit: Rows of one page, 1 to 50. Default None: 50.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        call = syncs.list(active=active, mode=mode, target_connection_id=target_connection_id, limit=limit)
        return self.pages(call)

    def start_bulk_sync(
        self,
        bulk_sync_id: str,
        *,
        schemas: Sequence[str] | None = None,
        resync_mode: ResyncMode | None = None,
        fetch_mode: FetchMode | None = None,
        test: bool | None = None,
        idempotency_key: str | None = None,
    ) -> BulkSyncExecution:
        """Start an execution of a bulk sync and do not wait for it to end: ``POST /api/bulk/syncs/{id}/executions``.

        :param bulk_sync_id: Id (str) of the bulk sync.
        :param schemas: Ids (sequence of str) of the schemas to sync. Default None: all that are enabled.
        :param resync_mode: ``refetch``, ``resync`` or ``rebuild``; excludes ``test``. Default None: no resync.
        :param fetch_mode: ``none``, ``incremental`` or ``full``, the last two for Salesforce only. Default None.
        :param test: Whether to sync at most five records of each schema (bool). Default None: all records.
        :param idempotency_key: Key (str); a start repeated with it returns the same execution. Default None: no key.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(
            bulk_syncs.start(
                bulk_sync_id,
                schemas=schemas,
                resync_mode=resync_mode,
                fetch_mode=fetch_mode,
                test=test,
                idempotency_key=idempotency_key,
            )
        )

    def get_bulk_sync_status(self, bulk_sync_id: str) -> BulkSyncStatus:
        """Get the current and the last execution of a bulk sync: ``GET /api/bulk/syncs/{id}/status``.

        :param bulk_sync_id: Id (str) of the bulk sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.send(bulk_syncs.get_status(bulk_sync_id))

    def cancel_bulk_sync(self, bulk_sync_id: str) -> None:
        """Request the cancellation of a bulk sync's current execution: ``POST /api/bulk/syncs/{id}/cancel``.

        :param bulk_sync_id: Id (str) of the bulk sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        self.send(bulk_syncs.cancel(bulk_sync_id))

    def list_bulk_syncs(self, *, active: bool | None = None, limit: int | None = None) -> Iterator[BulkSync]:
        """Yield the bulk syncs of all pages, the latest changed first: ``GET /api/bulk/syncs``.

        :param active: Whether to list only active or only inactive syncs (bool). Default None: both.
        :param limit: Rows of one page, 1 to 50. Default None: 50.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self.pages(bulk_syncs.list(active=active, limit=limit))

    def list_connections(self) -> Iterator[PolytomicConnection]:
        """Yield Polytomic's connections: ``GET /api/connections``.

        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import connections

        return self.pages(connections.list())

    def create_connection(
        self,
        name: str,
        type: str,
        configuration: Mapping[str, Any],
        *,
        organization_id: str | None = None,
        policies: Sequence[str] | None = None,
        redirect_url: str | None = None,
        healthcheck_interval: str | None = None,
        validate: bool | None = None,
        idempotency_key: str | None = None,
    ) -> PolytomicConnection:
        """Create a connection: ``POST /api/connections``.

        :param name: Name (str) that people see.
        :param type: Id (str) of the connection type, such as ``postgresql``.
        :param configuration: Mapping with the settings of this type, including its secrets.
        :param organization_id: Id (str) of its organization, for keys of several. Default None: that of the key.
        :param policies: Ids (sequence of str) of its permission policies. Default None: no policy.
        :param redirect_url: URL that the browser opens after authorization, for types that need it. Default None.
        :param healthcheck_interval: Time (str) between two health checks, such as ``3h30m``. Default None: the API's.
        :param validate: Whether the API tests the settings before it saves them (bool). Default None: it does.
        :param idempotency_key: Key (str) that makes it safe to repeat the request for 24 hours. Default None: no key.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import connections

        call = connections.create(
            name,
            type,
            configuration,
            organization_id=organization_id,
            policies=policies,
            redirect_url=redirect_url,
            healthcheck_interval=healthcheck_interval,
            validate=validate,
            idempotency_key=idempotency_key,
        )
        return self.send(call)

    def test_polytomic_connection(
        self, type: str, configuration: Mapping[str, Any], connection_id: str | None = None
    ) -> None:
        """Test the settings of a connection without saving them: ``POST /api/connections/test``.

        :param type: Id (str) of the connection type, such as ``postgresql``.
        :param configuration: Mapping with the settings to test.
        :param connection_id: Id (str) of a connection that gives the settings ``configuration`` lacks. Default None.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import connections

        self.send(connections.test(type, configuration, connection_id=connection_id))
