"""The console log of an execution that a trigger waits for, in the trigger's log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import ClientConfig
    from airflow_provider_polytomic.executions import ExecutionRef


@asynccontextmanager
async def console_followed(config: ClientConfig, run: ExecutionRef, show: Callable[[str], None]) -> AsyncIterator[None]:
    """Follow the console log beside the wait in the body, and look once more when that has ended.

    A body that is canceled is not held up by another look.

    :param show: takes one line at a time
    """
    from airflow_provider_polytomic.api import shared_client
    from airflow_provider_polytomic.executions import ConsoleLogReader, DeadlinePassed, follow_console_log

    console = ConsoleLogReader(run, show, config.secrets)
    async with shared_client(config) as client:
        following = asyncio.ensure_future(client.run(follow_console_log(console)))
        try:
            yield
        except DeadlinePassed:
            await _stopped(following)
            await client.run(console.fetch())
            raise
        finally:
            await _stopped(following)
        await client.run(console.fetch())


async def _stopped(following: asyncio.Future[None]) -> None:
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
