"""Give tests an emulated Polytomic, by the fixture ``polytomic_emulator``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_polytomic.emulator.server import Emulator


@pytest.fixture
def polytomic_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Serve a fresh, empty emulator, with the Airflow connection ``polytomic_default`` pointing at it."""
    from airflow_provider_polytomic.emulator.server import Emulator

    with Emulator() as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)
        yield emulator
