"""What a triggerer imports when it first waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from airflow_provider_polytomic.triggers import _preload


@pytest.fixture(autouse=True)
def not_imported(monkeypatch):
    monkeypatch.setattr(_preload, "_imported", threading.Event())


@pytest.fixture
def importing(monkeypatch):
    """Let imports go on only when a test says so."""
    begun, may_end = [], threading.Event()

    def import_module(name):
        begun.append(name)
        assert may_end.wait(30)

    monkeypatch.setattr(_preload, "import_module", import_module)
    return begun, may_end


async def test_all_wait_for_one_import(importing):
    begun, may_end = importing
    waits = [asyncio.ensure_future(_preload.ready()) for _ in range(50)]
    while not begun:
        await asyncio.sleep(0)
    waits[0].cancel()
    await asyncio.wait({waits[0]})
    assert not any(wait.done() for wait in waits[1:]), "nobody goes on with a module that is half there"
    may_end.set()
    await asyncio.gather(*waits[1:])
    await _preload.ready()
    assert begun == [_preload.WATCHER]
    assert _preload._importing == {}


def test_each_event_loop_waits_by_itself(importing):
    begun, may_end = importing
    threads = [threading.Thread(target=lambda: asyncio.run(_preload.ready())) for _ in range(2)]
    for thread in threads:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert set(begun) == {_preload.WATCHER}
    assert _preload._importing == {}


async def test_an_import_that_fails_is_tried_again(monkeypatch):
    monkeypatch.setattr(_preload, "WATCHER", "no_such_module_of_ours")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            await _preload.ready()
