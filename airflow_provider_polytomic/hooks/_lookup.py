"""Look an Airflow connection up, and try again for a while if that fails.

A secrets backend or a metadata database that does not respond for a moment looks like a connection that is not defined:
Airflow logs the error of a backend and goes on to the next one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from airflow_provider_polytomic._compat import find_connection
from airflow_provider_polytomic.api.retry import Backoff
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks._connection import ConnectionConfig, connection_config
from airflow_provider_polytomic.hooks._metrics import AirflowMeter

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

LOOKUP_BACKOFF = Backoff(first=1.0, maximum=10.0)

LOOKUP_TIMEOUT = 15.0
"""Seconds within which a worker looks a connection up again; a retry of the task begins anew."""

ASYNC_LOOKUP_TIMEOUT = 180.0
"""The same in a triggerer, where it delays nobody, and where a failure would end all waits of the connection."""


@dataclass(frozen=True)
class ConnectionSource:
    """Read the settings of a client from an Airflow connection, as often as they are needed.

    :param conn_id: id of the Airflow connection
    :param get_connection: function of the hook that gets a connection in a worker
    :param organization_id: organization in place of the connection's login; default None
    """

    conn_id: str
    get_connection: Callable[[str], Connection] = field(compare=False, repr=False)
    organization_id: str | None = None

    def __post_init__(self) -> None:
        if str(self.conn_id).strip() in ("", "None"):
            raise PolytomicRequestRefused(
                f"polytomic_conn_id is {self.conn_id!r}, which is not an id. Next: check what its template renders"
            )

    def read(self) -> ConnectionConfig:
        """Read the connection.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        began = time.monotonic()
        for pause in map(LOOKUP_BACKOFF.delay, count()):
            try:
                connection = self.get_connection(self.conn_id)
            except Exception as error:
                if time.monotonic() - began + pause > LOOKUP_TIMEOUT:
                    raise
                self._log(error, pause)
                time.sleep(pause)
            else:
                return self._config(connection)
        raise AssertionError("unreachable")

    async def aread(self) -> ConnectionConfig:
        """Read the connection without blocking the event loop.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        began = time.monotonic()
        for pause in map(LOOKUP_BACKOFF.delay, count()):
            try:
                connection = await find_connection(self.conn_id)
            except Exception as error:
                if time.monotonic() - began + pause > ASYNC_LOOKUP_TIMEOUT:
                    raise
                self._log(error, pause)
                await asyncio.sleep(pause)
            else:
                return self._config(connection)
        raise AssertionError("unreachable")

    def _config(self, connection: Connection) -> ConnectionConfig:
        config = connection_config(connection, self.conn_id, self.organization_id)
        return replace(config, source=self, meter=AirflowMeter(self.conn_id))

    def _log(self, error: Exception, pause: float) -> None:
        log.warning(
            "Could not look up the Airflow connection %r; will retry in %.0f s: %s: %s",
            self.conn_id, pause, type(error).__name__, error,
        )  # fmt: skip
