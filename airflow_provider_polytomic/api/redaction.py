"""Remove secrets from everything that is shown, logged or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from airflow_provider_polytomic.api.secret_finder import SecretFinder
from airflow_provider_polytomic.api.secret_names import MAX_CHECKED_NAME_LENGTH, is_secret_name

MASK = "***"

MAX_REDACTED_LENGTH = 65_536
"""Characters of one text that are kept; the rest is cut."""

LOOKAHEAD = 4096
"""Characters beyond the end that are read, so that a secret at the end is seen as a whole before the text is cut."""

JSON_TYPES = frozenset(["string", "number", "integer", "boolean", "object", "array", "null"])
"""Types of values in a JSON schema."""

MIN_REGISTERED_LENGTH = 6
MAX_REGISTERED_SECRETS = 2000

_registered: dict[str, None] = {}
"""Secrets of the clients of this process and of what they sent, the latest last."""

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s{1,20}[A-Za-z0-9._~+/=-]+", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,60}-----.*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)", re.DOTALL)
_WORD = re.compile(r"[^\s'\"]+")
_URL_WORD = re.compile(r"[^\s'\"<>]+")
_HTTP = re.compile(r"https?://")
_USER = re.compile(r"[^/@:]*")
_DRIVER_ADDRESS = re.compile(r"@(?:tcp|udp|unix)[46]?\(")
_ASSIGNED_NAME = re.compile(
    r"""(?<![\w-])["']?(?P<name>(?:(?:api|access|private|secret|signing|connection)[ ])?[\w-]+)\\*["']?"""
    r"""\s*(?:=>|:=|==?|:)\s*""",
    re.IGNORECASE,
)
_VALUE = re.compile(r"""\\+"[^"]*"?|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)|[^\s,;&}\]]+""", re.DOTALL)

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)
"""Control characters, line and paragraph separators, direction marks, characters without width, half pairs."""

_SHORT_ESCAPE = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def register_secrets(*secrets: str | None) -> None:
    """Let :func:`redact` mask these in all texts, so that a secret that the API repeats is not shown.

    The latest :data:`MAX_REGISTERED_SECRETS` are kept.

    :param secrets: Empty and short ones are ignored; a short one may be an ordinary word of a text.
    """
    global _registered
    new = dict.fromkeys(secret for secret in secrets if secret and len(secret) >= MIN_REGISTERED_LENGTH)
    if not new.keys() <= _registered.keys():
        every = [*(secret for secret in _registered if secret not in new), *new]
        _registered = dict.fromkeys(every[-MAX_REGISTERED_SECRETS:])
        _registered_finder.cache_clear()


def redact(value: Any, *secrets: str | None, max_length: int = MAX_REDACTED_LENGTH) -> Any:
    """Return ``value`` with every secret replaced by ``***``.

    In mappings, the values of fields that are named like a secret are masked. The property of a JSON schema that
    describes such a field, and a value that the API has masked with asterisks, are kept. In texts, these are masked:
    the given and the registered secrets and their parts, in every usual encoding; ``Authorization`` values; values
    assigned to a secret's name; credentials in URLs; PEM blocks; the query strings of URLs, which may contain a
    signature. A number whose decimal digits contain a secret is masked as a whole. True, False and None are kept.

    :param value: Text, number, mapping, list or tuple; anything else is returned unchanged.
    :param secrets: Texts to mask wherever they appear; those shorter than six characters only as whole words.
    :param max_length: Number of characters of each text; a longer one is cut and ends with an ellipsis.
    """
    finders = (_finder_of(secrets), _registered_finder())
    return _redact(value, finders, max_length)


def one_line(text: str, max_length: int = 300) -> str:
    r"""Return a text from outside on one line, so that it cannot forge a log line or change how one is displayed.

    Characters without a printed form become visible escapes, such as ``\n``, ``\x1b`` and ``\u202e``.

    :param max_length: Number of characters; a longer text is cut and ends with an ellipsis.
    """
    line = _UNPRINTABLE.sub(_visible, text.strip()[: max_length + 1])
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


@lru_cache(maxsize=16)
def _finder_of(secrets: tuple[str | None, ...]) -> SecretFinder:
    return SecretFinder(secret for secret in secrets if secret)


@lru_cache(maxsize=1)
def _registered_finder() -> SecretFinder:
    return SecretFinder(_registered)


_is_secret_name = lru_cache(maxsize=1024)(is_secret_name)


def _redact(
    value: Any, finders: tuple[SecretFinder, ...], max_length: int, is_configuration: bool = False, field: str = ""
) -> Any:
    """Redact a value.

    :param is_configuration: True in the configuration of a connection, where ``key`` is the name of a secret, too.
    :param field: Name of the field that has the value.
    """
    if isinstance(value, str):
        return _redact_text(value, finders, max_length)
    if isinstance(value, Mapping):
        redacted = {}
        for name, item in value.items():
            secret = is_secret_name(str(name)) or (is_configuration and name == "key")
            secret = secret and not (_is_masked(item) or (field == "properties" and _is_schema(item)))
            inner = is_configuration or name == "configuration"
            shown = MASK if item and secret else _redact(item, finders, max_length, inner, str(name))
            redacted[_redact(name, finders, max_length)] = shown
        return redacted
    if isinstance(value, (list, tuple)):
        return [_redact(item, finders, max_length, is_configuration) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MASK if any(finder.is_in_number(repr(value)) for finder in finders) else value
    return value


def _is_masked(value: Any) -> bool:
    return isinstance(value, str) and not value.strip("*")


def _is_schema(value: Any) -> bool:
    """Return whether a value is the JSON schema of a property."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    kinds = kind if isinstance(kind, list) else [kind]
    return bool(kinds) and all(isinstance(each, str) and each in JSON_TYPES for each in kinds)


def _redact_text(text: str, finders: Iterable[SecretFinder], max_length: int) -> str:
    window = text[: max_length + LOOKAHEAD]
    redacted = _mask_spans(window, sorted(span for finder in finders for span in finder.spans(window)))
    redacted = _PEM.sub(MASK, redacted)
    redacted = _AUTHORIZATION.sub(lambda match: f"{match[1]} {MASK}", redacted)
    if "@" in redacted:
        redacted = _WORD.sub(lambda match: _mask_user(match[0]), redacted)
    if "?" in redacted:
        redacted = _URL_WORD.sub(lambda match: _mask_query(match[0]), redacted)
    redacted = _mask_assigned(redacted)
    if len(window) < len(text):
        redacted = redacted[: max(0, len(redacted) - LOOKAHEAD)] + "…"
    return redacted if len(redacted) <= max_length else redacted[: max_length - 1] + "…"


def _mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Mask parts of a text, which may overlap or touch, by their start and end in order."""
    parts: list[str] = []
    at = -1
    for start, end in spans:
        if start > at:
            parts += [text[max(at, 0) : start], MASK]
        at = max(at, end)
    return "".join([*parts, text[max(at, 0) :]])


def _mask_user(word: str) -> str:
    """Mask user and password in the URLs and driver addresses of a word; a password may contain a slash or an @."""
    last = word.rfind("@")
    parts: list[str] = []
    at, scheme = 0, word.find("://")
    while 0 <= scheme < last:
        begin = scheme + 3
        user_end = _USER.match(word, begin).end()  # type: ignore[union-attr]
        if word[user_end] == ":":
            parts += [word[at:begin], MASK]
            at = last
            break
        if word[user_end] == "@":
            slash = word.find("/", user_end)
            end = word.rfind("@", 0, slash if slash >= 0 else len(word))
            parts += [word[at:begin], MASK]
            at = user_end = end
        scheme = word.find("://", user_end)
    word = "".join([*parts, word[at:]])
    drivers = list(_DRIVER_ADDRESS.finditer(word))
    if drivers:
        end = drivers[-1].start()
        colon = word.find(":", 0, end)
        begin = max(word.rfind("=", 0, max(colon, 0)), word.rfind("(", 0, max(colon, 0))) + 1
        return word[:begin] + MASK + word[end:] if colon > begin else word
    return word


def _mask_query(link: str) -> str:
    address = _HTTP.search(link)
    query = link.find("?", address.end() + 1) + 1 if address else 0
    return link[:query] + MASK if 0 < query < len(link) else link


def _mask_assigned(text: str) -> str:
    """Mask the values of ``name=value`` pairs whose name is that of a secret."""
    parts: list[str] = []
    at = 0
    for match in _ASSIGNED_NAME.finditer(text):
        if match.start() < at or not _is_secret_name(match["name"][-MAX_CHECKED_NAME_LENGTH:]):
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


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT_ESCAPE.get(match[0], escape)
