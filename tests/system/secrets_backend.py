"""A secrets backend that fails while a file exists in Airflow's home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.secrets.base_secrets import BaseSecretsBackend

FLAG = "secrets_are_down"
CONN_ID = "polytomic_secret"


class FailingSecrets(BaseSecretsBackend):
    """Have one connection, with the settings of the default connection."""

    def get_conn_value(self, conn_id: str, **kwargs: Any) -> str | None:
        if conn_id != CONN_ID:
            return None
        if Path(os.environ["AIRFLOW_HOME"], FLAG).exists():
            raise ConnectionError("the secrets backend is down")
        return os.environ["AIRFLOW_CONN_POLYTOMIC_DEFAULT"]

    def get_variable(self, key: str, **kwargs: Any) -> str | None:
        return None
