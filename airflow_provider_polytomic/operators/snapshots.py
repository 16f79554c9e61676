"""Operator that compares the snapshot of a bulk sync with Polytomic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseOperator
from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicSnapshotOutdated
from airflow_provider_polytomic.snapshot import BulkSyncSnapshot, current_snapshot

if TYPE_CHECKING:
    from airflow.sdk import Context

MAX_DIFF_LINES = 20


class PolytomicCheckSnapshotOperator(ClientTask, BaseOperator):
    """Compare the committed snapshot of a bulk sync with Polytomic, and fail with the differences.

    :param snapshot: Path (str or Path) of the file that ``python -m airflow_provider_polytomic.snapshot`` has written.
        (templated)
    :param polytomic_conn_id: Id of the Airflow connection (str); default ``polytomic_default``. (templated)
    :param organization_id: Id of the organization (str), for a partner or deployment key; default None: the login of
        the connection. (templated)
    :raises PolytomicSnapshotOutdated: if the name or the enabled schemas of the bulk sync have changed; not retried
    :raises PolytomicRequestRefused: if the file is no snapshot, or Polytomic refuses a request (400, 401, 403, 404,
        422); not retried
    :raises PolytomicUnavailable: if Polytomic sends no usable response

    .. code-block:: python

        PolytomicCheckSnapshotOperator(task_id="check", snapshot=Path(__file__).with_name("crm.json"))

    .. seealso::
        How-to: ``docs/assets.md``. API: ``GET /api/bulk/syncs/{id}/schemas``
    """

    template_fields: Sequence[str] = ("snapshot", "polytomic_conn_id", "organization_id")
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        snapshot: str | Path,
        polytomic_conn_id: str = "polytomic_default",
        organization_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.snapshot = str(snapshot) if isinstance(snapshot, Path) else snapshot
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id

    def execute(self, context: Context) -> None:
        """Compare the snapshot."""
        from airflow_provider_polytomic.api.redaction import one_line

        try:
            committed = BulkSyncSnapshot.read(self.snapshot)
        except ValueError as error:
            raise PolytomicRequestRefused(str(error)) from None
        label = f"bulk sync {committed.bulk_sync_id}"
        with translate_api_errors(f"The schemas of {label} could not be compared", self._hook):
            current = self._hook.run(current_snapshot(committed.bulk_sync_id))
        lines = committed.diff(current)
        if not lines:
            self.log.info("The snapshot of %s is up to date: %d schemas", label, len(committed.schemas))
            return
        more = [f"    and {len(lines) - MAX_DIFF_LINES} more"] if len(lines) > MAX_DIFF_LINES else []
        shown = "\n".join([*(f"    {one_line(line)}" for line in lines[:MAX_DIFF_LINES]), *more])
        raise PolytomicSnapshotOutdated(
            f"The snapshot {Path(self.snapshot).name} of {label} is outdated:\n{shown}\n  Next:\n"
            f"    - run python -m airflow_provider_polytomic.snapshot {self.snapshot}, and commit the file"
        )
