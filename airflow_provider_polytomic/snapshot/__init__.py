"""A snapshot of the schemas of a bulk sync: a file from which a DAG declares assets without a request.

``python -m airflow_provider_polytomic.snapshot`` writes the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic.assets import DEFAULT_HOST, bulk_sync_asset

if TYPE_CHECKING:
    from airflow.sdk import Asset

    from airflow_provider_polytomic.api.flow import Flow


@dataclass(frozen=True)
class BulkSyncSnapshot:
    """List the enabled schemas of a bulk sync, as a file that is committed beside a DAG has them.

    :param bulk_sync_id: Id of the bulk sync (str).
    :param bulk_sync_name: Name of the bulk sync (str); default None, if it is not known.
    :param schemas: For the id of each enabled schema, its name in the destination (mapping of str to str or None);
        default: none.

    .. code-block:: python

        crm = BulkSyncSnapshot.read(Path(__file__).with_name("crm.json"))
        PolytomicStartBulkSyncOperator(
            task_id="sync", bulk_sync_id=crm.bulk_sync_id, outlets=list(crm.assets().values())
        )

    .. seealso::
        How-to: ``docs/assets.md``. API: ``GET /api/bulk/syncs/{id}/schemas``
    """

    bulk_sync_id: str
    bulk_sync_name: str | None = None
    schemas: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> BulkSyncSnapshot:
        """Read the file of a snapshot.

        :param path: Path of the file (str or Path).
        :raises ValueError: if there is no such file, or it is not a snapshot
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            snapshot = cls(content["bulk_sync_id"], content["bulk_sync_name"], dict(content["schemas"]))
            known = isinstance(snapshot.bulk_sync_id, str) and all(isinstance(each, str) for each in snapshot.schemas)
            problem = "" if known else "an id is not a text"
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            raise ValueError(
                f"{path} is not a snapshot of a bulk sync: {problem}. "
                "Next: write it with python -m airflow_provider_polytomic.snapshot"
            )
        return snapshot

    def write(self, path: str | Path) -> None:
        """Write the file of the snapshot, sorted, with one schema a line.

        :param path: Path of the file (str or Path).
        """
        text = json.dumps({**vars(self), "schemas": dict(self.schemas)}, indent=2, sort_keys=True, ensure_ascii=False)
        Path(path).write_bytes(f"{text}\n".encode())

    def assets(
        self, *, host: str = DEFAULT_HOST, organization_id: str | None = None, **options: Any
    ) -> dict[str, Asset]:
        """Return the asset of each schema, by the id of the schema.

        :param host: Host or URL (str) of Polytomic, as in the Airflow connection; default ``app.polytomic.com``.
        :param organization_id: Id of the organization (str), if the task has one; default None: no organization in the
            URI.
        :param options: Further parameters of each ``Asset``, such as ``group``.
        """
        return {
            schema: bulk_sync_asset(
                self.bulk_sync_id, schema=schema, host=host, organization_id=organization_id, **options
            )
            for schema in self.schemas
        }

    def diff(self, other: BulkSyncSnapshot) -> list[str]:
        """Return a line for each difference: ``-`` and what only this snapshot has, ``+`` and what only the other has.

        :param other: Snapshot (BulkSyncSnapshot) to compare with.
        """
        own, others = set(self._lines()), set(other._lines())
        lines = [*(f"- {line}" for line in own - others), *(f"+ {line}" for line in others - own)]
        return sorted(lines, key=lambda line: (line[2:], line))

    def _lines(self) -> Iterator[str]:
        yield f"name {self.bulk_sync_name}"
        for schema, output_name in self.schemas.items():
            yield f"schema {schema}" + (f" as {output_name}" if output_name else "")


def current_snapshot(bulk_sync_id: str) -> Flow[BulkSyncSnapshot]:
    """Request the name and the enabled schemas of a bulk sync.

    :param bulk_sync_id: id of the bulk sync
    """
    from airflow_provider_polytomic.api import bulk_syncs
    from airflow_provider_polytomic.api.flow import all_rows, send
    from airflow_provider_polytomic.executions import shown_name

    sync = yield from send(bulk_syncs.get(bulk_sync_id))
    rows = yield from all_rows(bulk_syncs.list_schemas(bulk_sync_id))
    enabled = {row.id: row.output_name for row in rows if row.id and row.enabled is not False}
    name = shown_name(sync.name) if sync.name else None
    return BulkSyncSnapshot(bulk_sync_id, name, dict(sorted(enabled.items())))
