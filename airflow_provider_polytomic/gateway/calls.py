"""Send the calls of all callers with one client, and log each of them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_polytomic.api import AsyncPolytomicClient, Call, Flow, PolytomicAPIError, PolytomicError, send
from airflow_provider_polytomic.api.catalogue import Operation, as_json, send_or_list
from airflow_provider_polytomic.api.models.base import RawResponse
from airflow_provider_polytomic.api.redaction import one_line, redact
from airflow_provider_polytomic.api.secret_values import secrets_in

MAX_CALLER_LENGTH = 80

T = TypeVar("T")
log = logging.getLogger(__name__)


class Gateway:
    """Call the operations that the gateway offers.

    :param operations: Operations by their tool names.
    :param client: Client that sends all calls.
    :param clock: Return monotonic seconds, for the log; default ``time.monotonic``.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        client: AsyncPolytomicClient,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operations = operations
        self._client = client
        self._clock = clock

    async def value(self, operation: Operation, arguments: Mapping[str, Any], caller: str) -> Any:
        """Call an operation and return the value of its response as plain JSON without secrets.

        :param caller: Name or address of the caller, for the log.
        :raises PolytomicError: If a request fails.
        :raises ValueError: If an argument is missing, unknown or invalid.
        """

        def flow() -> Flow[tuple[Call[Any], Any]]:
            call = operation.build(arguments)
            return call, (yield from send_or_list(call))

        return await asyncio.to_thread(as_json, *await self._run(operation, flow, caller))

    async def response(self, operation: Operation, arguments: Mapping[str, Any], caller: str) -> RawResponse:
        """Call an operation and return the response of Polytomic without secrets.

        :param caller: Name or address of the caller, for the log.
        :raises PolytomicError: If the request fails.
        :raises ValueError: If an argument is missing, unknown or invalid.
        """

        def flow() -> Flow[tuple[Call[RawResponse], RawResponse]]:
            call: Call[RawResponse] = replace(operation.build(arguments), model=RawResponse)
            return call, (yield from send(call))

        return await asyncio.to_thread(_without_secrets, *await self._run(operation, flow, caller))

    async def _run(self, operation: Operation, flow: Callable[[], Flow[T]], caller: str) -> T:
        began, outcome = self._clock(), "canceled"
        try:
            result = await self._client.run(flow())
            outcome = "ok"
            return result
        except PolytomicError as error:
            outcome = str(error.status_code) if isinstance(error, PolytomicAPIError) else type(error).__name__
            raise
        except (ValueError, RecursionError):
            outcome = "invalid arguments"
            raise
        finally:
            who = one_line(caller, MAX_CALLER_LENGTH)
            log.info("Called %s for %s in %.0f ms: %s", operation.name, who, 1000 * (self._clock() - began), outcome)


def _without_secrets(call: Call[RawResponse], response: RawResponse) -> RawResponse:
    """Return the response byte by byte if it has no secret."""
    shown = redact(response.payload, *secrets_in(call.body))
    if not response.content or json.loads(response.content) == shown:
        return response
    return replace(response, content=json.dumps(shown, ensure_ascii=False).encode(), payload=shown)
