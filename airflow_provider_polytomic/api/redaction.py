"""Remove secrets from everything that is shown, logged or stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "***"

MIN_REGISTERED_LENGTH = 8
MAX_REGISTERED_SECRETS = 100

_registered: tuple[str, ...] = ()
"""Secrets of the clients of this process, the latest last."""

_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)|secret|credential)s?(_|$)"
    r"|(token|authorization|signature|cookie)s?(_(value|hash))?$"
    r"|(api|access|private|secret|account|partner|deployment|encryption|signing|service_account)_?key"
    r"|(^|_)(pass|pwd|sig|dsn|key|jwt|pat)$|^((basic|http|proxy)_)?auth$"
    r"|connection_?(string|uri|url)"
)
_HARMLESS_NAME = re.compile(
    r"(next_)?page_token|(max|min|input|output|total|prompt|completion)_tokens|idempotency_key|key"
    r"|(\w+_)?(primary|partition|foreign|sort)_key|\w+_(count|type|policy|length|required|enabled|at)"
)
"""Both match names in lower case with underscores, whatever separates the words of a name."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)(?:[^\s'\"/@:]{0,200}:[^\s'\"]{0,1000}|[^/\s'\"]{1,1000})@")
_DSN_USER = re.compile(r"(?<![^\s'\"=(])[^\s'\"=(/@:]{1,200}:[^\s'\"]{0,1000}@(?=(?:tcp|udp|unix)[46]?\()")
"""A password may contain a slash or an @, so the credentials end at the last @. The limits bound the backtracking in
long texts."""

_URL_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_ASSIGNED_NAME = re.compile(
    r"""(?<![\w-])["']?(?P<name>(?:(?:api|access|private|secret|signing|connection)[ ])?[\w-]+)\\*["']?"""
    r"""\s*(?:=>|:=|==?|:)\s*""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""\\+"[^"]*"?|"(?:[^"\\]|\\.)*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|[^\s,;&}\]]+""", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def register_secrets(*secrets: str | None) -> None:
    """Let :func:`redact` mask these in all texts, so that a key that the API repeats is not shown.

    :param secrets: Empty and short ones are ignored; a short one may be an ordinary word of a text.
    """
    global _registered
    new = [secret for secret in secrets if secret and len(secret) >= MIN_REGISTERED_LENGTH]
    others = (secret for secret in _registered if secret not in new)
    _registered = (*others, *dict.fromkeys(new))[-MAX_REGISTERED_SECRETS:]


def redact(value: Any, *secrets: str | None) -> Any:
    """Return ``value`` with every secret replaced by ``***``.

    In mappings, the values of fields that are named like a secret are masked. In texts, the given and the registered
    secrets, ``Authorization`` values, values assigned to a secret's name, credentials in URLs, PEM blocks and the
    query strings of URLs, which contain the signature of a signed URL, are masked.

    :param value: Text, mapping, list or tuple; anything else is returned unchanged.
    :param secrets: Texts to mask wherever they appear; empty ones are ignored.
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
    plain = _SEPARATOR.sub("_", _HUMP.sub("_", name)).strip("_").lower()
    return not _HARMLESS_NAME.fullmatch(plain) and _SECRET_NAME.search(plain) is not None


def one_line(text: str, max_length: int = 300) -> str:
    """Return a text from outside on one line and without control characters, so that it cannot forge a log line.

    :param max_length: Number of characters; a longer text is cut and ends with an ellipsis.
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def secrets_in(value: Any, named: bool = False) -> list[str]:
    """List the texts and numbers in fields named like a secret, at any depth.

    :param named: True if ``value`` itself is in such a field.
    """
    if isinstance(value, Mapping):
        inner = [(item, named or is_secret_name(str(name))) for name, item in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(item, named) for item in value]
    else:
        return [str(value)] if named and value is not None and not isinstance(value, bool) else []
    return [secret for item, is_named in inner for secret in secrets_in(item, is_named)]


def _redact_text(text: str, secrets: tuple[str | None, ...]) -> str:
    hidden = [secret for secret in (*secrets, *_registered) if secret]
    spellings = {form for secret in hidden for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
    for secret in sorted(spellings, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PEM.sub(MASK, text)
    text = _AUTHORIZATION.sub(lambda match: f"{match[1]} {MASK}", text)
    text = _DSN_USER.sub(f"{MASK}@", _URL_USER.sub(f"{MASK}@", text))
    text = _URL_QUERY.sub(lambda match: f"{match[1]}?{MASK}", text)
    return _mask_assigned(text)


def _mask_assigned(text: str) -> str:
    """Mask the values of ``name=value`` pairs whose name is that of a secret."""
    parts: list[str] = []
    at = 0
    for match in _ASSIGNED_NAME.finditer(text):
        if match.start() < at or not is_secret_name(match["name"]):
            continue
        end = _end_of_value(text, match.end())
        if end > match.end():
            parts += [text[at : match.end()], MASK]
            at = end
    return "".join([*parts, text[at:]])


def _end_of_value(text: str, begin: int) -> int:
    if text[begin : begin + 1] not in ("[", "{"):
        value = _VALUE.match(text, begin)
        return value.end() if value else begin
    depth = 0
    for at in range(begin, len(text)):
        depth += (text[at] in "[{") - (text[at] in "]}")
        if depth == 0:
            return at + 1
    return len(text)
