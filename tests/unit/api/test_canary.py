"""Plant secrets wherever the API could return them, and look for them in everything that is shown."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_polytomic.api import (
    PolytomicError,
    PolytomicResponseError,
    PolytomicTransportError,
    connections,
    events,
    syncs,
    webhooks,
)
from tests.support.scripted_server import HANG_UP, Answer, answer

from .conftest import KEY

PASSWORD = "canary-p@ss/wörd"
NESTED = "canary-nested-5ecret"
PROXY_PASSWORD = "canary-proxy-passw0rd"
ORGANIZATION = "org"
BASIC = base64.b64encode(f"{ORGANIZATION}:{KEY}".encode()).decode()
SECRETS = (KEY, PASSWORD, NESTED, BASIC, PROXY_PASSWORD)

CREATE = connections.create(
    "n", "postgresql", {"password": PASSWORD, "tunnel": {"ssh_key": {"lines": [NESTED]}}}, validate=True
)
ECHO = f"cannot reach postgres://user:{PASSWORD}@host with {KEY}, {NESTED}, {BASIC} or {json.dumps(PASSWORD)}"
SIGNED = f"https://files.test/a?X-Signature={KEY}"

ANSWERS = {
    "message": answer({"key": "k", "message": ECHO}, 422),
    "key": answer({"key": ECHO, "message": "m"}, 422),
    "metadata": answer({"message": "m", "metadata": {"why": [ECHO, {"deep": ECHO}], ECHO: 1, "url": SIGNED}}, 400),
    "used by": answer({"message": "m", "metadata": {"used_by": [{"type": ECHO, "name": ECHO, "id": ECHO}]}}, 422),
    "server error": answer({"error": ECHO}, 500),
    "HTML": Answer(502, f"<html>{ECHO}".encode(), {"Content-Type": "text/html"}),
    "HTML with 200": Answer(200, f"<html>{ECHO}".encode(), {"Content-Type": f"text/html; {KEY}"}),
    "content type": Answer(200, b"x", {"Content-Type": KEY}),
    "another shape": answer({"data": {"id": [ECHO], "name": {ECHO: ECHO}}}),
    "truncated": Answer(200, f'{{"data": "{ECHO}'.encode(), {"Content-Type": "application/json"}),
    "redirect": Answer(302, b"", {"Location": SIGNED}),
    "header": Answer(500, b"{}", {"X-Echo": f"Authorization: Bearer {KEY}", "Set-Cookie": f"session={KEY}"}),
    "bad gzip": Answer(200, ECHO.encode(), {"Content-Encoding": "gzip"}),
    "hang up": HANG_UP,
    "no status line": Answer(200, b"", {"X-Odd\r\n\r\nHTTP/1.1": KEY}),
}


def readable(value: Any, seen: set[int] | None = None) -> Iterator[str]:
    """List every text that a value and its parts show."""
    seen = seen if seen is not None else set()
    if id(value) in seen:
        return
    seen.add(id(value))
    yield str(value)
    yield repr(value)
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        inner = [*value]
    elif isinstance(value, BaseException):
        inner = [value.args, vars(value), value.__cause__, value.__context__]
        yield "".join(traceback.format_exception(value))
    else:
        inner = []
    for item in inner:
        yield from readable(item, seen)


def assert_hidden(*values: Any) -> None:
    for value in values:
        for text in readable(value):
            for secret in (*SECRETS, json.dumps(PASSWORD)[1:-1]):
                assert secret not in text


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "airflow_provider_polytomic"):
        caplog.set_level(logging.DEBUG, name)
    return caplog


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS)
def test_no_failure_shows_a_secret(reply: Answer, server, driver, log):
    server.answers(reply)
    with pytest.raises(PolytomicError) as caught:
        driver.send(CREATE, organization_id=ORGANIZATION, max_retries=1)
    assert_hidden(caught.value, [record.getMessage() for record in log.records], log.text)
    assert {record.name for record in log.records} >= {"httpcore.http11"}
    assert not [record for record in log.records if record.name == "httpx" and record.levelno >= logging.INFO]


def test_a_secret_name_in_a_response_of_another_shape_is_not_shown(server, driver):
    server.answers(answer({"data": {KEY: {"values": 5}}}))
    with pytest.raises(PolytomicResponseError, match=r"data\.\*\*\*\.values") as caught:
        driver.send(connections.get_parameter_values("1"), max_retries=0)
    assert_hidden(caught.value)


def test_no_success_shows_a_secret_in_log_or_repr(server, driver, log):
    reply = {"id": "1", "auth_url": SIGNED, "auth_code": KEY, "configuration": {"password": PASSWORD}, "logs": SIGNED}
    server.answers(answer({"data": reply}, X_Echo=KEY))
    connection = driver.send(CREATE)
    assert connection.auth_code == KEY
    assert_hidden(connection, CREATE, log.text, [record.getMessage() for record in log.records])


@pytest.mark.parametrize(
    ("call", "reply"),
    [
        (syncs.get("1"), {"id": "1", "encryption_passphrase": KEY, "target": {"url": SIGNED, "api_key": KEY}}),
        (syncs.get_log_urls("1", "2", "errors"), {"urls": [SIGNED]}),
        (syncs.get_logs_index("1", "2"), {"errors": {"count": 1, "url": SIGNED}}),
        (connections.connect("n", "https://x.test"), {"redirect_url": f"https://x.test/{KEY}", "token": KEY}),
        (connections.execute_proxy("1", request={}), {"body": KEY, "headers": {"X": KEY}, "jobUrl": SIGNED}),
        (webhooks.get("1"), {"id": "1", "secret": KEY}),
    ],
    ids=lambda value: value.path if hasattr(value, "path") else "",
)
def test_no_repr_of_an_answer_shows_a_secret(call, reply):
    assert_hidden(call.read({"data": reply}))


def test_a_payload_of_signed_urls_is_not_shown():
    event = {"id": "1", "event": {"logs_url": SIGNED, "inserted_records": [SIGNED]}}
    assert_hidden(events.list().read({"data": [event]}))


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ReadTimeout, httpx.ProxyError, httpx.DecodingError])
def test_no_transport_error_shows_a_secret(kind: type[httpx.HTTPError], driver, log):
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind(f"could not connect to https://u:{PROXY_PASSWORD}@proxy, {PROXY_PASSWORD}: {ECHO}")

    settings = {"proxy": f"http://u:{PROXY_PASSWORD}@proxy.test", "organization_id": ORGANIZATION, "allow_http": True}
    with pytest.raises(PolytomicError) as caught:
        driver.send(CREATE, transport=httpx.MockTransport(fail), max_retries=1, **settings)
    assert_hidden(caught.value, log.text)


def test_a_real_proxy_failure_does_not_show_its_password(server, driver, log):
    server.answers(Answer(407, b"", {"Proxy-Authenticate": f'Basic realm="{PROXY_PASSWORD}"'}))
    proxy = server.url.replace("http://", f"http://u:{PROXY_PASSWORD}@")
    with pytest.raises(PolytomicTransportError) as caught:
        driver.send(CREATE, base_url="https://polytomic.test", proxy=proxy, max_retries=0)
    assert_hidden(caught.value, log.text, [record.getMessage() for record in log.records])


def test_the_log_of_other_requests_is_not_changed(server, log):
    server.answers(answer({}))
    httpx.get(server.url)
    assert [record for record in log.records if record.name == "httpx"]
