"""The link from a task to its sync in Polytomic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import BaseOperatorLink, xcom_value

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

LINK_XCOM_KEY = "_link_PolytomicSyncLink"


class PolytomicSyncLink(BaseOperatorLink):
    """Link a task to its sync in Polytomic, as soon as the execution is known.

    The API gives no URL of a sync, so the link needs a ``link_template`` in the extra of the Airflow connection. The
    task pushes the URL to XCom, and the link reads it there.

    .. code-block:: python

        class StartAndReport(BaseOperator):
            operator_extra_links = (PolytomicSyncLink(),)

    .. seealso::
        How-to: ``docs/connection.md``
    """

    name = "Polytomic sync"

    @property
    def xcom_key(self) -> str:
        """Key of the XCom with the URL."""
        return LINK_XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL, or an empty text if there is none."""
        if hasattr(operator, "_sync_url"):  # A worker of Airflow 3 logs an error where there is no XCom.
            return str(operator._sync_url or "")
        return str(xcom_value(ti_key, LINK_XCOM_KEY) or "")
