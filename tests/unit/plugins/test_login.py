"""The URL of Airflow's REST API, and when a password may be sent to it."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastapi", reason="Airflow 2 has no FastAPI applications")

from airflow.models import Connection

from airflow_provider_polytomic.plugins._airflow_api import AirflowApi, AirflowLogin
from tests.support.airflow_rest_api import serving


def login(extra=None, **fields):
    return AirflowLogin.read(Connection(conn_id="airflow_api", extra=json.dumps(extra) if extra else None, **fields))


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "airflow.internal", "port": 8080}, "https://airflow.internal:8080"),
        ({"host": "airflow.internal", "port": 443}, "https://airflow.internal"),
        ({"host": "airflow.internal", "schema": "https"}, "https://airflow.internal"),
        ({"host": "https://airflow.internal/some/path/"}, "https://airflow.internal/some/path"),
        ({"host": "localhost", "port": 8080}, "http://localhost:8080"),
        ({"host": "127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"host": "::1", "port": 8080}, "http://[::1]:8080"),
        ({"host": "localhost", "schema": "https"}, "https://localhost"),
        ({"host": "http://airflow.internal:8080", "extra": {"allow_http": "true"}}, "http://airflow.internal:8080"),
    ],
    ids=str,
)
def test_the_url_is_https_except_on_this_machine(fields, url):
    assert login(**fields).base_url == url


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "http://airflow.internal:8080"},
        {"host": "airflow.internal", "schema": "http"},
        {"host": "http://airflow.internal", "extra": {"allow_http": False}},
    ],
    ids=str,
)
def test_a_password_never_crosses_a_network_in_clear(fields):
    with pytest.raises(ValueError, match="password of Airflow's user would cross the network unencrypted"):
        login(**fields)


def test_the_base_url_of_the_configuration_is_checked_too(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example.com/prefix")
    with pytest.raises(ValueError, match="unencrypted"):
        login()
    assert login(extra={"allow_http": True}).base_url == "http://airflow.example.com/prefix"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://localhost:8080/prefix/")
    assert login().base_url == "http://localhost:8080/prefix"


def test_only_verify_and_allow_http_are_read_from_the_extra():
    assert login(host="airflow.internal", extra={"verify": "false", "timeout": "soon"}).verify is False
    with pytest.raises(ValueError, match="its extra 'verify' is not"):
        login(host="airflow.internal", extra={"verify": "/no/such/bundle.pem"})


def test_a_repr_has_no_password():
    assert "c4nary" not in repr(login(host="airflow.internal", password="c4nary"))


async def test_requests_to_this_machine_use_no_proxy(monkeypatch):
    with serving() as airflow, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert await AirflowApi(AirflowLogin(airflow.url, "webhook", airflow.password)).asset_id("a") is None
        assert proxy.requests == []
