"""The assets of syncs, as Airflow creates and compares them."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from airflow_provider_polytomic._compat import Asset
from airflow_provider_polytomic.assets import (
    AssetUri,
    bulk_sync_asset,
    convert_asset_to_openlineage,
    create_asset,
    sanitize_uri,
    sync_asset,
)

OF_NO_SYNC = [
    "polytomic:///model/1",
    "polytomic://host",
    "polytomic://host/",
    "polytomic://host/model",
    "polytomic://host/model//",
    "polytomic://host/model/1/contact",
    "polytomic://host/bulk/1/contact/more",
    "polytomic://host/sync/1",
    "polytomic://host/model/1?test=true",
    "polytomic://host/organizations",
    "polytomic://host/organizations/a",
    "polytomic://host/organizations/a/model",
    "polytomic://host/organizations/model/1",
    "polytomic://host/organizations//model/1",
    "polytomic://host/organizations/a/model/1/contact",
    "polytomic://host/organizations/a/organizations/b/model/1",
]


@pytest.fixture(scope="module")
def registered():
    """Return the handler, factory and converter that the installed Airflow found in the provider metadata."""
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()
    word = "asset" if hasattr(manager, "asset_uri_handlers") else "dataset"
    names = (f"{word}_uri_handlers", f"{word}_factories", f"{word}_to_openlineage_converters")
    return [getattr(manager, name).get("polytomic") for name in names]


@pytest.mark.parametrize(
    ("asset", "uri"),
    [
        (sync_asset("248df4b7"), "polytomic://app.polytomic.com/model/248df4b7"),
        (sync_asset(sync_id="248df4b7", host="eu.example.com"), "polytomic://eu.example.com/model/248df4b7"),
        (sync_asset("1", host="HTTPS://EU.Example.com:8443/"), "polytomic://eu.example.com:8443/model/1"),
        (sync_asset("1", host="https://eu.example.com:443"), "polytomic://eu.example.com/model/1"),
        (sync_asset("1", host="http://localhost:80"), "polytomic://localhost/model/1"),
        (bulk_sync_asset("1"), "polytomic://app.polytomic.com/bulk/1"),
        (bulk_sync_asset(bulk_sync_id="1", schema="contact"), "polytomic://app.polytomic.com/bulk/1/contact"),
        (bulk_sync_asset("1", schema="sales/orders 2"), "polytomic://app.polytomic.com/bulk/1/sales%2Forders%202"),
        (bulk_sync_asset("1", schema="büro"), "polytomic://app.polytomic.com/bulk/1/b%C3%BCro"),
        (create_asset(kind="model", sync_id="1"), "polytomic://app.polytomic.com/model/1"),
        (sync_asset("1", organization_id="a"), "polytomic://app.polytomic.com/organizations/a/model/1"),
        (bulk_sync_asset("1", organization_id="a/b"), "polytomic://app.polytomic.com/organizations/a%2Fb/bulk/1"),
        (
            create_asset(kind="bulk", sync_id="1", schema="c d", organization_id="a"),
            "polytomic://app.polytomic.com/organizations/a/bulk/1/c%20d",
        ),
    ],
)
def test_an_asset_has_one_uri(asset, uri):
    assert asset.uri == uri
    assert getattr(asset, "name", uri) == uri
    assert str(AssetUri.read(uri)) == uri


@pytest.mark.parametrize(
    ("written", "asset"),
    [
        ("Polytomic://APP.polytomic.com/model/1", sync_asset("1")),
        ("polytomic://app.polytomic.com/model/1/", sync_asset("1")),
        ("polytomic://app.polytomic.com:443/model/1", sync_asset("1")),
        ("polytomic://app.polytomic.com/bulk/1/%62%2f", bulk_sync_asset("1", schema="b/")),
        ("polytomic://app.polytomic.com/bulk/1/c d", bulk_sync_asset("1", schema="c d")),
        ("polytomic://app.polytomic.com/organizations/%61/model/1", sync_asset("1", organization_id="a")),
    ],
)
def test_airflow_normalizes_a_uri_written_by_hand(written, asset):
    assert Asset(uri=written).uri == asset.uri


@pytest.mark.parametrize("uri", OF_NO_SYNC)
def test_a_uri_of_no_sync_is_refused(uri):
    with pytest.raises(ValueError, match="polytomic://<host>/"):
        sanitize_uri(urlsplit(uri))
    assert AssetUri.read(uri) is None


@pytest.mark.parametrize("uri", ["s3://bucket/key", "polytomic://[", "", "a name"])
def test_a_uri_of_another_scheme_is_not_read(uri):
    assert AssetUri.read(uri) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: sync_asset(""),
        lambda: sync_asset("1", host=""),
        lambda: bulk_sync_asset("1", schema=""),
        lambda: sync_asset("1", organization_id=""),
        lambda: create_asset(kind="other", sync_id="1"),
    ],
)
def test_an_empty_id_host_or_schema_and_another_kind_are_refused(make):
    with pytest.raises(ValueError, match=r"an asset needs|kind must be"):
        make()


def test_the_parts_of_a_uri_are_read():
    asset = bulk_sync_asset("1", schema="c/d", organization_id="model")
    assert AssetUri.read(asset.uri) == AssetUri("app.polytomic.com", "bulk", "1", "c/d", "model")
    assert AssetUri.read(bulk_sync_asset("1").uri) == AssetUri("app.polytomic.com", "bulk", "1")


def test_further_parameters_are_passed_to_the_asset():
    assert sync_asset("1", extra={"team": "crm"}).extra == {"team": "crm"}


def test_a_uri_contains_no_credentials_of_the_host():
    assert sync_asset("1", host="https://someone:secret@polytomic.example.com").uri.startswith(
        "polytomic://polytomic.example.com/"
    )


def test_airflow_finds_the_functions_in_the_provider_metadata(registered):
    assert registered == [sanitize_uri, create_asset, convert_asset_to_openlineage]


def test_the_collector_of_hook_lineage_creates_assets():
    try:
        from airflow.sdk.lineage import HookLineageCollector
    except ImportError:
        from airflow.lineage.hook import HookLineageCollector
    collector = HookLineageCollector()
    create = getattr(collector, "create_asset", None) or collector.create_dataset
    word = "asset" if hasattr(collector, "create_asset") else "dataset"
    parts = {"kind": "bulk", "sync_id": "1", "schema": "contact"}
    created = create(scheme="polytomic", uri=None, **{f"{word}_kwargs": parts, f"{word}_extra": {"rows": 3}})
    assert created == bulk_sync_asset("1", schema="contact", extra={"rows": 3})


def test_openlineage_names_an_asset_by_host_and_path():
    utils = pytest.importorskip("airflow.providers.openlineage.utils.utils")
    dataset = utils.translate_airflow_asset(bulk_sync_asset("1", schema="a b"), SimpleNamespace())
    assert (dataset.namespace, dataset.name) == ("polytomic://app.polytomic.com", "bulk/1/a%20b")
    dataset = utils.translate_airflow_asset(sync_asset("1", organization_id="a"), SimpleNamespace())
    assert dataset.name == "organizations/a/model/1"
