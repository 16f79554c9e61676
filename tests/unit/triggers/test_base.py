"""What triggers of one event loop share: the look-up of the connection and the import of the heavy modules."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic._compat import AirflowException
from airflow_provider_polytomic.api.retry import Backoff
from airflow_provider_polytomic.hooks import _lookup
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.triggers import _base
from airflow_provider_polytomic.triggers._base import find_connection_config, preload


class TestLookupOfTheConnection:
    @pytest.fixture
    def lookups(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Let Airflow answer with the id of the connection, and fail for the id ``bad``."""
        lookups: list[str] = []

        async def aconfig(hook: PolytomicHook) -> Any:
            lookups.append(hook.polytomic_conn_id)
            await asyncio.sleep(0)
            if hook.polytomic_conn_id == "bad":
                raise LookupError
            return hook.polytomic_conn_id

        monkeypatch.setattr(PolytomicHook, "aconfig", aconfig)
        return lookups

    async def test_triggers_that_start_together_share_one(self, lookups):
        found = await asyncio.gather(*(find_connection_config(conn_id) for conn_id in ["one"] * 50 + ["other"] * 50))
        assert found == ["one"] * 50 + ["other"] * 50
        assert lookups == ["one", "other"]

    async def test_one_in_progress_is_shared_however_long_it_takes(self, lookups, monkeypatch):
        monkeypatch.setattr(_base, "CONNECTION_LOOKUP_INTERVAL", 0.0)
        await asyncio.gather(find_connection_config("one"), find_connection_config("one"))
        assert lookups == ["one"]

    async def test_its_result_is_used_for_a_short_time(self, lookups, monkeypatch):
        await find_connection_config("one")
        await find_connection_config("one")
        assert lookups == ["one"]
        monkeypatch.setattr(_base, "CONNECTION_LOOKUP_INTERVAL", 0.0)
        await find_connection_config("one")
        assert lookups == ["one", "one"]

    async def test_a_failure_is_not_shared_with_later_triggers(self, lookups):
        for _ in range(2):
            with pytest.raises(LookupError):
                await find_connection_config("bad")
        assert lookups == ["bad", "bad"]

    async def test_a_canceled_trigger_does_not_cancel_it_for_others(self, lookups):
        first, second = (asyncio.ensure_future(find_connection_config("one")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == "one"
        assert first.cancelled()


class TestFailingLookup:
    """A look-up that fails is tried again, once for all triggers of its connection."""

    @pytest.fixture
    def failures(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Exception]]:
        """The errors with which Airflow answers the look-ups of each connection, one after the other."""
        failures: dict[str, list[Exception]] = {"one": [], "other": []}

        async def find_connection(conn_id: str) -> Any:
            await asyncio.sleep(0)
            if failures[conn_id]:
                raise failures[conn_id].pop()
            return SimpleNamespace(password="key", login=None, host=None, schema=None, port=None, extra=None)

        monkeypatch.setattr(_lookup, "find_connection", find_connection)
        monkeypatch.setattr(_lookup, "LOOKUP_BACKOFF", Backoff(0.001, 0.001))
        return failures

    async def test_it_is_tried_again_for_all(self, failures):
        failures["one"] = [AirflowException("the conn_id `one` isn't defined"), OSError("no route to the database")]
        found = await asyncio.gather(*(find_connection_config("one") for _ in range(200)))
        assert {config.api_key for config in found} == {"key"}
        assert failures["one"] == []

    async def test_one_that_fails_for_long_fails_only_the_triggers_of_its_connection(self, failures, monkeypatch):
        monkeypatch.setattr(_lookup, "ASYNC_LOOKUP_TIMEOUT", 0.01)
        failures["one"] = [AirflowException("not defined")] * 1000
        found = await asyncio.gather(
            *(find_connection_config(conn_id) for conn_id in ["one", "other"] * 20), return_exceptions=True
        )
        assert all(isinstance(each, AirflowException) for each in found[::2])
        assert {config.api_key for config in found[1::2]} == {"key"}


class TestPreload:
    @pytest.fixture(autouse=True)
    def not_preloaded(self, monkeypatch):
        monkeypatch.setattr(_base, "_preloaded", threading.Event())

    @pytest.fixture
    def importing(self, monkeypatch):
        """Hold imports until the test lets them finish."""
        started, may_end = [], threading.Event()

        def import_module(name):
            started.append(name)
            assert may_end.wait(30)

        monkeypatch.setattr(_base, "import_module", import_module)
        return started, may_end

    async def test_all_triggers_wait_for_one_import(self, importing):
        started, may_end = importing
        waits = [asyncio.ensure_future(preload()) for _ in range(50)]
        while not started:
            await asyncio.sleep(0)
        waits[0].cancel()
        await asyncio.wait({waits[0]})
        assert not any(wait.done() for wait in waits[1:]), "a trigger continues before the import has finished"
        may_end.set()
        await asyncio.gather(*waits[1:])
        await preload()
        assert started == [_base.HEAVY_MODULE]
        assert _base._preloading == {}

    def test_each_event_loop_waits_by_itself(self, importing):
        started, may_end = importing
        threads = [threading.Thread(target=lambda: asyncio.run(preload())) for _ in range(2)]
        for thread in threads:
            thread.start()
        may_end.set()
        for thread in threads:
            thread.join(30)
        assert set(started) == {_base.HEAVY_MODULE}
        assert _base._preloading == {}

    async def test_a_failed_import_is_tried_again(self, monkeypatch):
        monkeypatch.setattr(_base, "HEAVY_MODULE", "no_such_module")
        for _ in range(2):
            with pytest.raises(ModuleNotFoundError):
                await preload()
