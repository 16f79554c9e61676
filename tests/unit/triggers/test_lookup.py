"""Airflow is asked for a connection once for many triggers, and again when it may be another one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.triggers import _lookup
from airflow_provider_polytomic.triggers._lookup import find_connection_config


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let Airflow answer with the id of the connection, but to a bad one."""
    asked: list[str] = []

    async def aconfig(hook: PolytomicHook) -> Any:
        asked.append(hook.polytomic_conn_id)
        await asyncio.sleep(0)
        if hook.polytomic_conn_id == "bad":
            raise LookupError
        return hook.polytomic_conn_id

    monkeypatch.setattr(PolytomicHook, "aconfig", aconfig)
    return asked


async def test_many_that_begin_together_ask_once(asked):
    found = await asyncio.gather(*(find_connection_config(conn_id) for conn_id in ["one"] * 50 + ["other"] * 50))
    assert found == ["one"] * 50 + ["other"] * 50
    assert asked == ["one", "other"]


async def test_a_look_up_under_way_is_waited_for_however_long_it_takes(asked, monkeypatch):
    monkeypatch.setattr(_lookup, "FRESH", 0.0)
    await asyncio.gather(find_connection_config("one"), find_connection_config("one"))
    assert asked == ["one"]


async def test_what_was_found_is_used_for_a_short_time_only(asked, monkeypatch):
    await find_connection_config("one")
    await find_connection_config("one")
    assert asked == ["one"]
    monkeypatch.setattr(_lookup, "FRESH", 0.0)
    await find_connection_config("one")
    assert asked == ["one", "one"]


async def test_a_failure_is_not_kept(asked):
    for _ in range(2):
        with pytest.raises(LookupError):
            await find_connection_config("bad")
    assert asked == ["bad", "bad"]


async def test_a_trigger_that_is_canceled_takes_no_others_answer_away(asked):
    first, second = (asyncio.ensure_future(find_connection_config("one")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == "one"
    assert first.cancelled()
