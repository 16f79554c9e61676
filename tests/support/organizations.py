"""The organizations of a partner in the emulator, and the Airflow connection with the partner's key."""

from __future__ import annotations

import json
from typing import Any


def partner_connection(emulator: Any) -> str:
    """Return the Airflow connection with the key of the partner and no login, as JSON."""
    return json.dumps({"conn_type": "polytomic", "host": emulator.url, "password": emulator.partner_key})


def add_customers(emulator: Any, *names: str) -> list[Any]:
    """Add organizations, each with the sample syncs and the same ids, and return their controls."""
    organizations = [emulator.organization(emulator.add_organization(name=name, id=name)) for name in names]
    for organization in organizations:
        organization.add_samples()
    return organizations
