"""Build the URL of a sync in Polytomic's UI.

The API returns no such URL and its form is not documented, so users provide a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from airflow_provider_polytomic.api import identity
from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.errors import PolytomicError
from airflow_provider_polytomic.api.flow import Flow, send

PLACEHOLDERS = ("base_url", "kind", "sync_id", "execution_id", "organization_id")

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_URL_START = re.compile(r"https?://[^/?#\s@{}\\]+([/?#]|$)|\{base_url\}(/|$)")


def validate_link_template(template: str) -> str:
    """Return the template, stripped.

    :raises ValueError: if it has another placeholder than :data:`PLACEHOLDERS`, or is not an http or https URL
    """
    template = template.strip()
    rest = _PLACEHOLDER.sub(lambda match: "" if match[1] in PLACEHOLDERS else match[0], template)
    if not _URL_START.match(template) or "{" in rest or "}" in rest or re.search(r"[\s<>\"'\x00-\x1f]", template):
        raise ValueError("not the template of an http or https address")
    return template


def sync_url(
    template: str, config: ClientConfig, kind: str, sync_id: str, execution_id: str | None
) -> Flow[str | None]:
    """Return the URL of a sync, or None if the value of a placeholder is not known.

    If the template needs the organization and the settings lack it, this requests ``GET /api/me``.

    :param template: a template that :func:`validate_link_template` returned; ids are percent-encoded
    :param kind: ``model`` or ``bulk``
    """
    [url] = yield from sync_urls(template, config, kind, sync_id, [execution_id])
    return url


def sync_urls(
    template: str, config: ClientConfig, kind: str, sync_id: str, execution_ids: Sequence[str | None]
) -> Flow[list[str | None]]:
    """Return what :func:`sync_url` does for each execution, with one request at most."""
    organization_id = config.organization_id
    if "{organization_id}" in template and not organization_id:
        try:
            organization_id = (yield from send(identity.get().with_timeout(5.0))).organization_id
        except PolytomicError:
            return [None] * len(execution_ids)
    ids = {"kind": kind, "sync_id": sync_id, "organization_id": organization_id}
    return [_filled(template, {**ids, "execution_id": each}, config.base_url) for each in execution_ids]


def _filled(template: str, ids: Mapping[str, str | None], base_url: str) -> str | None:
    values = {name: quote(value, safe="") for name, value in ids.items() if value} | {"base_url": base_url}
    if any(name not in values for name in _PLACEHOLDER.findall(template)):
        return None
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)
