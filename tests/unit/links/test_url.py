"""The URL of a sync, built from a template."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.links.url import sync_url, validate_link_template


def url_of(template: str, *ids: str | None, **settings: str) -> str | None:
    config = ClientConfig("key", **{"base_url": "https://polytomic.example.com/prefix", **settings})
    with PolytomicClient(config=config) as client:
        return client.run(sync_url(validate_link_template(template), config, *(ids or ("model", "s", "e"))))


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("{base_url}/{kind}/{sync_id}", "https://polytomic.example.com/prefix/model/s"),
        ("https://ui.example.com/org/{organization_id}/syncs/{sync_id}", "https://ui.example.com/org/o-1/syncs/s"),
        ("http://ui.example.com/#/{sync_id}/{execution_id}", "http://ui.example.com/#/s/e"),
        (" {base_url}/\n", "https://polytomic.example.com/prefix/"),
    ],
)
def test_the_placeholders_are_replaced(template, url):
    assert url_of(template, organization_id="o-1") == url


def test_ids_are_percent_encoded():
    url = url_of("{base_url}/{sync_id}?run={execution_id}", "bulk", "a/../b?c#d", '"><script>')
    assert url == "https://polytomic.example.com/prefix/a%2F..%2Fb%3Fc%23d?run=%22%3E%3Cscript%3E"


def test_an_unknown_value_gives_no_url():
    assert url_of("{base_url}/{execution_id}", "model", "s", None) is None
    assert url_of("{base_url}/{sync_id}", "model", "s", None) == "https://polytomic.example.com/prefix/s"


@pytest.mark.parametrize(
    "template",
    [
        "", "syncs/{sync_id}", "javascript:alert({sync_id})", "ftp://x/{sync_id}", "https:///{sync_id}",
        "{base_url}x/{sync_id}", "{sync_id}", "{base_url}/{sync_id.__class__}", "{base_url}/{sync_id!r}",
        "{base_url}/{0}", "{base_url}/{api_key}", "{base_url}/{{sync_id}}", "{base_url}/{", "{base_url}/a b",
        "{base_url}/<b>", "https://user@x/{sync_id}",
    ],
)  # fmt: skip
def test_an_invalid_template_is_refused(template):
    with pytest.raises(ValueError, match="not the template"):
        validate_link_template(template)


def test_the_organization_is_requested_if_the_settings_lack_it(emulator):
    config = ClientConfig(emulator.api_key, base_url=emulator.url)
    with PolytomicClient(config=config) as client:
        flow = sync_url("{base_url}/{organization_id}/{sync_id}", config, "model", "s", None)
        assert client.run(flow) == f"{emulator.url}/{emulator.organization_id}/s"
        client.run(sync_url("{base_url}/{sync_id}", config, "model", "s", None))
        emulator.fault("status", status=503, count=None)
        assert client.run(sync_url("{base_url}/{organization_id}", config, "model", "s", None)) is None
    assert [one.path for one in emulator.requests] == ["/api/me"] * 2
