from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_provider_polytomic.emulator import Emulator, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[Emulator]:
    with Emulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def http(emulator: Emulator) -> Iterator[httpx.Client]:
    with caller(emulator, emulator.api_key) as client:
        yield client


@pytest.fixture
def partner(emulator: Emulator) -> Iterator[httpx.Client]:
    with caller(emulator, emulator.partner_key) as client:
        yield client


def caller(emulator: Emulator, key: str) -> httpx.Client:
    """Return a client that does not load certificates, which would take longer than a test."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=emulator.url, headers=headers, timeout=10, verify=False)
