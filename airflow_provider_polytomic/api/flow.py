"""Describe operations of more than one request, without I/O.

A flow is a generator, as httpx calls the same device in ``auth_flow``. It yields calls and pauses. Each call evaluates
to its response or raises its error; the generator's return value is the result of the flow. The clients run flows:
:class:`~airflow_provider_polytomic.api.clients.PolytomicClient` with blocking I/O,
:class:`~airflow_provider_polytomic.api.clients.AsyncPolytomicClient` on an event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, Union

from airflow_provider_polytomic.api.call import Call, next_page
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.models.base import Listing

T = TypeVar("T")

MAX_ALL_ROWS = 20_000
"""Rows of a list that is kept in memory as a whole."""


@dataclass(frozen=True)
class Pause:
    """Let the client sleep for ``seconds``."""

    seconds: float


class Throttle(Pause):
    """Let the client sleep since a limit does not allow the next request yet."""


FlowStep: TypeAlias = Union[Call[Any], Pause]
Flow: TypeAlias = Generator[FlowStep, Any, T]


def send(call: Call[T]) -> Flow[T]:
    """Send one call and return its typed response.

    :raises TypeError: If it is not a call.
    """
    if not isinstance(call, Call):
        raise TypeError(f"send() takes a call, not a {type(call).__name__}: run a flow with client.run(…)")
    answer: T = yield call
    return answer


def wrap_steps(flow: Flow[T], handle: Callable[[FlowStep], Flow[Any]]) -> Flow[T]:
    """Run ``flow`` with another flow in place of each of its steps.

    :param handle: Return the flow for a step, whose result or error becomes that of the step.
    """
    try:
        step = next(flow)
        while True:
            try:
                answer = yield from handle(step)
            except PolytomicError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()


def all_rows(call: Call[Listing[T]]) -> Flow[list[T]]:
    """Return the rows of all pages of a short list; for a long one use ``pages`` of the clients.

    :raises PolytomicResponseError: If the list has more than :data:`MAX_ALL_ROWS` rows or does not end.
    """
    rows: list[T] = []
    following: Call[Any] | None = call
    while following is not None:
        page = yield from send(following)
        rows += page
        if len(rows) > MAX_ALL_ROWS:
            raise call.response_error(f"the list has more than {MAX_ALL_ROWS:,} rows")
        following = next_page(following, page)
    return rows
