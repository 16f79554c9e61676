"""Go on with a rotated key: the connection is read again after a 401, and the request is sent once more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_polytomic.api import AsyncPolytomicClient, PolytomicAuthError, PolytomicResponseError, syncs
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.credentials import REFUSED_KEY_PAUSE
from tests.support.scripted_server import Answer, answer

from .conftest import KEY

SYNC = answer({"data": {"id": "1", "name": "n"}})
REFUSED = answer({"message": "the key is not known"}, 401)
FOREIGN = Answer(401, b"<html>Log in</html>")


@dataclass(eq=False)
class Source:
    """Give the settings as a connection has them now, and count how often they were read."""

    present: ClientConfig | None = None
    reads: int = 0
    failing: list[Exception] = field(default_factory=list)

    def read(self) -> ClientConfig:
        self.reads += 1
        if self.failing:
            raise self.failing.pop()
        assert self.present
        return self.present

    async def aread(self) -> ClientConfig:
        await asyncio.sleep(0)
        return self.read()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def config(server, source) -> ClientConfig:
    source.present = ClientConfig(KEY, server.url, source=source)
    return source.present


def rotate(source: Source, **changes: Any) -> None:
    assert source.present
    source.present = ClientConfig(**{"api_key": "the-new-key", "base_url": source.present.base_url, **changes})


def keys(server) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in server.received]


def test_a_rotated_key_goes_on_at_once(server, driver, source, config):
    rotate(source)
    server.answers(REFUSED, SYNC)
    assert driver.send(syncs.get("1"), config=config).name == "n"
    assert keys(server) == [KEY, "the-new-key"]
    assert (source.reads, driver.pauses) == (1, [])


def test_the_same_key_is_sent_once_more_after_a_few_seconds(server, driver, source, config):
    server.answers(REFUSED, SYNC)
    assert driver.send(syncs.get("1"), config=config).name == "n"
    assert keys(server) == [KEY, KEY]
    assert (source.reads, driver.pauses) == (1, [REFUSED_KEY_PAUSE])


@pytest.mark.parametrize("rotated", [False, True])
def test_a_second_refusal_decides(rotated: bool, server, driver, source, config):
    if rotated:
        rotate(source)
    server.answers(REFUSED)
    with pytest.raises(PolytomicAuthError):
        driver.send(syncs.get("1"), config=config)
    assert keys(server) == ([KEY, "the-new-key", "the-new-key"] if rotated else [KEY, KEY])


def test_a_401_that_is_not_of_the_api_makes_the_key_be_read_again_too(server, driver, source, config):
    rotate(source)
    server.answers(FOREIGN, SYNC)
    assert driver.send(syncs.get("1"), config=config, max_retries=0).name == "n"
    server.answers(FOREIGN)
    with pytest.raises(PolytomicResponseError):
        driver.send(syncs.get("1").without_retries(), config=config)


def test_a_failed_look_up_keeps_the_key(server, driver, source, config):
    source.failing = [LookupError("the database is away")]
    server.answers(REFUSED, SYNC)
    assert driver.send(syncs.get("1"), config=config).name == "n"
    assert keys(server) == [KEY, KEY]


def test_a_key_for_another_host_is_not_sent_to_this_one(server, driver, source, config):
    rotate(source, base_url="https://polytomic.example.com")
    server.answers(REFUSED)
    with pytest.raises(PolytomicAuthError):
        driver.send(syncs.get("1"), config=config)
    assert keys(server) == [KEY, KEY]


def test_without_a_connection_a_401_decides(server, driver):
    server.answers(REFUSED)
    with pytest.raises(PolytomicAuthError):
        driver.send(syncs.get("1"))
    assert len(server.received) == 1


def test_requests_that_are_refused_together_share_one_look_up(server, source, config):
    rotate(source)
    refused = 5
    server.answers(*[REFUSED] * refused, SYNC)

    async def send_all() -> list[Any]:
        async with AsyncPolytomicClient(config=config) as client:
            return await asyncio.gather(*(client.send(syncs.get(str(number))) for number in range(refused)))

    assert [sync.name for sync in asyncio.run(send_all())] == ["n"] * refused
    assert source.reads == 1
    assert keys(server).count("the-new-key") == refused
