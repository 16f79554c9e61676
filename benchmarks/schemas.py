"""Compare waits for many schemas of one execution with one wait for the execution: ``python -m benchmarks.schemas``."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import resource
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

from airflow_provider_polytomic.api import ClientConfig
from airflow_provider_polytomic.executions import ExecutionRef
from airflow_provider_polytomic.executions.poller import shared_poller

SCHEMAS = 200
INTERVAL = 2.0
INTERVALS = 20


def serve(pipe: Connection) -> None:
    """Run the emulator with one execution that does not end; answer each message with the number of requests."""
    from airflow_provider_polytomic.emulator import Emulator

    emulator = Emulator()
    emulator.open()
    schemas = [{"id": str(number), "duration": float("inf")} for number in range(SCHEMAS)]
    sync_id = emulator.add_bulk_sync(schemas=schemas, duration=float("inf")).id
    pipe.send((emulator.api_key, emulator.url, sync_id, emulator.start(sync_id).id))
    while pipe.recv():
        pipe.send(len(emulator.requests))


async def measure(config: ClientConfig, ref: ExecutionRef, schemas: Sequence[str | None], pipe: Connection) -> str:
    """Return the row of the table for waits for these schemas; None is a wait for the execution."""
    async with shared_poller(config) as poller:
        waits = [
            asyncio.ensure_future(poller.wait_for_end(ref, poll_interval=INTERVAL, schema=each)) for each in schemas
        ]
        await asyncio.sleep(INTERVAL)
        requests, cpu = _requests(pipe), _cpu()
        await asyncio.sleep(INTERVAL * INTERVALS)
        requests, cpu = _requests(pipe) - requests, _cpu() - cpu
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return f"| {len(schemas)} | {requests / INTERVALS:.2f} | {cpu / INTERVALS * 1000:.1f} |"


def _requests(pipe: Connection) -> int:
    pipe.send(True)
    return int(pipe.recv())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Print the table."""
    logging.disable(logging.INFO)
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    server = context.Process(target=serve, args=(other,), daemon=True)
    server.start()
    key, url, sync_id, execution_id = pipe.recv()
    config, ref = ClientConfig(key, base_url=url), ExecutionRef("bulk", sync_id, execution_id)
    cases: list[list[str | None]] = [[None], [str(number) for number in range(SCHEMAS)]]
    rows = [asyncio.run(measure(config, ref, schemas, pipe)) for schemas in cases]
    pipe.send(False)
    sys.stdout.write("\n".join(["| waits | requests / interval | CPU ms / interval |", "|---|---|---|", *rows, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
