"""The link from a task to its sync in Polytomic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import BaseOperatorLink, xcom_value

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

LINK_XCOM_KEY = "_link_PolytomicSyncLink"


class PolytomicSyncLink(BaseOperatorLink):
    """Leads from a task to its sync in Polytomic, from the moment on when the execution is known.

    The API gives no address of a sync, so there is a link where the extra of the Airflow connection has a
    ``link_template``. The task writes the address to XCom; this reads it there.
    """

    name = "Polytomic sync"

    @property
    def xcom_key(self) -> str:
        """The XCom in which the address stands."""
        return LINK_XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address; an empty text where there is none."""
        return str(xcom_value(ti_key, LINK_XCOM_KEY) or "")
