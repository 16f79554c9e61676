from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_polytomic.api import redaction

if TYPE_CHECKING:
    from tests.support.sync_kinds import Kind


@pytest.fixture(params=["model", "bulk"])
def kind(request: pytest.FixtureRequest, emulator: Any) -> Kind:
    from tests.support.sync_kinds import Kind  # here, since `make test-oldest` has no Airflow

    return Kind(request.param, emulator)


@pytest.fixture(params=[False, True], ids=["by_id", "by_name"])
def by_name(request: pytest.FixtureRequest, kind: Kind) -> None:
    """Run a test with the id and with the name of each sync."""
    kind.by_name = request.param


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
