"""Credentials of callers, and the paths that each kind of key may request."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from airflow_provider_polytomic.emulator.domain.behavior import BASIC_KEY, BASIC_ORGANIZATION, BEARER
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.state import State

USER, ORGANIZATION, PARTNER, DEPLOYMENT = "user", "organization", "partner", "deployment"
_PARTNERS_ONLY = "/api/organizations"
_EVERYONE = "/api/me"


@dataclass(frozen=True)
class Credentials:
    """Content of an ``Authorization`` header.

    :param scheme: ``bearer`` or ``basic``; None for anything else.
    """

    scheme: str | None = None
    key: str = field(default="", repr=False)
    organization_id: str | None = None


def credentials(headers: Headers) -> Credentials:
    """Read the ``Authorization`` header."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credentials("bearer", value.strip())
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return Credentials()
        return Credentials("basic", password, user)
    return Credentials()


def role(sent: Credentials, state: State) -> str | None:
    """Return the role of a caller with these credentials; None if they are not accepted."""
    if state.deployment_key in (sent.key, sent.organization_id):
        return DEPLOYMENT if _deployment_form(sent, state) in state.behavior.deployment_key_forms else None
    if sent.scheme == "bearer":
        return {state.api_key: USER, state.partner_key: PARTNER}.get(sent.key)
    if sent.scheme == "basic" and sent.organization_id == state.organization_id:
        return ORGANIZATION if sent.key in (state.api_key, state.partner_key) else None
    return None


def _deployment_form(sent: Credentials, state: State) -> str | None:
    if sent.scheme == "bearer":
        return BEARER
    if sent.organization_id == state.deployment_key:
        return BASIC_KEY if not sent.key else None
    return BASIC_ORGANIZATION if sent.organization_id == state.organization_id else None


def authorize(sent: Credentials, path: str, state: State) -> None:
    """Check that a caller with these credentials may request ``path``.

    A partner key alone may request the organizations only; together with the id of an organization it may request the
    rest. A deployment key may request everything.

    :raises ApiError: if the caller may not.
    """
    caller = role(sent, state)
    if caller is None:
        raise ApiError(401, "The API key was not accepted.")
    partners_only = path == _PARTNERS_ONLY or path.startswith(_PARTNERS_ONLY + "/")
    if path != _EVERYONE and caller != DEPLOYMENT and partners_only != (caller == PARTNER):
        raise ApiError(403, "The API key does not allow this.")
