"""Know callers by their keys, and keep each to what its key opens."""

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
_ANYONE = "/api/me"


@dataclass(frozen=True)
class Credentials:
    """What an ``Authorization`` header carries.

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


def role(given: Credentials, state: State) -> str | None:
    """Tell what a caller with these credentials is; None: nobody."""
    if state.deployment_key in (given.key, given.organization_id):
        return DEPLOYMENT if _deployment_form(given, state) in state.behavior.deployment_key_forms else None
    if given.scheme == "bearer":
        return {state.api_key: USER, state.partner_key: PARTNER}.get(given.key)
    if given.scheme == "basic" and given.organization_id == state.organization_id:
        return ORGANIZATION if given.key in (state.api_key, state.partner_key) else None
    return None


def _deployment_form(given: Credentials, state: State) -> str | None:
    """Tell in which form the deployment key was sent."""
    if given.scheme == "bearer":
        return BEARER
    if given.organization_id == state.deployment_key:
        return BASIC_KEY if not given.key else None
    return BASIC_ORGANIZATION if given.organization_id == state.organization_id else None


def authorize(given: Credentials, path: str, state: State) -> None:
    """Refuse a caller who is nobody, or whose key does not open ``path``.

    A partner's key sent as it is opens the organizations alone; one of them, with its id, opens the rest. A deployment
    key opens everything.
    """
    who = role(given, state)
    if who is None:
        raise ApiError(401, "The API key was not accepted.")
    partners_only = path == _PARTNERS_ONLY or path.startswith(_PARTNERS_ONLY + "/")
    if path != _ANYONE and who != DEPLOYMENT and partners_only != (who == PARTNER):
        raise ApiError(403, "The API key does not allow this.")
