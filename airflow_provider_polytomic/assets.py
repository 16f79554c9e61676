"""Syncs as assets: what tasks declare as outlets, and what DAGs are scheduled by.

The URI of an asset is ``polytomic://<host>/<kind>/<sync id>``, followed by ``/<schema>`` for one schema of a bulk sync.
Airflow asks for :func:`sanitize_uri`, :func:`create_asset` and :func:`convert_asset_to_openlineage` by the provider
metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from openlineage.client.event_v2 import Dataset as OpenLineageDataset

SCHEME = "polytomic"
DEFAULT_HOST = "app.polytomic.com"
KINDS = ("model", "bulk")


@dataclass(frozen=True)
class AssetUri:
    """The parts of an asset's URI, without their percent-encoding.

    :param host: host of Polytomic, with the port if it has an unusual one
    :param kind: ``model`` or ``bulk``
    :param schema: id of one schema of a bulk sync; None for the whole sync
    """

    host: str
    kind: str
    sync_id: str
    schema: str | None = None

    @classmethod
    def read(cls, uri: str) -> AssetUri | None:
        """Return the parts of the URI of an asset, or None where it is the URI of something else."""
        try:
            parts = urlsplit(uri)
            return cls.of(parts) if parts.scheme == SCHEME else None
        except ValueError:
            return None

    @classmethod
    def of(cls, parts: SplitResult) -> AssetUri:
        """Return the parts of a URI.

        :raises ValueError: if it is not one of a sync
        """
        kind, *ids = [unquote(part) for part in parts.path.strip("/").split("/")]
        shaped = kind in KINDS and all(ids) and len(ids) in ((1, 2) if kind == "bulk" else (1,))
        host = _usual(parts.netloc)
        if not (host and shaped) or parts.query:
            raise ValueError(
                "the URI of a Polytomic asset is polytomic://<host>/model/<sync id> or "
                "polytomic://<host>/bulk/<sync id>[/<schema>]"
            )
        return cls(host, kind, *ids)

    @property
    def path(self) -> str:
        """The path, each part of it percent-encoded."""
        return "/".join(quote(part, safe="") for part in (self.kind, self.sync_id, self.schema) if part is not None)

    def __str__(self) -> str:
        return f"{SCHEME}://{self.host}/{self.path}"


def sync_asset(sync_id: str, *, host: str = DEFAULT_HOST, **options: Any) -> Asset:
    """Return the asset of a model sync; on Airflow 2 it is a ``Dataset``.

    :param sync_id: id of the model sync; it cannot be a template, since assets are not rendered
    :param host: host of Polytomic, as in the Airflow connection; a URL will do
    :param options: further parameters of ``Asset``, such as ``name``, ``group``, ``extra`` and ``watchers``
    :raises ValueError: if the id or the host is empty
    """
    return _asset("model", sync_id, None, host, options)


def bulk_sync_asset(bulk_sync_id: str, *, schema: str | None = None, host: str = DEFAULT_HOST, **options: Any) -> Asset:
    """Return the asset of a bulk sync, or of one of its schemas; on Airflow 2 it is a ``Dataset``.

    :param bulk_sync_id: id of the bulk sync; it cannot be a template, since assets are not rendered
    :param schema: id of one schema, as ``schemas`` of the operator takes it; default: the whole sync
    :param host: host of Polytomic, as in the Airflow connection; a URL will do
    :param options: further parameters of ``Asset``, such as ``name``, ``group``, ``extra`` and ``watchers``
    :raises ValueError: if an id or the host is empty
    """
    return _asset("bulk", bulk_sync_id, schema, host, options)


def create_asset(
    *, kind: str, sync_id: str, schema: str | None = None, host: str = DEFAULT_HOST, extra: dict[str, Any] | None = None
) -> Asset:
    """Return the asset of a sync of either kind; Airflow's collector of hook lineage calls this by scheme.

    :param kind: ``model`` or ``bulk``
    :raises ValueError: if there is no such kind, or an id or the host is empty
    """
    if kind not in KINDS:
        raise ValueError(f"there is no kind of sync named {kind!r}, only 'model' and 'bulk'")
    return _asset(kind, sync_id, schema, host, {"extra": extra})


def _asset(kind: str, sync_id: str, schema: str | None, host: str, options: dict[str, Any]) -> Asset:
    from airflow_provider_polytomic._compat import Asset

    named = host_of(host)
    if not (named and sync_id and schema != ""):
        raise ValueError("an asset needs a host and the id of its sync, and a schema must not be empty")
    return Asset(uri=str(AssetUri(named, kind, str(sync_id), schema)), **options)


def host_of(address: str) -> str:
    """Return the host by which assets and lineage name a Polytomic: in lower case, and without its usual port.

    :param address: a URL, or a host with or without port
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    return _usual(parts.netloc.removesuffix(":80") if parts.scheme == "http" else parts.netloc)


def _usual(netloc: str) -> str:
    return netloc.rpartition("@")[2].lower().removesuffix(":443")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return a URI in the one form that it is compared in: host in lower case, ids percent-encoded alike.

    :raises ValueError: if it is not the URI of a sync
    """
    asset = AssetUri.of(uri)
    return uri._replace(netloc=asset.host, path=f"/{asset.path}")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> OpenLineageDataset:
    """Return the dataset by which OpenLineage knows an asset: host as namespace, path as name."""
    from openlineage.client.event_v2 import Dataset

    parts = AssetUri.of(urlsplit(asset.uri))
    return Dataset(namespace=f"{SCHEME}://{parts.host}", name=parts.path)
