"""Syncs as assets, for the outlets of tasks and the schedules of DAGs.

The URI of an asset is ``polytomic://<host>/<kind>/<sync id>``, followed by ``/<schema>`` for one schema of a bulk sync.
With an organization it is ``polytomic://<host>/organizations/<organization id>/<kind>/…``.
Airflow finds :func:`sanitize_uri`, :func:`create_asset` and :func:`convert_asset_to_openlineage` in the provider
metadata.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset
    from openlineage.client.event_v2 import Dataset as OpenLineageDataset

SCHEME = "polytomic"
DEFAULT_HOST = "app.polytomic.com"
KINDS = ("model", "bulk")
ORGANIZATIONS = "organizations"


@dataclass(frozen=True)
class AssetUri:
    """The parts of an asset's URI, without percent-encoding.

    :param host: host of Polytomic, with the port unless it is 443
    :param kind: ``model`` or ``bulk``
    :param schema: id of one schema of a bulk sync; None for the whole sync
    :param organization_id: id of the organization, if a task names it; None for the one of the connection
    """

    host: str
    kind: str
    sync_id: str
    schema: str | None = None
    organization_id: str | None = None

    @classmethod
    def read(cls, uri: str) -> AssetUri | None:
        """Return the parts of an asset's URI, or None if it is not the URI of a sync."""
        try:
            parts = urlsplit(uri)
            return cls.of(parts) if parts.scheme == SCHEME else None
        except ValueError:
            return None

    @classmethod
    def of(cls, parts: SplitResult) -> AssetUri:
        """Return the parts of an asset's URI.

        :raises ValueError: if it is not the URI of a sync
        """
        kind, *ids = [unquote(part) for part in parts.path.strip("/").split("/")]
        organization_id = None
        if kind == ORGANIZATIONS and len(ids) > 1:
            organization_id, kind, *ids = ids
        is_sync = kind in KINDS and all(ids) and len(ids) in ((1, 2) if kind == "bulk" else (1,))
        host = _normalized(parts.netloc)
        if not (host and is_sync) or organization_id == "" or parts.query:
            raise ValueError(
                "the URI of a Polytomic asset is polytomic://<host>/model/<sync id> or "
                "polytomic://<host>/bulk/<sync id>[/<schema>], for a task with an organization "
                "polytomic://<host>/organizations/<organization id>/…"
            )
        return cls(host, kind, ids[0], ids[1] if len(ids) > 1 else None, organization_id)

    @property
    def path(self) -> str:
        """The path with each part percent-encoded."""
        parts = (self.kind, self.sync_id, self.schema)
        path = "/".join(_quoted(part) for part in parts if part is not None)
        return path_in_organization(path, self.organization_id)

    def __str__(self) -> str:
        return f"{SCHEME}://{self.host}/{self.path}"


def sync_asset(sync_id: str, *, host: str = DEFAULT_HOST, organization_id: str | None = None, **options: Any) -> Asset:
    """Return the asset of a model sync; on Airflow 2 a ``Dataset``.

    :param sync_id: Id (str) of the model sync; not a template, since Airflow does not render assets.
    :param host: Host or URL (str) of Polytomic, as in the Airflow connection; default ``app.polytomic.com``.
    :param organization_id: Id of the organization (str), if the task has one; default None: no organization in the URI.
    :param options: Further parameters of ``Asset``, such as ``name``, ``group``, ``extra`` and ``watchers``.
    :raises ValueError: if an id or the host is empty

    .. code-block:: python

        contacts = sync_asset("248df4b7-aa70-47b8-a036-33ac447e668d")

        with DAG("report", schedule=[contacts]):
            ...

    .. seealso::
        How-to: ``docs/assets.md``
    """
    return _asset(AssetUri(host, "model", sync_id, None, organization_id), options)


def bulk_sync_asset(
    bulk_sync_id: str,
    *,
    schema: str | None = None,
    host: str = DEFAULT_HOST,
    organization_id: str | None = None,
    **options: Any,
) -> Asset:
    """Return the asset of a bulk sync or of one of its schemas; on Airflow 2 a ``Dataset``.

    :param bulk_sync_id: Id (str) of the bulk sync; not a template, since Airflow does not render assets.
    :param schema: Id (str) of one schema, as in the operator's ``schemas``; default None: the whole sync.
    :param host: Host or URL (str) of Polytomic, as in the Airflow connection; default ``app.polytomic.com``.
    :param organization_id: Id of the organization (str), if the task has one; default None: no organization in the URI.
    :param options: Further parameters of ``Asset``, such as ``name``, ``group``, ``extra`` and ``watchers``.
    :raises ValueError: if an id or the host is empty

    .. code-block:: python

        replicate = PolytomicStartBulkSyncOperator(
            task_id="replicate", bulk_sync_id="8f2c", outlets=[bulk_sync_asset("8f2c", schema="Account")]
        )

    .. seealso::
        How-to: ``docs/assets.md``
    """
    return _asset(AssetUri(host, "bulk", bulk_sync_id, schema, organization_id), options)


def create_asset(
    *,
    kind: str,
    sync_id: str,
    schema: str | None = None,
    host: str = DEFAULT_HOST,
    organization_id: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Asset:
    """Return the asset of a sync; Airflow's collector of hook lineage calls this.

    :param kind: ``model`` or ``bulk``
    :raises ValueError: if the kind is another one, or an id or the host is empty
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be 'model' or 'bulk', not {kind!r}")
    return _asset(AssetUri(host, kind, sync_id, schema, organization_id), {"extra": extra})


def _asset(given: AssetUri, options: dict[str, Any]) -> Asset:
    from airflow_provider_polytomic._compat import Asset

    uri = replace(given, host=host_of(given.host))
    if not (uri.host and uri.sync_id) or "" in (uri.schema, uri.organization_id):
        raise ValueError("an asset needs a host and the id of its sync; a schema and an organization must not be empty")
    return Asset(uri=str(uri), **options)


def path_in_organization(path: str, organization_id: str | None) -> str:
    """Return the path of something in Polytomic, which begins with the organization if there is one."""
    return path if organization_id is None else f"{ORGANIZATIONS}/{_quoted(organization_id)}/{path}"


def _quoted(part: str) -> str:
    return quote(str(part), safe="")


def host_of(address: str) -> str:
    """Return the host of Polytomic in assets and lineage: in lower case and without the default port.

    :param address: a URL, or a host with or without port
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    return _normalized(parts.netloc.removesuffix(":80") if parts.scheme == "http" else parts.netloc)


def _normalized(netloc: str) -> str:
    return netloc.rpartition("@")[2].lower().removesuffix(":443")


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Normalize a URI: host in lower case, ids percent-encoded in one way.

    :raises ValueError: if it is not the URI of a sync
    """
    asset = AssetUri.of(uri)
    return uri._replace(netloc=asset.host, path=f"/{asset.path}")


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> OpenLineageDataset:
    """Return the OpenLineage dataset of an asset, with its host as namespace and its path as name."""
    from openlineage.client.event_v2 import Dataset

    parts = AssetUri.of(urlsplit(asset.uri))
    return Dataset(namespace=f"{SCHEME}://{parts.host}", name=parts.path)
