"""The one place that decides what must not be read by anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

MASK = "***"

SHORTEST_KNOWN = 8
MOST_KNOWN = 100

_known: tuple[str, ...] = ()
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
"""Both are of names as :func:`_plain` writes them."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)(?:[^\s'\"/@:]{0,200}:[^\s'\"]{0,1000}|[^/\s'\"]{1,1000})@")
_DSN_USER = re.compile(r"(?<![^\s'\"=(])[^\s'\"=(/@:]{1,200}:[^\s'\"]{0,1000}@(?=(?:tcp|udp|unix)[46]?\()")
"""Passwords may have a slash or an @ in them, so a user ends at the last @; the limits keep long texts from being
searched again and again."""

_URL_QUERY = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_NAME = re.compile(
    r"""(?<![\w-])["']?(?P<name>(?:(?:api|access|private|secret|signing|connection)[ ])?[\w-]+)\\*["']?"""
    r"""\s*(?:=>|:=|==?|:)\s*""",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"""\\+"[^"]*"?|"(?:[^"\\]|\\.)*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|[^\s,;&}\]]+""",
    re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def hide_from_now_on(*secrets: str | None) -> None:
    """Have :func:`redact` hide these in all texts, so that a key that the API repeats is not handed on.

    :param secrets: empty ones are ignored, and short ones, which may stand in a text and mean something else
    """
    global _known
    new = [secret for secret in secrets if secret and len(secret) >= SHORTEST_KNOWN]
    _known = (*(secret for secret in _known if secret not in new), *dict.fromkeys(new))[-MOST_KNOWN:]


def redact(value: Any, *secrets: str | None) -> Any:
    """Return ``value`` with everything secret in it replaced by ``***``.

    Mappings lose the values of fields that are named like a secret; texts lose the given secrets, ``Authorization``
    values, what is assigned to a name of a secret, users in URLs, PEM blocks, and every query string of a URL,
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
    plain = _plain(name)
    return not _HARMLESS_NAME.fullmatch(plain) and _SECRET_NAME.search(plain) is not None


def one_line(text: str, most: int = 300) -> str:
    """Return a text that others wrote as one line, which neither moves a cursor nor looks like a line of ours.

    :param most: letters that are kept; a longer text ends with an ellipsis
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


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
    hidden = [secret for secret in (*secrets, *_known) if secret]
    spellings = {form for secret in hidden for form in (secret, quote(secret, safe=""), _in_json(secret))}
    for secret in sorted(spellings, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _PEM.sub(MASK, text)
    text = _AUTHORIZATION.sub(lambda match: f"{match[1]} {MASK}", text)
    text = _DSN_USER.sub(f"{MASK}@", _URL_USER.sub(f"{MASK}@", text))
    text = _URL_QUERY.sub(lambda match: f"{match[1]}?{MASK}", text)
    return _without_assigned(text)


def _in_json(secret: str) -> str:
    return json.dumps(secret)[1:-1]


def _plain(name: str) -> str:
    """Write a name in small letters with underscores, however it separates its words."""
    return _SEPARATOR.sub("_", _HUMP.sub("_", name)).strip("_").lower()


def _without_assigned(text: str) -> str:
    """Mask what ``name=value`` pairs give to a name of a secret."""
    kept: list[str] = []
    at = 0
    for match in _NAME.finditer(text):
        if match.start() < at or not is_secret_name(match["name"]):
            continue
        end = _end_of_value(text, match.end())
        if end > match.end():
            kept += [text[at : match.end()], MASK]
            at = end
    return "".join([*kept, text[at:]])


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
