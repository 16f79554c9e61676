"""What Airflow reads about the package; imports nothing of Airflow, which loads it at every start."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic import __version__

CONNECTION_FIELDS: dict[str, Any] = {
    "api_version": {
        "label": "API version",
        "description": "Value of the X-Polytomic-Version header; empty for 2025-09-18",
        "schema": {"type": ["string", "null"], "pattern": r"^(\d{4}-\d{2}-\d{2})?$"},
    },
    "timeout": {
        "label": "Timeout",
        "description": "Seconds for one HTTP request; empty for 30",
        "schema": {"type": ["number", "null"], "minimum": 1},
    },
    "verify": {
        "label": "Verify certificate",
        "description": "true, false, or the path of a CA bundle; empty for true",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "URL of a proxy; empty for what the environment says",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "max_retries": {
        "label": "Retries",
        "description": "How often one request that may be repeated is repeated; empty for 5",
        "schema": {"type": ["integer", "null"], "minimum": 0},
    },
    "allow_http": {
        "label": "Allow plain HTTP",
        "description": "Send the key in clear over plain HTTP to another host than this one",
        "schema": {"type": ["boolean", "null"]},
    },
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "port", "extra"],
    "relabeling": {"password": "API key", "login": "Organization id", "host": "Host"},
    "placeholders": {
        "password": "key from the settings page of Polytomic",
        "login": "only for a partner or deployment key; otherwise leave empty",
        "host": "https://app.polytomic.com",
        "api_version": "2025-09-18",
        "timeout": "30",
        "verify": "true",
        "proxy": "http://proxy.example.com:3128",
        "max_retries": "5",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return what the entry point group ``apache_airflow_provider`` asks for."""
    package = "airflow_provider_polytomic"
    integration = "Polytomic"
    return {
        "package-name": "airflow-provider-polytomic",
        "name": integration,
        "description": "Start, wait for, cancel and observe syncs of `Polytomic <https://www.polytomic.com>`__.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": integration,
                "external-doc-url": "https://apidocs.polytomic.com",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": integration, "python-modules": [f"{package}.hooks.polytomic"]}],
        "operators": [
            {
                "integration-name": integration,
                "python-modules": [
                    f"{package}.operators.{area}" for area in ("syncs", "bulk_syncs", "listing", "connections")
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": integration,
                "python-modules": [f"{package}.sensors.{area}" for area in ("syncs", "bulk_syncs")],
            }
        ],
        "triggers": [{"integration-name": integration, "python-modules": [f"{package}.triggers.executions"]}],
        "connection-types": [
            {
                "connection-type": "polytomic",
                "hook-class-name": f"{package}.hooks.polytomic.PolytomicHook",
                "hook-name": integration,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
    }
