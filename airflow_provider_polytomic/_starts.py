"""What is to be started, from the values of templated fields; the same in a worker and in the triggerer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._task.values import as_bool, as_id, as_ids, as_list
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_polytomic.api.flow import Flow
    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.results import SchemaResult, SyncKindName


class Start(ABC):
    """The start of an execution, as a task asks for it."""

    kind: SyncKindName

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the parameters of the start, as operators and triggers call them."""
        return tuple(each.name for each in fields(cls) if each.init)  # type: ignore[arg-type]

    @classmethod
    def of(cls, task: Any) -> Self:
        """Read the start from the attributes of an operator or a trigger, by their present values."""
        return cls(**{name: getattr(task, name) for name in cls.names()})

    @property
    @abstractmethod
    def id(self) -> str:
        """The id of the sync, as text."""

    @property
    def label(self) -> str:
        """The sync, as the beginning of a sentence."""
        from airflow_provider_polytomic.executions import sync_kind

        return f"{sync_kind(self.kind).label.capitalize()} {self.id}"

    def check(self) -> Flow[None]:
        """Refuse what Polytomic is known to refuse, with a better explanation."""
        yield from ()

    @abstractmethod
    def parameters(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        """Return the start's body, given our unsuccessful executions so far."""

    def previous_schema_results(self, previous_executions: Sequence[Execution]) -> list[SchemaResult]:
        """Return the rows that belong to the result although earlier executions of ours have earned them."""
        return []


@dataclass
class SyncStart(Start):
    """The start of a model sync: ``POST /api/syncs/{id}/executions``."""

    kind = "model"

    sync_id: Any
    resync: Any = False
    test: Any = False
    identities: Any = None
    source_identities: Any = None

    @property
    def id(self) -> str:
        return as_id(self.sync_id, "sync_id")

    def parameters(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        return {
            "resync": as_bool(self.resync, "resync") or None,
            "test": as_bool(self.test, "test") or None,
            "identities": as_ids(self.identities, "identities"),
            "source_identities": as_list(self.source_identities, "source_identities"),
        }


@dataclass
class BulkSyncStart(Start):
    """The start of a bulk sync: ``POST /api/bulk/syncs/{id}/executions``."""

    kind = "bulk"

    bulk_sync_id: Any
    schemas: Any = None
    resync_mode: Any = None
    fetch_mode: Any = None
    test: Any = False
    retry_failed_schemas: bool = False
    _wanted: list[str] = field(default_factory=list, init=False)

    @property
    def id(self) -> str:
        return as_id(self.bulk_sync_id, "bulk_sync_id")

    def check(self) -> Flow[None]:
        from airflow_provider_polytomic.api import bulk_syncs
        from airflow_provider_polytomic.api.flow import all_rows

        asked = as_ids(self.schemas, "schemas")
        if not (asked or self.retry_failed_schemas):
            return
        schemas = yield from all_rows(bulk_syncs.list_schemas(self.id))
        known = [schema.id for schema in schemas if schema.id]
        self._wanted = asked or [schema.id for schema in schemas if schema.id and schema.enabled is not False]
        unknown = [schema for schema in self._wanted if schema not in known]
        if unknown:
            raise PolytomicRequestRefused(
                f"{self.label} has no schema {', '.join(map(repr, unknown))}. Next: choose among {', '.join(known)}"
            )

    def parameters(self, previous_executions: Sequence[Execution]) -> dict[str, Any]:
        test = as_bool(self.test, "test")
        if test and self.resync_mode:
            raise PolytomicRequestRefused("test=True and resync_mode exclude each other. Next: give one of them")
        schemas = as_ids(self.schemas, "schemas")
        if self.retry_failed_schemas and previous_executions:
            schemas = _uncompleted(self._wanted, previous_executions) or schemas
        return {
            "schemas": schemas,
            "resync_mode": self.resync_mode or None,
            "fetch_mode": self.fetch_mode or None,
            "test": test or None,
        }

    def previous_schema_results(self, previous_executions: Sequence[Execution]) -> list[SchemaResult]:
        return list(_latest_rows(previous_executions).values()) if self.retry_failed_schemas else []


def _latest_rows(executions: Sequence[Execution]) -> dict[str, SchemaResult]:
    """Return the row that each schema had last."""
    return {row["schema"]: row for execution in executions for row in execution.schemas}


def _uncompleted(wanted: Sequence[str], executions: Sequence[Execution]) -> list[str]:
    """List the schemas that have not completed; one that an execution has not even begun has no row in it."""
    from airflow_provider_polytomic.executions.outcome import is_completed_schema

    rows = _latest_rows(executions)
    return [schema for schema in wanted if schema not in rows or not is_completed_schema(rows[schema]["status"])]
