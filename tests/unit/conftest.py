from __future__ import annotations

from typing import Any

import pytest

from tests.support.sync_kinds import CLASSES, Kind


@pytest.fixture(params=CLASSES)
def kind(request: pytest.FixtureRequest, emulator: Any) -> Kind:
    return Kind(request.param, emulator)


@pytest.fixture(params=[False, True], ids=["worker", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    return request.param
