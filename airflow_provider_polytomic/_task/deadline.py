"""Deadlines: of a function that may never return, and of a deferral."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

DEFERRAL_GRACE = 120.0
"""Seconds after which Airflow ends a deferral whose trigger has not applied the deadline."""


def deferral_timeout(left: float, poll_interval: float) -> timedelta:
    """Return the timeout of a deferral.

    :param left: seconds until the deadline of the trigger
    """
    return timedelta(seconds=max(0.0, left) + 2 * poll_interval + DEFERRAL_GRACE)


def run_with_deadline(function: Callable[[], T], timeout: float, *, name: str = "polytomic") -> T:
    """Run a function in a daemon thread, which goes on after the timeout, and return its result or raise its exception.

    The timeouts of the HTTP client limit each read, and not the whole response.

    :param timeout: seconds to wait for the result
    :raises TimeoutError: if the function has not returned in time
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(timeout)
    if not future.done():
        raise TimeoutError(f"no result within {timeout:g} s")
    return future.result()
