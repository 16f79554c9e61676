"""What takes more than one request, written without any way to send one.

A protocol is a generator. It yields calls and pauses, is sent the answers, and has the errors thrown in; what it
returns is its result. The clients drive it:
:class:`~airflow_provider_polytomic.api.clients.PolytomicClient` with blocking I/O,
:class:`~airflow_provider_polytomic.api.clients.AsyncPolytomicClient` on an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, Union

from airflow_provider_polytomic.api.call import Call, Listing, next_page
from airflow_provider_polytomic.api.errors import PolytomicError

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Let ``seconds`` pass."""

    seconds: float


FlowStep: TypeAlias = Union[Call[Any], Pause]
Flow: TypeAlias = Generator[FlowStep, Any, T]


def send(call: Call[T]) -> Flow[T]:
    """Send one call and return its answer, typed."""
    answer: T = yield call
    return answer


def wrap_steps(protocol: Flow[T], do: Callable[[FlowStep], Flow[Any]]) -> Flow[T]:
    """Run ``protocol`` with each of its steps done by another one.

    :param do: given a step, returns its answer, or raises what the step is to raise
    """
    try:
        step = next(protocol)
        while True:
            try:
                answer = yield from do(step)
            except PolytomicError as error:
                step = protocol.throw(error)
            else:
                step = protocol.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        protocol.close()


def all_rows(call: Call[Listing[T]]) -> Flow[list[T]]:
    """Follow a short list to its end and return its rows; for a long one see the clients' ``pages``."""
    rows: list[T] = []
    following: Call[Any] | None = call
    while following is not None:
        page = yield from send(following)
        rows += page.rows
        following = next_page(following, page)
    return rows
