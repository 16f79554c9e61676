"""The fields of a connection, however the connection is defined."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.hooks import _connection
from airflow_provider_polytomic.hooks._connection import ConnectionExtra
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS
from tests.support.scripted_server import Answer, Server, answer, dripping

KEY = "canary-5ecret-4pi-key"


@pytest.fixture
def config(monkeypatch):
    """Define the connection as JSON, and read it."""

    def read(**fields: Any) -> Any:
        defined = {"conn_type": "polytomic", "password": KEY, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", json.dumps(defined))
        return PolytomicHook().config()

    return read


@pytest.fixture
def config_from_uri(monkeypatch):
    def read(uri: str) -> Any:
        monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", uri)
        return PolytomicHook().config()

    return read


def refusal(read: Any, **fields: Any) -> str:
    with pytest.raises(PolytomicRequestRefused) as raised:
        read(**fields)
    message = str(raised.value)
    assert KEY not in message
    assert "'polytomic_default'" in message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    return message


def test_a_key_alone_is_sent_as_a_bearer_token(config):
    assert config().headers["Authorization"] == f"Bearer {KEY}"


def test_a_key_with_an_organization_is_sent_as_basic_credentials(config):
    assert config(login="org", password="key").headers["Authorization"] == "Basic b3JnOmtleQ=="


def test_space_around_key_and_organization_is_stripped(config):
    assert config(login=" \n", password=f" {KEY}\n").headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("password", ["", " \n", None])
def test_a_connection_without_a_key_is_refused_although_the_environment_has_one(config, monkeypatch, password):
    monkeypatch.setenv("POLYTOMIC_API_KEY", KEY)
    assert "there is no API key in its password" in refusal(config, password=password)


@pytest.mark.parametrize("password", [f"{KEY}\nand", f"{KEY}é"])
def test_a_key_with_invalid_characters_is_refused(config, password):
    assert "characters that no key has" in refusal(config, password=password)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://app.polytomic.com"),
        ({"host": " "}, "https://app.polytomic.com"),
        ({"host": "polytomic.example.com"}, "https://polytomic.example.com"),
        ({"host": "https://polytomic.example.com"}, "https://polytomic.example.com"),
        ({"host": " polytomic.example.com "}, "https://polytomic.example.com"),
        ({"host": "polytomic.example.com/some/prefix"}, "https://polytomic.example.com/some/prefix"),
        ({"host": "https://polytomic.example.com/prefix/"}, "https://polytomic.example.com/prefix"),
        ({"host": "polytomic.example.com", "port": 8443}, "https://polytomic.example.com:8443"),
        ({"host": "polytomic.example.com/prefix", "port": 8443}, "https://polytomic.example.com:8443/prefix"),
        ({"host": "https://polytomic.example.com/prefix", "port": 1}, "https://polytomic.example.com:1/prefix"),
        ({"host": "polytomic.example.com:444", "port": 8443}, "https://polytomic.example.com:444"),
        ({"host": "polytomic.example.com", "schema": "https"}, "https://polytomic.example.com"),
        ({"port": 443}, "https://app.polytomic.com"),
        ({"port": 8443}, "https://app.polytomic.com:8443"),
        ({"host": "polytomic.example.com", "port": 443}, "https://polytomic.example.com"),
        ({"host": "https://polytomic.example.com:443/prefix"}, "https://polytomic.example.com/prefix"),
        ({"host": "2001:db8::1", "port": 443}, "https://[2001:db8::1]"),
        ({"host": "http://localhost:80"}, "http://localhost"),
        ({"host": "http://localhost", "port": 443}, "http://localhost:443"),
        ({"host": "localhost", "schema": "http", "port": 8765}, "http://localhost:8765"),
        ({"host": "http://127.0.0.1:8765"}, "http://127.0.0.1:8765"),
        ({"host": "http://127.0.0.1", "port": 8765, "schema": "https"}, "http://127.0.0.1:8765"),
        ({"host": "2001:db8::1"}, "https://[2001:db8::1]"),
        ({"host": "2001:db8::1", "port": 8443}, "https://[2001:db8::1]:8443"),
        ({"host": "[2001:db8::1]", "port": 8443}, "https://[2001:db8::1]:8443"),
        ({"host": "http://[::1]:8765/prefix"}, "http://[::1]:8765/prefix"),
        ({"host": "::1", "schema": "http", "port": 8765}, "http://[::1]:8765"),
    ],
)
def test_host_port_and_schema_give_the_base_url(config, fields, url):
    assert config(**fields).base_url == url


@pytest.mark.parametrize("host", ["http://polytomic.example.com", "http://10.0.0.1", "http://[2001:db8::1]"])
def test_a_key_never_crosses_a_network_in_clear(config, host):
    assert "unencrypted" in refusal(config, host=host)
    assert "unencrypted" in refusal(config, host=host.removeprefix("http://"), schema="http")


@pytest.mark.parametrize("allowed", [True, "true", "1"])
def test_plain_http_can_be_allowed(config, allowed):
    fields = {"host": "http://polytomic.example.com", "extra": {"allow_http": allowed}}
    assert config(**fields).base_url == "http://polytomic.example.com"


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "ftp://polytomic.example.com"},
        {"host": "polytomic.example.com", "schema": "ftp"},
        {"host": "https://"},
        {"host": "https://polytomic.example.com:port"},
        {"host": f"https://user:{KEY}@polytomic.example.com"},
        {"host": f"https://polytomic.example.com?key={KEY}"},
    ],
)
def test_an_invalid_host_is_refused(config, fields):
    message = refusal(config, **fields)
    assert "ftp" not in message


def test_without_extras_the_defaults_hold(config):
    settings = config(extra={"api_version": "", "timeout": None, "verify": "", "proxy": "", "max_retries": None})
    assert (settings.api_version, settings.timeout, settings.verify) == ("2025-09-18", 30.0, True)
    assert (settings.proxy, settings.max_retries, settings.allow_http) == (None, 5, False)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"api_version": "2024-02-08"}, {"api_version": "2024-02-08"}),
        ({"timeout": 7}, {"timeout": 7.0}),
        ({"timeout": 2.5}, {"timeout": 2.5}),
        ({"timeout": "7"}, {"timeout": 7.0}),
        ({"verify": False}, {"verify": False}),
        ({"verify": "false"}, {"verify": False}),
        ({"verify": "True"}, {"verify": True}),
        ({"proxy": "http://user:pass@proxy.example.com:3128"}, {"proxy": "http://user:pass@proxy.example.com:3128"}),
        ({"max_retries": 0}, {"max_retries": 0}),
        ({"max_retries": "3"}, {"max_retries": 3}),
        ({"max_requests_per_minute": "600"}, {"max_requests_per_minute": 600}),
        ({"trust_events": "true"}, {"trust_events": True}),
        ({"verify": " No "}, {"verify": False}),
    ],
)
def test_extras_are_json_types_or_text(config, extra, expected):
    settings = config(extra=extra)
    assert {name: getattr(settings, name) for name in expected} == expected


def test_unknown_extras_are_ignored(config):
    assert config(extra={"something_else": [1]}) == config()


def test_the_form_shows_the_extras_that_are_read():
    assert list(CONNECTION_FIELDS) == list(ConnectionExtra.model_fields)


def test_verify_takes_the_path_of_a_bundle(config, tmp_path):
    certifi = pytest.importorskip("certifi")
    assert config(extra={"verify": certifi.where()}).verify == certifi.where()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_version", "newest"),
        ("api_version", "2025-09-18\r\nX-Other: 1"),
        ("timeout", "soon"),
        ("timeout", 0),
        ("timeout", "nan"),
        ("timeout", "inf"),
        ("timeout", [30]),
        ("verify", "/no/such/bundle.pem"),
        ("max_retries", -1),
        ("max_retries", 2.5),
        ("max_retries", float("inf")),
        ("max_requests_per_minute", 0),
        ("trust_events", "perhaps"),
        ("allow_http", "perhaps"),
    ],
)
def test_an_invalid_extra_is_named(config, name, value):
    assert f"its extra {name!r} is not" in refusal(config, extra={name: value})


def test_an_invalid_proxy_is_reported_without_its_password(config):
    message = refusal(config, extra={"proxy": f"user:{KEY}@proxy"})
    assert "the proxy must look like" in message


def test_an_invalid_ca_bundle_is_named(config, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("not a certificate")
    assert "its extra 'verify' is not" in refusal(config, extra={"verify": str(bundle)})


@pytest.mark.parametrize("extra", ["[]", "3", "{", "null"])
def test_an_extra_that_is_no_json_object_is_refused(monkeypatch, extra):
    class Connection:
        host = schema = login = port = None
        password = KEY

    connection = Connection()
    connection.extra = extra
    monkeypatch.setattr(PolytomicHook, "get_connection", lambda self, conn_id: connection)
    with pytest.raises(PolytomicRequestRefused, match="its extra is not a JSON object"):
        PolytomicHook().config()


def test_a_uri_gives_the_same_settings_as_json(config_from_uri):
    settings = config_from_uri(
        f"polytomic://org:{KEY}@polytomic.example.com:8443/https"
        "?timeout=7&verify=false&max_retries=2&api_version=2024-02-08&proxy=http%3A%2F%2Fproxy.example.com%3A3128"
    )
    assert (settings.base_url, settings.organization_id) == ("https://polytomic.example.com:8443", "org")
    assert (settings.timeout, settings.verify, settings.max_retries) == (7.0, False, 2)
    assert (settings.api_version, settings.proxy) == ("2024-02-08", "http://proxy.example.com:3128")


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        (f"polytomic://:{KEY}@", "https://app.polytomic.com"),
        (f"polytomic://:{KEY}@localhost:8765/http", "http://localhost:8765"),
        (f"polytomic://:{KEY}@{quote('https://polytomic.example.com/prefix', safe='')}", None),
        (f"polytomic://:{KEY}@[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        (f"polytomic://:{KEY}@polytomic.example.com/http?allow_http=true", "http://polytomic.example.com"),
    ],
)
def test_a_uri_gives_the_base_url(config_from_uri, uri, url):
    assert config_from_uri(uri).base_url == (url or "https://polytomic.example.com/prefix")


def test_a_key_in_a_uri_may_have_any_character(config_from_uri):
    assert config_from_uri(f"polytomic://:{quote('k/e?y#@:', safe='')}@").api_key == "k/e?y#@:"


async def test_the_connection_is_the_same_from_an_event_loop(config):
    settings = config(host="localhost", extra={"timeout": "7"})
    assert await PolytomicHook().aconfig() == settings


def test_no_repr_and_no_log_contains_the_key(config, caplog):
    with caplog.at_level(logging.DEBUG):
        settings = config(extra={"proxy": f"http://user:{KEY}@proxy.example.com"})
        hook = PolytomicHook()
        hook.get_conn()
    assert KEY not in repr(settings) + repr(hook) + repr(hook.get_conn()) + caplog.text


MISTYPED = [
    "https://app..example",
    "http://[::1]evil.example",
    "https://polytomic\u200b.example",
    "https://x.test:99999",
]


@pytest.mark.parametrize("host", MISTYPED)
def test_a_mistyped_host_is_refused_in_one_sentence(config, host):
    assert "cannot be used: the host " in refusal(config, host=host)


def environment_faults() -> list[Any]:
    return [
        pytest.param({"SSL_CERT_FILE": "/no/such.pem"}, {}, "SSL_CERT_FILE", id="SSL_CERT_FILE"),
        pytest.param({"HTTPS_PROXY": "ftp://u:canary@proxy.test"}, {}, "HTTPS_PROXY", id="HTTPS_PROXY"),
        pytest.param({"ALL_PROXY": "x://", "NO_PROXY": "http://[::1"}, {}, "ALL_PROXY", id="ALL_PROXY"),
        pytest.param({"HTTPS_PROXY": "http://p.test", "NO_PROXY": "http://[::1"}, {}, "NO_PROXY", id="NO_PROXY"),
        pytest.param({}, {"proxy": "socks5://proxy.test"}, "proxy is a SOCKS", id="SOCKS"),
    ]


@pytest.mark.parametrize(("environment", "extra", "setting"), environment_faults())
def test_a_setting_that_the_http_library_cannot_use_is_named(config, monkeypatch, environment, extra, setting):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    message = refusal(config, host="https://polytomic.test", extra=extra)
    assert f"{setting} " in message
    assert "canary" not in message
    assert PolytomicHook().test_connection() == (
        False,
        f"This connection cannot be used as it is: {message.partition('cannot be used: ')[2]}.",
    )


@pytest.mark.parametrize(("setting", "value"), [("verify", False), ("allow_http", True)])
def test_a_risky_setting_is_warned_about_once_per_connection(config, caplog, monkeypatch, setting, value):
    monkeypatch.setattr(_connection, "_warned", set())
    for _ in range(2):
        config(extra={setting: value})
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.endswith("(Airflow connection 'polytomic_default')")
    assert setting in warning


def test_a_connection_without_risks_has_no_warning(config, caplog):
    config(extra={"verify": True, "allow_http": False})
    assert [record for record in caplog.records if record.levelno == logging.WARNING] == []


def test_a_connection_that_cannot_be_read_fails_the_test(monkeypatch):
    monkeypatch.setattr(PolytomicHook, "get_connection", staticmethod(lambda conn_id: 1 / 0))
    succeeded, message = PolytomicHook("gone").test_connection()
    assert not succeeded
    assert message == "The Airflow connection cannot be read (ZeroDivisionError)."


def test_an_unexpected_fault_is_no_exception_of_the_test(config, monkeypatch):
    config()
    monkeypatch.setattr(_connection.api, "PolytomicClient", lambda **settings: 1 / 0)
    succeeded, message = PolytomicHook().test_connection()
    assert not succeeded
    assert "ZeroDivisionError" in message


def test_the_test_of_a_connection_ends_whatever_the_server_does(config, monkeypatch):
    monkeypatch.setattr(_connection, "TEST_TIMEOUT", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ") as url:
        config(host=url)
        succeeded, message = PolytomicHook().test_connection()
    assert not succeeded
    assert "the response did not end in time" in message


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def next_step(config: Any, **fields: Any) -> str:
    config(**fields)
    succeeded, message = PolytomicHook().test_connection()
    assert not succeeded
    assert KEY not in message
    return message


def test_a_refused_proxy_password_is_to_be_corrected(config, server):
    server.answers(Answer(407, b"", {"Proxy-Authenticate": "Basic"}))
    proxy = server.url.replace("http://", "http://user:canary@")
    message = next_step(config, host="https://polytomic.test", extra={"proxy": proxy, "max_retries": 0})
    assert message.endswith("Correct the user and the password in the proxy of the connection.")
    assert "canary" not in message
    message = next_step(config, host=server.url, extra={"max_retries": 0})
    assert "Correct the user and the password in the proxy of the network." in message


def test_a_proxy_that_is_set_is_not_to_be_filled_in(config, server):
    server.answers(Answer(None))
    proxied = {"host": "https://polytomic.test", "extra": {"proxy": server.url, "max_retries": 0}}
    assert next_step(config, **proxied).endswith("can reach them through the proxy of the connection.")
    assert next_step(config, host=server.url, extra={"max_retries": 0}).endswith("fill in the proxy.")


def test_an_organization_id_that_is_set_is_not_to_be_filled_in(config, server):
    server.answers(answer({"message": "unknown key"}, 401))
    assert next_step(config, host=server.url).endswith(
        "Fill in the organization id only for a partner or deployment key."
    )
    assert next_step(config, host=server.url, login="organization").endswith(
        "Correct the organization id, or clear it unless this is a partner or deployment key."
    )


def test_a_legacy_error_body_is_read(config, server):
    server.answers(answer({"error": {"message": "invalid or unknown API key"}}, 401))
    assert "was answered 401: invalid or unknown API key." in next_step(config, host=server.url)
