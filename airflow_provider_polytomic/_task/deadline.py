"""Run a function with a deadline that holds even where the function never returns."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def run_with_deadline(function: Callable[[], T], timeout: float, *, name: str = "polytomic") -> T:
    """Run a function in a daemon thread and return its result.

    The timeouts of the HTTP client limit each read, and not the whole response. A function that exceeds the timeout
    keeps running in its thread until it returns or the process ends.

    :param function: The function to run; any exception that it raises is raised here.
    :param timeout: Seconds to wait for the result.
    :param name: Name of the thread.
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
