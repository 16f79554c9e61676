"""The Airflow plugin for Polytomic's webhook.

Airflow imports plugins in each of its processes; only the API server imports the rest of the package.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/polytomic"


class _Apps:
    """Create the applications when the API server reads the attribute; none if the webhook is not configured."""

    def __get__(self, instance: Any, owner: type) -> list[dict[str, Any]]:
        from airflow_provider_polytomic.plugins._settings import WebhookSettings

        settings = WebhookSettings.read()
        if settings is None:
            return []
        from airflow_provider_polytomic.plugins._receiver import build_app

        return [{"app": build_app(settings), "url_prefix": PREFIX, "name": "Polytomic webhook"}]


class PolytomicWebhookPlugin(AirflowPlugin):  # type: ignore[misc, unused-ignore]
    """Receive Polytomic's webhook at ``POST /polytomic/webhook`` of the API server, and create asset events.

    Airflow 2 has no such applications and ignores it.

    .. code-block:: ini

        [polytomic]
        webhook_conn_id = polytomic_webhook
        webhook_airflow_conn_id = airflow_api

    .. seealso::
        How-to: ``docs/webhooks.md``
    """

    name = "polytomic_webhook"
    fastapi_apps: Any = _Apps()
