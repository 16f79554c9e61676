"""The one place that decides what must not be read by anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "***"

_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)|secret|token|authorization|credentials?|signature|cookie)$"
    r"|(api|access|private|secret|account|partner|deployment|encryption|signing|service_account)[_-]?key"
    r"|(^|[_-])(pass|pwd|sig|dsn|key|jwt|pat)$"
    r"|(connection[_-]?(string|uri|url))",
    re.IGNORECASE,
)
_HARMLESS_NAME = re.compile(r"(next_)?page_token|idempotency_key|(\w+_)?(primary|partition|foreign|sort)_key|key", re.I)

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/@\s'\"]+(?=@)")
_URL_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_ASSIGNMENT = re.compile(
    r"""(?<![\w-])(?P<name>["']?[\w-]*(?:pass(?:word|wd|phrase)|pwd|secret|token|authorization|[\w-]key)\\*["']?)"""
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
            redact(name, *secrets): MASK if item and is_secret_name(str(name)) else redact(item, *secrets)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item, *secrets) for item in value]
    return value


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret."""
    return not _HARMLESS_NAME.fullmatch(name) and _SECRET_NAME.search(name) is not None


def secrets_in(value: Any, named: bool = False) -> list[str]:
    """List the texts and numbers that stand in fields named like a secret, however deep.

    :param named: the whole value stands in such a field
    """
    if isinstance(value, Mapping):
        inner = [(item, named or is_secret_name(str(name))) for name, item in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(item, named) for item in value]
    else:
        return [str(value)] if named and value is not None and not isinstance(value, bool) else []
    return [secret for item, is_named in inner for secret in secrets_in(item, is_named)]


def _redact_text(text: str, secrets: tuple[str | None, ...]) -> str:
    spellings = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), _in_json(secret))}
    for secret in sorted(spellings, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PEM.sub(MASK, text)
    text = _AUTHORIZATION.sub(lambda match: f"{match[1]} {MASK}", text)
    text = _URL_USER.sub(MASK, text)
    text = _URL_QUERY.sub(lambda match: f"{match[1]}?{MASK}", text)
    return _ASSIGNMENT.sub(_redact_assignment, text)


def _in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def _redact_assignment(match: re.Match[str]) -> str:
    if not is_secret_name(match["name"].strip("\"'\\")):
        return match[0]
    return f"{match['name']}{match['sign']}{MASK}"
