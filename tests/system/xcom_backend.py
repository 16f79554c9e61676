"""An XCom backend that fails while a file exists in Airflow's home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

try:
    from airflow.sdk.bases.xcom import BaseXCom
except ImportError:  # Airflow 2
    from airflow.models.xcom import BaseXCom

FLAG = "xcom_is_down"


class FailingXCom(BaseXCom):
    """Store values as Airflow does, unless the backend is down."""

    @staticmethod
    def serialize_value(value: Any, **kwargs: Any) -> Any:
        if Path(os.environ["AIRFLOW_HOME"], FLAG).exists():
            raise ConnectionError("the XCom backend is down")
        return BaseXCom.serialize_value(value, **kwargs)
