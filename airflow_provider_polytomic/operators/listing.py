"""Operators that list organizations and syncs, for dynamic task mapping, and executions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic._task.link import push_link
from airflow_provider_polytomic._task.storable import storable
from airflow_provider_polytomic._task.sync_task import SyncTask
from airflow_provider_polytomic._task.values import as_datetime, as_id, as_list, choice, is_templated
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.results import ExecutionResult, SyncKindName

OUTCOMES = ("success", "partial", "failed", "canceled", "running")

MAX_LISTED_EXECUTIONS = 1000


class PolytomicListOrganizationsOperator(ClientTask, BaseOperator):
    """List the organizations of a partner when the task runs, so that a task can be mapped over them.

    Returns a list of ``{"organization_id", "name"}``, the partner's own organization first. The Airflow connection has
    the key of the partner and no login.

    :param name_pattern: Shell pattern (str) that the name must match, such as ``"Customer *"``; default None.
        (templated)
    :param include_owner: Whether to list the partner's own organization, too (bool); default True.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a key that Polytomic takes only with one; default None:
        the login of the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response

    .. code-block:: python

        organizations = PolytomicListOrganizationsOperator(task_id="organizations", include_owner=False)
        PolytomicStartSyncOperator.partial(task_id="sync", sync_name="Customers to CRM").expand(
            organization_id=organizations.output.map(lambda organization: organization["organization_id"])
        )

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/organizations``
    """

    template_fields: Sequence[str] = ("name_pattern", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        name_pattern: str | None = None,
        include_owner: bool = True,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name_pattern = name_pattern
        self.include_owner = include_owner
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the organizations."""
        from airflow_provider_polytomic.api import organizations

        with translate_api_errors("The organizations could not be listed", self._hook):
            rows = list(self._hook.pages(organizations.list()))
        listed = [
            {"organization_id": row.id, "name": row.name}
            for row in rows[0 if self.include_owner else 1 :]
            if _matches(row.name, self.name_pattern)
        ]
        self.log.info("Listed %d organizations", len(listed))
        return storable(listed, "the list of organizations")


class PolytomicListSyncsOperator(ClientTask, BaseOperator):
    """List the syncs when the task runs, so that parsing the DAG file makes no request.

    Returns a list of ``{"kind", "sync_id", "name", "active"}`` from all pages, the latest changed sync first.

    :param kind: Kind of the syncs (str), ``"model"`` or ``"bulk"``; default ``"model"``.
    :param active: Whether to list only active or only inactive syncs (bool); default None: both.
    :param name_pattern: Shell pattern (str) that the name must match, such as ``"Salesforce *"``; default None.
        (templated)
    :param connection_id: Id of the connection (str) that the syncs write to; default None: any. (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        syncs = PolytomicListSyncsOperator(task_id="list", kind="bulk", active=True)
        PolytomicStartBulkSyncOperator.partial(task_id="start").expand(
            bulk_sync_id=syncs.output.map(lambda sync: sync["sync_id"])
        )

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/syncs``, ``GET /api/bulk/syncs``
    """

    template_fields: Sequence[str] = ("name_pattern", "connection_id", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        kind: SyncKindName = "model",
        active: bool | None = None,
        name_pattern: str | None = None,
        connection_id: str | None = None,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.active = active
        self.name_pattern = name_pattern
        self.connection_id = connection_id
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the syncs."""
        from airflow_provider_polytomic.executions import sync_kind

        kind = sync_kind(self.kind)
        connection_id = None if self.connection_id is None else as_id(self.connection_id, "connection_id")
        with translate_api_errors(f"The {kind.label}s could not be listed", self._hook):
            syncs = [
                {"kind": self.kind, "sync_id": sync.id, "name": sync.name, "active": sync.active}
                for sync in self._hook.pages(kind.api.list(active=self.active))
                if self._matches(sync, connection_id)
            ]
        self.log.info("Listed %d %ss", len(syncs), kind.label)
        return storable(syncs, "the list of syncs")

    def _matches(self, sync: Any, connection_id: str | None) -> bool:
        target = sync.target_connection_id if self.kind == "model" else sync.destination_connection_id
        return _matches(sync.name, self.name_pattern) and connection_id in (None, target)


class PolytomicListExecutionsOperator(SyncTask, BaseOperator):
    """List the executions of a sync, and return their results, the newest first.

    A result may lack its counts and its schemas, since no request is sent for each execution. So an outcome is the one
    that the list shows: an execution whose failed schemas the list leaves out counts as ``"success"``.

    :param kind: Kind of the sync (str), ``"model"`` or ``"bulk"``; default ``"model"``.
    :param sync_id: Id of the sync (str); default None. (templated)
    :param sync_name: Exact name of the sync (str), instead of its id; default None. (templated)
    :param outcome: Outcome (str), or several of them (sequence of str), of the executions to list: ``"success"``,
        ``"partial"``, ``"failed"``, ``"canceled"`` or ``"running"``; default None or an empty list: any. (templated)
    :param completed_after: Time (datetime, or str in ISO 8601) at or after which an execution must have completed;
        default None: any, and those that are running. (templated)
    :param limit: Largest number of executions (int), from 1 to 1000; default 100.
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicRequestRefused: if Polytomic refuses a request (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response
    :raises ValueError: if a parameter is invalid, when the DAG file is parsed

    .. code-block:: python

        PolytomicListExecutionsOperator(
            task_id="failed",
            sync_id="248df4b7-aa70-47b8-a036-33ac447e668d",
            outcome="failed",
            completed_after="{{ data_interval_end - macros.timedelta(days=1) }}",
        )

    .. seealso::
        How-to: ``docs/many_syncs.md``. API: ``GET /api/syncs/{id}/executions``, ``GET /api/bulk/syncs/{id}/executions``
    """

    template_fields: Sequence[str] = (
        "sync_id", "sync_name", "outcome", "completed_after", "polytomic_conn_id", "organization_id",
    )  # fmt: skip
    operator_extra_links = (PolytomicSyncLink(),)

    def __init__(
        self,
        *,
        kind: SyncKindName = "model",
        sync_id: str | None = None,
        sync_name: str | None = None,
        outcome: str | Sequence[str] | None = None,
        completed_after: datetime | str | None = None,
        limit: int = 100,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind: SyncKindName = choice(kind, "kind", "model", "bulk")
        self.sync_id = sync_id
        self.sync_name = sync_name
        self._check_sync_parameters()
        self.outcome = outcome
        if isinstance(outcome, (str, list, tuple)) and not is_templated(outcome):
            self._read_outcomes()
        self.completed_after = completed_after
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LISTED_EXECUTIONS:
            raise ValueError(f"limit must be a whole number from 1 to {MAX_LISTED_EXECUTIONS}, not {limit!r}")
        self.limit = limit
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id

    def execute(self, context: Context) -> list[ExecutionResult]:
        """List the executions."""
        from airflow_provider_polytomic.executions import CHOICES_OF_KIND, CompletedSince, list_executions

        after = None if self.completed_after is None else as_datetime(self.completed_after, "completed_after")
        try:
            outcomes = self._read_outcomes()
        except ValueError as error:
            raise PolytomicRequestRefused(f"{error}. Next: check what its template renders") from None
        label = self._label[:1].lower() + self._label[1:]
        client = self._hook.get_conn()
        with translate_api_errors(f"The executions of {label} could not be listed", self._hook):
            client.run(self._resolve_sync(context))
            sync_id = self._sync_id
            since = after or datetime.fromtimestamp(0, timezone.utc)
            push_link(self, context, client, CompletedSince(self.kind, sync_id, since))
            listing = list_executions(self.kind, sync_id, outcomes=outcomes, completed_after=after, limit=self.limit)
            listed = client.run(self._with_advice(listing, CHOICES_OF_KIND))
            executions = self._with_links(client, sync_id, listed)
        self.log.info("Listed %d executions of %s", len(executions), label)
        return storable([each.result(len(executions)) for each in executions], "the list of executions")

    def _read_outcomes(self) -> list[str] | None:
        outcomes = as_list(self.outcome, "outcome")
        for each in outcomes or ():
            choice(each, "outcome", *OUTCOMES)
        return outcomes

    def _with_links(self, client: PolytomicClient, sync_id: str, executions: Sequence[Execution]) -> list[Execution]:
        from airflow_provider_polytomic.hooks._connection import link_urls

        urls = client.run(link_urls(client.config, self.kind, sync_id, [each.id for each in executions]))
        return [replace(each, url=url, sync_name=self._sync_name or None) for each, url in zip(executions, urls)]


def _matches(name: str | None, pattern: Any) -> bool:
    """Return whether a name matches a pattern, which a native template may have rendered to a number."""
    return pattern in (None, "") or fnmatchcase(name or "", str(pattern))
