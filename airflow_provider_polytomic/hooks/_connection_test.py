"""What a press of *Test* on a connection says: whom the key stands for, or what is wrong and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api import identity
from airflow_provider_polytomic.api.retry import is_transient
from airflow_provider_polytomic.hooks._connection import read_connection

if TYPE_CHECKING:
    from airflow.sdk import Connection


def try_out(connection: Connection) -> tuple[bool, str]:
    """Ask Polytomic once, and tell whether the connection works and what the person at the form should know.

    Airflow tests under a made-up connection id, so no message names one.
    """
    try:
        with api.PolytomicClient(config=read_connection(connection)) as client:
            me = client.send(identity.get().without_retries())
    except ValueError as error:
        return False, f"This connection cannot be used as it is: {_ended(str(error))}"
    except api.PolytomicError as error:
        return False, f"{_ended(str(error))} {_what_to_do(error)}"
    who = me.email or me.id or "an organization key"
    return True, f"Connected to {me.organization_name or me.organization_id or 'Polytomic'} as {who}."


def _what_to_do(error: api.PolytomicError) -> str:
    if isinstance(error, api.PolytomicAuthError):
        return (
            "Paste the whole API key again, or make a new one in Polytomic if it was revoked. "
            "Fill in the organization id only for a partner or deployment key."
        )
    if isinstance(error, api.PolytomicPermissionError):
        return "Polytomic knows the API key and does not let it do this: ask an admin of Polytomic for one that may."
    if isinstance(error, api.PolytomicTransportError) and "SSL" in str(error):
        return (
            "Check that the host speaks https at this port. If its certificate is from an authority of your own, "
            "fill in the path of that authority's CA bundle at Verify certificate."
        )
    if isinstance(error, api.PolytomicTransportError):
        return (
            "Check the host and the port, and that the machine of Airflow's server can reach them; "
            "if it can do so only through a proxy, fill in the proxy."
        )
    if isinstance(error, api.PolytomicAPIError) and is_transient(error):
        return "The connection may be right: test it again in a minute."
    return "Check the host: it is the address at which you open Polytomic in the browser."


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
