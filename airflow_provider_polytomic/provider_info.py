"""The provider metadata. Airflow imports this module at every start, so it imports nothing itself."""

from __future__ import annotations

from typing import Any

from airflow_provider_polytomic import __version__

PACKAGE = "airflow_provider_polytomic"
INTEGRATION = "Polytomic"


def _field(label: str, description: str, type: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [type, "null"], **schema}}


CONNECTION_FIELDS: dict[str, Any] = {
    "api_version": _field("API version", "Date of the version. Empty: 2025-09-18", pattern=r"^(\d{4}-\d{2}-\d{2})?$"),
    "timeout": _field("Timeout", "Seconds to wait for one response. Empty: 30", "integer", minimum=1),
    "verify": _field("Verify certificate", "true, false, or path of a CA bundle on Airflow's machines. Empty: true"),
    "proxy": _field(
        "Proxy",
        "URL such as http://user:password@proxy.example.com:3128. Empty: as in the environment",
        format="password",
    ),
    "max_retries": _field("Retries", "Retries of a failed request, if a retry is safe. Empty: 5", "integer", minimum=0),
    "allow_http": _field("Allow plain HTTP", "Send the key unencrypted to an http:// host other than this", "boolean"),
    "max_requests_per_minute": _field(
        "Requests per minute",
        "Maximum number of requests of a process in any minute. Empty: no limit",
        "integer",
        minimum=1,
    ),
    "trust_events": _field("Trust events", "Poll long executions less often while events report every end", "boolean"),
    "link_template": _field(
        "Link to a sync",
        "URL of a sync in Polytomic's UI, with the placeholders {base_url}, {organization_id}, {kind}, {sync_id} and "
        "{execution_id}. Empty: tasks have no link",
    ),
    "bulk_link_template": _field("Link to a bulk sync", "URL of a bulk sync, if it differs. Empty: the link to a sync"),
    "hide_error_records": _field(
        "Hide records with errors", "Omit the first records with errors from the message of a failed task", "boolean"
    ),
}

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["schema", "extra"],
    "relabeling": {"password": "API key", "login": "Organization id", "host": "Host"},
    "placeholders": {
        "password": "created in the settings of Polytomic",
        "login": "only for a partner or deployment key",
        "host": "https://app.polytomic.com",
        "port": "443; Airflow 3.3.1 and 3.3.2 need it for Test",
        "api_version": "2025-09-18",
        "timeout": "30",
        "verify": "true",
        "proxy": "http://proxy.example.com:3128",
        "max_retries": "5",
        "link_template": "{base_url}/org/{organization_id}/syncs/{sync_id}",
    },
}


def _option(description: str, example: str, default: str = "", type: str = "string") -> dict[str, Any]:
    return {"description": description, "version_added": None, "type": type, "example": example, "default": default}


WEBHOOK_OPTIONS: dict[str, dict[str, Any]] = {
    "webhook_conn_id": _option(
        "Id of the Airflow connection whose password is the secret of Polytomic's webhook. Empty: no webhook",
        "polytomic_webhook",
    ),
    "webhook_airflow_conn_id": _option(
        "Id of the Airflow connection of the user that creates the asset events: login, password, and the host if the "
        "REST API is not at [api] base_url",
        "airflow_api",
    ),
    "webhook_polytomic_conn_id": _option(
        "Id of the Polytomic connection that reads the executions", "polytomic_default", "polytomic_default"
    ),
    "webhook_events": _option(
        "Events that create asset events: any of completed, completed_with_errors, failed and canceled",
        "completed, completed_with_errors",
        "completed",
    ),
    "webhook_signature_hash": _option("Hash algorithm of the signature: sha256, sha512 or sha1", "sha256", "sha256"),
    "webhook_signature_encoding": _option("Encoding of the signature: hex or base64", "hex", "hex"),
    "webhook_max_age": _option("Maximum age of an event in seconds. 0: no limit", "3600", "86400", "integer"),
    "webhook_max_bytes": _option("Maximum size of a delivery in bytes, at most 65536", "32768", "65536", "integer"),
}

ASSET_URIS: list[dict[str, Any]] = [
    {
        "schemes": ["polytomic"],
        "handler": "airflow_provider_polytomic.assets.sanitize_uri",
        "factory": "airflow_provider_polytomic.assets.create_asset",
        "to_openlineage_converter": "airflow_provider_polytomic.assets.convert_asset_to_openlineage",
    }
]
"""The value of ``asset-uris`` for Airflow 3 and of ``dataset-uris`` for Airflow 2."""

LINEAGE_OPTIONS: dict[str, dict[str, Any]] = {
    "lineage_of_connections": _option(
        "True: request the connections of a sync for its lineage, and name datasets by the systems that contain them; "
        "one or two more requests for each task. False: name datasets by the ids of their connections",
        "True",
        "False",
        "boolean",
    )
}


UI_OPTIONS: dict[str, dict[str, Any]] = {
    "ui_connections": _option(
        "Ids of the Airflow connections whose syncs the page Polytomic in Airflow's UI shows (Airflow 3.1 and later). "
        "Empty: no page",
        "polytomic_default, polytomic_eu",
        "polytomic_default",
    )
}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata for the entry point group ``apache_airflow_provider``."""
    return {
        "package-name": "airflow-provider-polytomic",
        "name": INTEGRATION,
        "description": "Start, wait for, cancel and observe syncs of `Polytomic <https://www.polytomic.com>`__.",
        "versions": [__version__],
        "integrations": [
            {"integration-name": INTEGRATION, "external-doc-url": "https://apidocs.polytomic.com", "tags": ["service"]}
        ],
        "hooks": _modules("hooks", "polytomic"),
        "operators": _modules("operators", "syncs", "bulk_syncs", "listing", "connections", "operation", "snapshots"),
        "sensors": _modules("sensors", "syncs", "bulk_syncs", "schemas", "runs", "freshness"),
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
                "description": "Lineage, the webhook on Airflow 3, and the page in Airflow's UI.",
                "options": {**LINEAGE_OPTIONS, **WEBHOOK_OPTIONS, **UI_OPTIONS},
            }
        },
    }


def _modules(folder: str, *names: str) -> list[dict[str, Any]]:
    return [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{folder}.{name}" for name in names]}]
