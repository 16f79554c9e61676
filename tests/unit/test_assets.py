"""The assets of syncs, as Airflow itself makes and compares them."""

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

MAKE_NO_SENSE = [
    "polytomic:///model/1",
    "polytomic://host",
    "polytomic://host/",
    "polytomic://host/model",
    "polytomic://host/model//",
    "polytomic://host/model/1/contact",
    "polytomic://host/bulk/1/contact/more",
    "polytomic://host/sync/1",
    "polytomic://host/model/1?test=true",
]


@pytest.fixture(scope="module")
def registered():
    """Return what the installed Airflow found in the provider metadata for the scheme: handler, factory, converter."""
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
        (sync_asset("1", host="eu.example.com:443"), "polytomic://eu.example.com/model/1"),
        (sync_asset("1", host="http://localhost:80"), "polytomic://localhost/model/1"),
        (bulk_sync_asset("1"), "polytomic://app.polytomic.com/bulk/1"),
        (bulk_sync_asset(bulk_sync_id="1", schema="contact"), "polytomic://app.polytomic.com/bulk/1/contact"),
        (bulk_sync_asset("1", schema="sales/orders 2"), "polytomic://app.polytomic.com/bulk/1/sales%2Forders%202"),
        (bulk_sync_asset("1", schema="büro"), "polytomic://app.polytomic.com/bulk/1/b%C3%BCro"),
        (bulk_sync_asset("1", schema="a?b#c/"), "polytomic://app.polytomic.com/bulk/1/a%3Fb%23c%2F"),
        (create_asset(kind="model", sync_id="1"), "polytomic://app.polytomic.com/model/1"),
    ],
)
def test_an_asset_has_one_uri_and_says_what_it_is_of(asset, uri):
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
    ],
)
def test_a_uri_written_by_hand_is_the_same_to_airflow(written, asset):
    assert Asset(uri=written).uri == asset.uri


@pytest.mark.parametrize("uri", MAKE_NO_SENSE)
def test_a_uri_that_is_of_no_sync_is_refused(uri):
    with pytest.raises(ValueError, match="polytomic://<host>/"):
        sanitize_uri(urlsplit(uri))
    assert AssetUri.read(uri) is None


@pytest.mark.parametrize("uri", ["s3://bucket/key", "polytomic://[", "", "a name"])
def test_what_is_not_ours_is_told_apart(uri):
    assert AssetUri.read(uri) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: sync_asset(""),
        lambda: sync_asset("1", host=""),
        lambda: bulk_sync_asset("1", schema=""),
        lambda: create_asset(kind="other", sync_id="1"),
    ],
)
def test_an_asset_of_nothing_is_refused(make):
    with pytest.raises(ValueError, match=r"an asset needs|no kind of sync"):
        make()


def test_further_parameters_are_those_of_an_asset():
    assert sync_asset("1", extra={"team": "crm"}).extra == {"team": "crm"}


def test_a_host_never_brings_credentials_into_a_uri():
    assert sync_asset("1", host="https://someone:secret@polytomic.example.com").uri.startswith(
        "polytomic://polytomic.example.com/"
    )


def test_airflow_has_all_three_from_the_provider_metadata(registered):
    assert registered == [sanitize_uri, create_asset, convert_asset_to_openlineage]


def test_the_collector_of_hook_lineage_makes_assets_by_scheme():
    try:
        from airflow.sdk.lineage import HookLineageCollector
    except ImportError:
        from airflow.lineage.hook import HookLineageCollector
    collector = HookLineageCollector()
    make = getattr(collector, "create_asset", None) or collector.create_dataset
    word = "asset" if hasattr(collector, "create_asset") else "dataset"
    parts = {"kind": "bulk", "sync_id": "1", "schema": "contact"}
    made = make(scheme="polytomic", uri=None, **{f"{word}_kwargs": parts, f"{word}_extra": {"rows": 3}})
    assert made == bulk_sync_asset("1", schema="contact", extra={"rows": 3})


def test_openlineage_knows_an_asset_by_host_and_path():
    utils = pytest.importorskip("airflow.providers.openlineage.utils.utils")
    dataset = utils.translate_airflow_asset(bulk_sync_asset("1", schema="a b"), SimpleNamespace())
    assert (dataset.namespace, dataset.name) == ("polytomic://app.polytomic.com", "bulk/1/a%20b")
