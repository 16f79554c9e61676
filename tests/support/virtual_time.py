"""An event loop whose time passes only while all tasks wait, so that hours take milliseconds."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any


class _Jumping(selectors.DefaultSelector):
    """Call the loop's ``idle`` instead of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            self.loop.idle(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run the function at once: time would pass while all tasks wait for a thread."""
        done = self.create_future()
        try:
            done.set_result(function(*arguments))
        except Exception as error:
            done.set_exception(error)
        return done

    def idle(self, seconds: float | None) -> None:
        """Advance the time until something is due."""
        assert seconds is not None, "all tasks wait, and nothing is due"
        self.now += seconds


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test in virtual time."""

    @functools.wraps(test)
    def run(*arguments: Any, **more: Any) -> None:
        loop = VirtualLoop()
        try:
            loop.run_until_complete(test(*arguments, **more))
            assert not asyncio.all_tasks(loop), "a task was left running"
        finally:
            loop.close()

    return run
