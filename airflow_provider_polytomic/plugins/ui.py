"""The Airflow plugin for the page *Polytomic* in Airflow's navigation.

Airflow imports plugins in each of its processes; only the API server imports the rest of the package.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_polytomic._compat import conf

PAGE_PREFIX = "/polytomic-ui"

log = logging.getLogger(__name__)


def page_connection_ids() -> list[str]:
    """Return the ids of the connections whose syncs the page shows; none if the page is disabled."""
    from airflow_provider_polytomic.provider_info import UI_OPTIONS

    default = UI_OPTIONS["ui_connections"]["default"]
    ids = conf.get("polytomic", "ui_connections", fallback=default).replace(",", " ").split()
    return list(dict.fromkeys(ids)) if hasattr(AirflowPlugin, "external_views") else []


class _Page:
    """Add the page when Airflow reads the attribute; nothing if it is disabled or Airflow has no pages of plugins."""

    def __get__(self, instance: Any, owner: type) -> list[dict[str, Any]]:
        if not page_connection_ids():
            return []
        page = PAGE_PREFIX.removeprefix("/")
        return [
            {
                "name": "Polytomic",
                "href": f"{page}/",
                "destination": "nav",
                "nav_top_level": True,
                "url_route": "polytomic",
                "icon": f"{page}/icon.svg",
                "icon_dark_mode": f"{page}/icon-dark.svg",
            }
        ]


class _PageApps:
    """Create the application of the page when the API server reads the attribute."""

    def __get__(self, instance: Any, owner: type) -> list[dict[str, Any]]:
        ids = page_connection_ids()
        if not ids:
            return []
        try:
            from airflow_provider_polytomic.ui.app import build_app

            return [{"app": build_app(ids), "url_prefix": PAGE_PREFIX, "name": "Polytomic page"}]
        except Exception:  # It would end the API server.
            log.exception("Disabled the page of Polytomic: its application cannot be built")
            return []


class PolytomicUiPlugin(AirflowPlugin):  # type: ignore[misc, unused-ignore]
    """Show the page *Polytomic* in the navigation of Airflow 3.1 and later.

    .. code-block:: ini

        [polytomic]
        ui_connections = polytomic_default, polytomic_eu

    .. seealso::
        How-to: ``docs/ui.md``
    """

    name = "polytomic_ui"
    external_views: Any = _Page()
    fastapi_apps: Any = _PageApps()
