"""The asynchronous client on the event loop of Airflow's API server."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api import AsyncPolytomicClient, identity

uvloop = pytest.importorskip("uvloop", reason="Airflow 2 has no API server")


def test_the_client_sends_requests_on_uvloop(emulator):
    async def send():
        async with AsyncPolytomicClient(api_key=emulator.api_key, base_url=emulator.url) as client:
            return await client.send(identity.get())

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(send()).organization_id == emulator.organization_id
    finally:
        loop.close()
