"""The plugin of the page: on Airflow 3.1 and later, and never at the cost of the API server."""

from __future__ import annotations

import subprocess
import sys

import pytest
from airflow.plugins_manager import AirflowPlugin

from airflow_provider_polytomic.plugins.ui import PAGE_PREFIX, PolytomicUiPlugin

HAS_PAGES = hasattr(AirflowPlugin, "external_views")


def test_the_page_is_in_the_navigation_where_airflow_has_pages_of_plugins():
    views, apps = PolytomicUiPlugin.external_views, PolytomicUiPlugin.fastapi_apps
    if not HAS_PAGES:
        assert (views, apps) == ([], [])
        return
    [view], [app] = views, apps
    assert (view["name"], view["destination"], view["url_route"]) == ("Polytomic", "nav", "polytomic")
    assert f"/{view['href']}" == f"{app['url_prefix']}/" == f"{PAGE_PREFIX}/"


def test_an_empty_option_disables_the_page(monkeypatch):
    monkeypatch.setenv("AIRFLOW__POLYTOMIC__UI_CONNECTIONS", " ")
    assert (PolytomicUiPlugin.external_views, PolytomicUiPlugin.fastapi_apps) == ([], [])


@pytest.mark.skipif(not HAS_PAGES, reason="this Airflow has no pages of plugins")
def test_a_page_that_cannot_be_built_does_not_end_the_api_server(monkeypatch, caplog):
    from airflow_provider_polytomic.ui import app

    monkeypatch.setattr(app, "build_app", lambda ids: 1 / 0)
    assert PolytomicUiPlugin.fastapi_apps == []
    assert "Disabled the page of Polytomic" in caplog.text


@pytest.mark.skipif(not HAS_PAGES, reason="this Airflow has no pages of plugins")
def test_airflow_loads_the_plugin_and_its_response_shows_it():
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    shown = ExternalViewResponse.model_validate(PolytomicUiPlugin.external_views[0])
    assert (shown.name, shown.url_route) == ("Polytomic", "polytomic")


def test_processes_that_import_the_plugin_load_nothing_else_of_the_package():
    code = (
        "import sys, airflow_provider_polytomic.plugins.ui\n"
        "print(*[name for name in sys.modules if name.startswith('airflow_provider_polytomic.')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[1] for name in ran.stdout.split() if name.startswith("airflow_provider_polytomic.")}
    assert loaded <= {"_compat", "plugins", "provider_info"}
