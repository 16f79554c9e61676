"""What Airflow reads about the package; imports nothing of Airflow, which loads it at every start."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic import __version__

PACKAGE = "airflow_provider_polytomic"
INTEGRATION = "Polytomic"

CONNECTION_FIELDS: dict[str, Any] = {
    "api_version": {
        "label": "API version",
        "description": "Date that names the version of the API; empty: 2025-09-18",
        "schema": {"type": ["string", "null"], "pattern": r"^(\d{4}-\d{2}-\d{2})?$"},
    },
    "timeout": {
        "label": "Timeout",
        "description": "Seconds to wait for one answer; empty: 30",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "verify": {
        "label": "Verify certificate",
        "description": "true, false, or the path of a CA bundle on Airflow's machines; empty: true",
        "schema": {"type": ["string", "null"]},
    },
    "proxy": {
        "label": "Proxy",
        "description": "Like http://user:password@proxy.example.com:3128; empty: what the environment says",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "max_retries": {
        "label": "Retries",
        "description": "How often a failed request is repeated, where that is safe; empty: 5",
        "schema": {"type": ["integer", "null"], "minimum": 0},
    },
    "allow_http": {
        "label": "Allow plain HTTP",
        "description": "Send the key in clear to a host that begins with http://; not needed for localhost",
        "schema": {"type": ["boolean", "null"]},
    },
    "max_requests_per_minute": {
        "label": "Requests per minute",
        "description": "Most requests that one process sends in any minute; empty: as many as are needed",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "trust_events": {
        "label": "Trust events",
        "description": "Look less often at long executions while Polytomic's events tell of each end",
        "schema": {"type": ["boolean", "null"]},
    },
    "link_template": {
        "label": "Link to a sync",
        "description": "Address of a sync in Polytomic's UI, with {base_url}, {organization_id}, {kind}, {sync_id} and "
        "{execution_id}; empty: tasks have no link",
        "schema": {"type": ["string", "null"]},
    },
    "bulk_link_template": {
        "label": "Link to a bulk sync",
        "description": "The same for bulk syncs, where their address is another; empty: as above",
        "schema": {"type": ["string", "null"]},
    },
    "hide_error_records": {
        "label": "Hide records with errors",
        "description": "Keep the first records that had errors out of the message of a failed task",
        "schema": {"type": ["boolean", "null"]},
    },
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "extra"],
    "relabeling": {"password": "API key", "login": "Organization id", "host": "Host"},
    "placeholders": {
        "password": "made in Polytomic, in the settings",
        "login": "only for a partner or deployment key",
        "host": "https://app.polytomic.com",
        "port": "443; without one, Airflow 3.3.1 and 3.3.2 cannot test",
        "api_version": "2025-09-18",
        "timeout": "30",
        "verify": "true",
        "proxy": "http://proxy.example.com:3128",
        "max_retries": "5",
        "link_template": "{base_url}/org/{organization_id}/syncs/{sync_id}",
    },
}


def _option(description: str, example: str, default: str = "", type: str = "string") -> dict[str, Any]:
    return {
        "description": description,
        "version_added": None,
        "type": type,
        "example": example,
        "default": default,
    }


WEBHOOK_OPTIONS: dict[str, dict[str, Any]] = {
    "webhook_conn_id": _option(
        "Airflow connection whose password is the secret of Polytomic's webhook; empty: none is received",
        "polytomic_webhook",
    ),
    "webhook_airflow_conn_id": _option(
        "Airflow connection with the user who creates the asset events: login, password, and host where the REST API "
        "is not reached at [api] base_url",
        "airflow_api",
    ),
    "webhook_polytomic_conn_id": _option(
        "Polytomic connection that the events are looked up with", "polytomic_default", "polytomic_default"
    ),
    "webhook_events": _option(
        "Ends that create asset events: completed, completed_with_errors, failed and canceled, or some of them",
        "completed, completed_with_errors",
        "completed",
    ),
    "webhook_signature_hash": _option("Hash of the signature: sha256, sha512 or sha1", "sha256", "sha256"),
    "webhook_signature_encoding": _option("How the signature is written: hex or base64", "hex", "hex"),
    "webhook_max_age": _option(
        "Seconds after which an event is refused as too old; 0: never", "3600", "86400", "integer"
    ),
    "webhook_max_bytes": _option("Bytes of the longest delivery that is read", "65536", "1048576", "integer"),
}

ASSET_URIS: list[dict[str, Any]] = [
    {
        "schemes": ["polytomic"],
        "handler": "airflow_provider_polytomic.assets.sanitize_uri",
        "factory": "airflow_provider_polytomic.assets.create_asset",
        "to_openlineage_converter": "airflow_provider_polytomic.assets.convert_asset_to_openlineage",
    }
]
"""For Airflow 3; Airflow 2 reads the same under another name."""

LINEAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "lineage_of_connections": _option(
        "Ask Polytomic for the connections of a sync when OpenLineage asks for a task's lineage, and name datasets by "
        "the systems that they are in; False: by the ids of their connections. One or two requests more for each task",
        "True",
        "False",
        "boolean",
    ),
}


def get_provider_info() -> dict[str, Any]:
    """Return what the entry point group ``apache_airflow_provider`` asks for."""
    return {
        "package-name": "airflow-provider-polytomic",
        "name": INTEGRATION,
        "description": "Start, wait for, cancel and observe syncs of `Polytomic <https://www.polytomic.com>`__.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://apidocs.polytomic.com",
                "tags": ["service"],
            }
        ],
        "hooks": _modules("hooks", "polytomic"),
        "operators": _modules("operators", "syncs", "bulk_syncs", "listing", "connections"),
        "sensors": _modules("sensors", "syncs", "bulk_syncs", "runs", "freshness"),
        "triggers": _modules("triggers", "executions", "many", "sensors", "events", "freshness"),
        "extra-links": [f"{PACKAGE}.links.syncs.PolytomicSyncLink"],
        "asset-uris": ASSET_URIS,
        "dataset-uris": ASSET_URIS,
        "connection-types": [
            {
                "connection-type": "polytomic",
                "hook-class-name": f"{PACKAGE}.hooks.polytomic.PolytomicHook",
                "hook-name": INTEGRATION,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
        "config": {
            "polytomic": {
                "description": "Lineage, and the webhook that Polytomic's events come by on Airflow 3.",
                "options": {**LINEAGE_OPTIONS, **WEBHOOK_OPTIONS},
            }
        },
    }


def _modules(folder: str, *names: str) -> list[dict[str, Any]]:
    return [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{folder}.{name}" for name in names]}]
