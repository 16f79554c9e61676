from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_polytomic.api import redaction
from tests.support.sync_kinds import CLASSES, Kind


@pytest.fixture(params=CLASSES)
def kind(request: pytest.FixtureRequest, emulator: Any) -> Kind:
    return Kind(request.param, emulator)


@pytest.fixture(params=[False, True], ids=["worker", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(autouse=True)
def _no_registered_secrets() -> Iterator[None]:
    """Forget what a test sends, so that it is not hidden in the texts of other tests."""
    before = dict(redaction._registered)
    yield
    redaction._registered = before
    redaction._registered_finder.cache_clear()
