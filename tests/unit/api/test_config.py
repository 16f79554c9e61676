from __future__ import annotations

import base64

import pytest

from airflow_provider_polytomic.api import ClientConfig, PolytomicClient, identity
from airflow_provider_polytomic.api.config import API_KEY_VARIABLE
from tests.support.scripted_server import answer

from .conftest import KEY


@pytest.fixture(autouse=True)
def _no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)


def test_headers_of_a_request(server, driver):
    server.answers(answer({"data": {}}))
    driver.send(identity.get(), api_version="2024-02-08")
    headers = server.received[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-polytomic-version"] == "2024-02-08"
    assert headers["accept"] == "application/json"


def test_an_organization_makes_basic_credentials(server, driver):
    server.answers(answer({"data": {}}))
    driver.send(identity.get(), organization_id="the-organization")
    scheme, _, credentials = server.received[0].headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials)) == ("Basic", f"the-organization:{KEY}".encode())


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match=API_KEY_VARIABLE):
        ClientConfig()
    monkeypatch.setenv(API_KEY_VARIABLE, "from-the-environment")
    assert ClientConfig().headers["Authorization"] == "Bearer from-the-environment"
    assert ClientConfig("given").headers["Authorization"] == "Bearer given"


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "tab\t"])
def test_a_key_that_is_not_a_valid_header_is_refused(key: str):
    with pytest.raises(ValueError, match="pasted") as caught:
        ClientConfig(key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("", "https://app.polytomic.com"),
        ("polytomic.example.com", "https://polytomic.example.com"),
        ("polytomic.example.com:8443/a/b/", "https://polytomic.example.com:8443/a/b"),
        ("https://polytomic.example.com/", "https://polytomic.example.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.2", "http://127.0.0.2"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ],
)
def test_addresses_are_normalized(given: str, address: str):
    assert ClientConfig("k", base_url=given).base_url == address


@pytest.mark.parametrize(
    "address",
    [
        "http://polytomic.example.com",
        "HTTP://polytomic.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
    ],
)
def test_the_key_is_not_sent_in_clear(address: str):
    with pytest.raises(ValueError, match="unencrypted"):
        ClientConfig("k", base_url=address)
    assert ClientConfig("k", base_url=address, allow_http=True).base_url == address.replace("HTTP", "http")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://polytomic.example.com",
        "https://",
        "https://user:canary@polytomic.example.com",
        "https://:canary@polytomic.example.com",
        "https://polytomic.example.com?x=canary",
        "https://polytomic.example.com#canary",
        "https://polytomic.example.com:canary",
        "https://[::canary",
    ],
)
def test_an_invalid_address_is_refused(address: str):
    with pytest.raises(ValueError, match=r"host|IPv6") as caught:
        ClientConfig("k", base_url=address)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "https://u:p@proxy.example.com", "socks5://[::1]:1080/"])
def test_proxy_urls(proxy: str):
    assert ClientConfig("k", proxy=proxy).proxy == proxy


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "ftp://u:canary@proxy", "http://u:canary@proxy:x", "http://u:can@ary@proxy", "http://"]
)
def test_an_invalid_proxy_is_refused_without_showing_it(proxy: str):
    with pytest.raises(ValueError, match="the proxy must look like") as caught:
        PolytomicClient("k", proxy=proxy)
    assert "ary" not in str(caught.value)


@pytest.mark.parametrize(("setting", "value"), [("max_requests_per_minute", 0), ("max_retries", -1), ("timeout", 0)])
def test_a_number_that_is_too_small_is_refused_with_its_name(setting: str, value: int):
    with pytest.raises(ValueError, match=setting):
        ClientConfig("k", **{setting: value})


def test_certificates_are_verified_by_default():
    assert ClientConfig("k").verify is True
    with PolytomicClient("k", verify=False), pytest.raises(ValueError, match="not a CA bundle that can be read"):
        PolytomicClient("k", verify="/no/such/bundle.pem")


def test_a_repr_shows_no_secret():
    config = ClientConfig("canary-key", organization_id="o", proxy="http://u:canary-password@proxy")
    with PolytomicClient(config=config) as client:
        assert "canary" not in repr(config) + repr(client)
        assert "app.polytomic.com" in repr(client)
