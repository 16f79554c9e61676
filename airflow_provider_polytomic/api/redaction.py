"""The one place that decides what must not be read by anybody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)?|secret|token|authorization|credentials?|signature|cookie)$"
    r"|(api|access|private|secret|account|partner|deployment|encryption|signing|service_account)[_-]?key"
    r"|(^|[_-])(pwd|sig|dsn|key)$"
    r"|(connection[_-]?(string|uri|url))",
    re.IGNORECASE,
)
_HARMLESS_NAMES = frozenset({"page_token", "next_page_token", "idempotency_key", "primary_key", "key"})

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_URL_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_ASSIGNMENT = re.compile(
    r"""(?P<name>["']?[\w-]*(?:pass(?:word|wd|phrase)|pwd|secret|token|authorization|[\w]_?key)["']?)"""
    r"""(?P<sign>\s*[:=]\s*)(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s,;&}\]]+)""",
    re.IGNORECASE,
)


def redact(value: Any, *secrets: str | None) -> Any:
    """Return ``value`` with everything secret in it replaced by ``***``.

    Mappings lose the values of fields that are named like a secret; texts lose the given secrets, ``Authorization``
    values, ``name=value`` pairs named like a secret, users in URLs, PEM blocks, and every query string of a URL,
    since signed URLs carry their signature there.

    :param value: text, mapping, list or tuple; anything else is returned as it is
    :param secrets: texts that must not appear, whatever surrounds them; empty ones are ignored
    """
    if isinstance(value, str):
        return _redact_text(value, secrets)
    if isinstance(value, Mapping):
        return {
            name: MASK if item and is_secret_name(str(name)) else redact(item, *secrets) for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item, *secrets) for item in value]
    return value


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret."""
    return name.lower() not in _HARMLESS_NAMES and _SECRET_NAME.search(name) is not None


def secrets_in(value: Any) -> list[str]:
    """List the texts that stand in fields named like a secret, however deep."""
    if isinstance(value, Mapping):
        return [
            secret
            for name, item in value.items()
            for secret in ([item] if isinstance(item, str) and is_secret_name(str(name)) else secrets_in(item))
        ]
    if isinstance(value, (list, tuple)):
        return [secret for item in value for secret in secrets_in(item)]
    return []


def _redact_text(text: str, secrets: tuple[str | None, ...]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PEM.sub(MASK, text)
    text = _AUTHORIZATION.sub(lambda match: f"{match[1]} {MASK}", text)
    text = _URL_USER.sub(MASK, text)
    text = _URL_QUERY.sub(lambda match: f"{match[1]}?{MASK}", text)
    return _ASSIGNMENT.sub(_redact_assignment, text)


def _redact_assignment(match: re.Match[str]) -> str:
    if not is_secret_name(match["name"].strip("\"'")):
        return match[0]
    return f"{match['name']}{match['sign']}{MASK}"
