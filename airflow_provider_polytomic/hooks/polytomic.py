"""The hook: the client of an Airflow connection, and the calls that DAG authors make by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunTimeout
from airflow_provider_polytomic.hooks._base import BasePolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import Call
    from airflow_provider_polytomic.api.bulk_syncs import FetchMode, ResyncMode
    from airflow_provider_polytomic.api.models.base import Listing, Model
    from airflow_provider_polytomic.api.syncs import SyncMode
    from airflow_provider_polytomic.executions import Execution, ExecutionRef
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig
    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName

HIDDEN_OF_A_CONNECTION = {"configuration", "auth_code", "auth_url"}
"""Fields of a connection that the hook leaves out of its results, because they may hold secrets."""


class PolytomicHook(BasePolytomicHook):
    """Send requests to Polytomic with the key of an Airflow connection.

    The first request creates the client; the hook keeps it with its HTTP connections. ``send``, ``asend``, ``pages``
    and ``run`` return models; the other methods return JSON without secrets, which a task may return to XCom.

    :param polytomic_conn_id: Id (str) of the Airflow connection; default ``polytomic_default``.
    :param organization_id: Id (str) of the organization, for a partner or deployment key; it takes the place of the
        connection's login. Default None: the login of the connection.

    .. code-block:: python

        @task
        def start_nightly_sync() -> str:
            execution = PolytomicHook().start_sync("248df4b7-aa70-47b8-a036-33ac447e668d", resync=True)
            return execution["id"]

    .. seealso::
        How-to: ``docs/hook.md``. API: ``GET /api/me``
    """

    # Before 3.2, Airflow looks for these two in the class itself, not in its bases.
    get_ui_field_behaviour = BasePolytomicHook.get_ui_field_behaviour
    get_connection_form_widgets = BasePolytomicHook.get_connection_form_widgets

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call any operation of the API by its name, and return its response as JSON without secrets.

        A list has the rows of all its pages. See the table in ``docs/agents.md``.

        :param operation: Name (str) of the operation, such as ``"syncs.activate"``.
        :param arguments: Arguments of the operation, by name.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        :raises ValueError: if the operation does not exist, or an argument is missing, unknown or invalid
        """
        from airflow_provider_polytomic.api import catalogue

        return self.run(catalogue.answer(catalogue.build(operation, arguments)))

    def start_sync(
        self,
        sync_id: str,
        *,
        resync: bool | None = None,
        test: bool | None = None,
        identities: Sequence[str] | None = None,
        source_identities: Sequence[Sequence[Mapping[str, Any]]] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Start an execution of a model sync and do not wait for it to end: ``POST /api/syncs/{id}/executions``.

        :param sync_id: Id (str) of the model sync.
        :param resync: Whether to sync all records (bool), not only the changed ones. Default None: the API's default.
        :param test: Value (bool) that is passed on; the API does not document its effect. Default None.
        :param identities: Values (sequence of str) of the identity field: sync only these records. Default None: all.
        :param source_identities: Records, each a list of mappings with ``source`` and ``value``, at most 1000; excludes
            ``identities``. Default None: all.
        :param idempotency_key: Key (str); a start repeated with it returns the same execution. Default None: no key.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        call = syncs.start(
            sync_id,
            resync=resync,
            test=test,
            identities=identities,
            source_identities=source_identities,
            idempotency_key=idempotency_key,
        )
        return _as_json(self.send(call))

    def get_sync_status(self, sync_id: str) -> dict[str, Any]:
        """Get the current and the last execution of a model sync: ``GET /api/syncs/{id}/status``.

        :param sync_id: Id (str) of the model sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        return _as_json(self.send(syncs.get_status(sync_id)))

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
    ) -> list[dict[str, Any]]:
        """Return the model syncs of all pages, the latest changed first: ``GET /api/syncs``.

        :param active: Whether to list only active or only inactive syncs (bool). Default None: both.
        :param mode: Only syncs of this mode (str), such as ``updateOrCreate``. Default None: all.
        :param target_connection_id: Only syncs that write to the connection with this id (str). Default None: all.
        :param limit: Rows of one page, 1 to 50. Default None: 50.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import syncs

        call = syncs.list(active=active, mode=mode, target_connection_id=target_connection_id, limit=limit)
        return self._rows(call)

    def start_bulk_sync(
        self,
        bulk_sync_id: str,
        *,
        schemas: Sequence[str] | None = None,
        resync_mode: ResyncMode | None = None,
        fetch_mode: FetchMode | None = None,
        test: bool | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
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

        call = bulk_syncs.start(
            bulk_sync_id,
            schemas=schemas,
            resync_mode=resync_mode,
            fetch_mode=fetch_mode,
            test=test,
            idempotency_key=idempotency_key,
        )
        return _as_json(self.send(call))

    def get_bulk_sync_status(self, bulk_sync_id: str) -> dict[str, Any]:
        """Get the current and the last execution of a bulk sync: ``GET /api/bulk/syncs/{id}/status``.

        :param bulk_sync_id: Id (str) of the bulk sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return _as_json(self.send(bulk_syncs.get_status(bulk_sync_id)))

    def cancel_bulk_sync(self, bulk_sync_id: str) -> None:
        """Request the cancellation of a bulk sync's current execution: ``POST /api/bulk/syncs/{id}/cancel``.

        :param bulk_sync_id: Id (str) of the bulk sync.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        self.send(bulk_syncs.cancel(bulk_sync_id))

    def list_bulk_syncs(self, *, active: bool | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the bulk syncs of all pages, the latest changed first: ``GET /api/bulk/syncs``.

        :param active: Whether to list only active or only inactive syncs (bool). Default None: both.
        :param limit: Rows of one page, 1 to 50. Default None: 50.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import bulk_syncs

        return self._rows(bulk_syncs.list(active=active, limit=limit))

    def list_connections(self) -> list[dict[str, Any]]:
        """Return all connections of Polytomic, without their configuration: ``GET /api/connections``.

        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import connections

        return self._rows(connections.list(), exclude=HIDDEN_OF_A_CONNECTION)

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
    ) -> dict[str, Any]:
        """Create a connection, and return it without its configuration: ``POST /api/connections``.

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
        return _as_json(self.send(call), exclude=HIDDEN_OF_A_CONNECTION)

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

    def delete_connection(self, connection_id: str, *, force: bool | None = None) -> None:
        """Delete a connection: ``DELETE /api/connections/{id}``.

        :param connection_id: Id (str) of the connection.
        :param force: Whether to delete the syncs and everything else that uses it, too (bool). Default None: no.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import connections

        self.send(connections.delete(connection_id, force=force))

    def resolve_sync(self, kind: SyncKindName, name: str) -> str:
        """Return the id of the sync that has exactly this name: ``GET /api/syncs`` or ``GET /api/bulk/syncs``.

        :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``.
        :param name: Name (str) of the sync, as Polytomic shows it.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if no sync has the name, or several have it, or the Airflow connection cannot
            be used
        :raises ValueError: if there is no such kind
        """
        from airflow_provider_polytomic.executions import UnresolvedName, resolve_sync

        try:
            return self.run(resolve_sync(kind, name))
        except UnresolvedName as error:
            raise PolytomicRequestRefused(str(error)) from None

    def wait_for_execution(
        self,
        kind: SyncKindName,
        sync_id: str,
        execution_id: str,
        poll_interval: float | timedelta = 30.0,
        timeout: float | timedelta | None = None,
    ) -> ExecutionResult:
        """Wait until an execution ends, and return its result, also of one that failed.

        This occupies a worker slot. Each poll is a ``GET /api/syncs/{id}/executions/{id}``, or for a bulk sync a
        ``GET /api/bulk/syncs/{id}/executions/{id}``. A poll that fails is repeated.

        :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``.
        :param sync_id: Id (str) of the sync.
        :param execution_id: Id (str) of the execution.
        :param poll_interval: Seconds (float or timedelta) between two polls; default 30.
        :param timeout: Seconds (float or timedelta) to wait; default None: without limit.
        :raises PolytomicRunTimeout: if the execution has not ended by then; it goes on
        :raises PolytomicError: if Polytomic refuses a poll (400, 401, 403, 404, 422)
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        :raises ValueError: if there is no such kind, or a duration is not greater than 0
        """
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.executions import (
            CHOICES_OF_KIND,
            DeadlinePassed,
            ExecutionRef,
            sync_kind,
            wait_for_end,
            with_advice_on_id,
        )

        ref = ExecutionRef(sync_kind(kind).name, sync_id, execution_id)
        waiting = wait_for_end(ref, poll_interval, timeout)
        try:
            return self._result(self.run(with_advice_on_id(waiting, ref.kind, sync_id, CHOICES_OF_KIND)))
        except DeadlinePassed as error:
            last = error.execution
        except PolytomicError as error:
            if error.advice:
                error.args = (f"{error}. Next: {error.advice}",)
            raise
        raise self._timeout_error(ref, last)

    def _timeout_error(self, ref: ExecutionRef, last: Execution | None) -> PolytomicRunTimeout:
        from airflow_provider_polytomic.executions import Execution, report

        execution = last or Execution.unknown(ref.kind, ref.sync_id, ref.execution_id)
        steps = ["wait for it again, since it was left running", "check in Polytomic why the execution is slow"]
        return PolytomicRunTimeout(report(execution, "has not ended in time", steps), self._result(execution))

    def _result(self, execution: Execution) -> ExecutionResult:
        from airflow_provider_polytomic.api.redaction import redact
        from airflow_provider_polytomic.executions.names import find_name
        from airflow_provider_polytomic.hooks._connection import link_url

        client = self.get_conn()
        config: ConnectionConfig = client.config  # type: ignore[assignment]
        url = client.run(link_url(config, execution.kind, execution.sync_id, execution.id))
        result: ExecutionResult = redact(execution.result())
        result["url"] = url
        result["sync_name"] = client.run(find_name(execution.kind, execution.sync_id, config.secrets))
        return result

    def _rows(self, call: Call[Listing[Any]], exclude: Collection[str] = ()) -> list[dict[str, Any]]:
        return [_as_json(row, exclude) for row in self.pages(call)]


def _as_json(model: Model, exclude: Collection[str] = ()) -> dict[str, Any]:
    """Return a model of the API as JSON without secrets."""
    from airflow_provider_polytomic.api.redaction import redact

    fields: dict[str, Any] = redact(model.model_dump(mode="json", exclude=set(exclude)))
    return fields
