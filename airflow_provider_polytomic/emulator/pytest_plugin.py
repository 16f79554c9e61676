"""A pytest plugin with the fixture ``polytomic_emulator``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_polytomic.emulator.server import Emulator


@pytest.fixture
def polytomic_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve an empty emulator during the test, and point the Airflow connection ``polytomic_default`` to it.

    .. code-block:: python

        def test_the_sync_runs_once(polytomic_emulator):
            sync = polytomic_emulator.add_model_sync(duration=1)
            dag.test(run_conf={"sync_id": sync.id})
            assert len(polytomic_emulator.executions(sync.id)) == 1

    .. seealso::
        How-to: ``docs/testing.md``
    """
    from airflow_provider_polytomic.emulator.server import Emulator

    with Emulator() as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
        yield emulator
