"""The route that takes Polytomic's webhook, as an Airflow plugin; nothing is mounted before it is configured.

Airflow loads plugins in each of its processes, so all but a few names loads in the API server alone.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/polytomic"


class _Apps:
    """The applications to mount, made when the API server asks for them."""

    def __get__(self, instance: Any, owner: type) -> list[dict[str, Any]]:
        from airflow_provider_polytomic.plugins._settings import Settings

        settings = Settings.read()
        if settings is None:
            return []
        from airflow_provider_polytomic.plugins._receiver import build_app

        return [{"app": build_app(settings), "url_prefix": PREFIX, "name": "Polytomic webhook"}]


class PolytomicWebhookPlugin(AirflowPlugin):  # type: ignore[misc, unused-ignore]
    """Take Polytomic's webhook at ``POST /polytomic/webhook`` of the API server, and create asset events.

    For Airflow 3; Airflow 2 knows no such applications and ignores it. See ``docs/webhooks.md``.
    """

    name = "polytomic_webhook"
    fastapi_apps: Any = _Apps()
