"""Test an Airflow connection for the *Test* button of the form and ``airflow connections test``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api import identity
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.hooks._connection import read_connection

if TYPE_CHECKING:
    from airflow.sdk import Connection


def test_connection(connection: Connection) -> tuple[bool, str]:
    """Call ``GET /api/me`` once; return whether it succeeded, and a message for the person at the form.

    Airflow tests under a temporary connection id, so no message names one.
    """
    try:
        with api.PolytomicClient(config=read_connection(connection)) as client:
            me = client.send(identity.get().without_retries())
    except ValueError as error:
        return False, f"This connection cannot be used as it is: {_sentence(str(error))}"
    except api.PolytomicError as error:
        return False, f"{_sentence(str(error))} {_next_step(error)}"
    user = me.email or me.id or "an organization key"
    return True, f"Connected to {me.organization_name or me.organization_id or 'Polytomic'} as {user}."


def _next_step(error: api.PolytomicError) -> str:
    if isinstance(error, api.PolytomicAuthError):
        return (
            "Paste the whole API key again, or create a new one in Polytomic if it was revoked. "
            "Fill in the organization id only for a partner or deployment key."
        )
    if isinstance(error, api.PolytomicPermissionError):
        return "The API key is valid but lacks the permission: ask an admin of Polytomic for a key that has it."
    if isinstance(error, api.PolytomicTransportError) and "SSL" in str(error):
        return (
            "Check that the host serves https at this port. If a private authority has signed its certificate, "
            "fill in the path of that authority's CA bundle at Verify certificate."
        )
    if isinstance(error, api.PolytomicTransportError):
        return (
            "Check the host and the port, and that the machine of Airflow's server can reach them; "
            "if it needs a proxy for that, fill in the proxy."
        )
    if isinstance(error, api.PolytomicAPIError) and is_transient(error):
        return "The connection may be right: test it again in a minute."
    return "Check the host: it is the address at which you open Polytomic in the browser."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
