"""List the secrets in what is sent, and the parts of a secret that a server may quote by themselves."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from airflow_provider_polytomic.api.secret_names import is_secret_name

MIN_SENT_LENGTH = 6
"""Shortest text of a configuration that is a secret whatever its name is."""

MIN_WORD_LENGTH = 8
"""Shortest word of a text that is a secret if it looks random."""

MIN_SENT_DIGITS = 8
"""Fewest digits of a number of a configuration that is a secret whatever its name is."""

MAX_SECRET_NESTING = 40
"""Depth of a secret, such as JSON in JSON, to which its parts are read."""

_PLAIN_NAME = re.compile(
    r"(.*_)?(host|hostname|host_?name|server|database|db|db_?name|schema|region|location|warehouse|bucket|user|username"
    r"|user_?name|name|method|mode|type|style|format|detection)",
    re.IGNORECASE,
)
_PLAIN_VALUE = re.compile(r"[A-Za-z][A-Za-z_-]{0,29}|[a-z]{2}-[a-z]+-\d|([a-z0-9-]{1,40}\.){1,6}[a-z]{2,10}")
"""A setting is not secret if its name is plain and its value is a word, a region or the name of a host."""

_PLAIN_WORDS = frozenset(
    [
        "access_key",
        "basic",
        "bearer",
        "client_credentials",
        "default",
        "direct",
        "disable",
        "disabled",
        "enable",
        "enabled",
        "false",
        "grant_type",
        "header",
        "incremental",
        "oauth",
        "password",
        "postgresql",
        "prefer",
        "private",
        "public",
        "require",
        "required",
        "standard",
        "string",
        "unknown",
        "username",
        "verify-ca",
        "verify-full",
    ]
)

_MASKED = re.compile(r"\*+")
_PEM_LIMIT = re.compile(r"\s*-----(BEGIN|END) [A-Z0-9 ]+-----\s*")
_LINE_END = re.compile(r"[\r\n]+|\\r|\\n")
_ASSIGNMENT = re.compile(r"""([\w.-]{1,80})\s{0,9}=\s{0,9}("[^"]*"|'[^']*'|\{[^}]*\}|[^;&\s]+)""")
_SEMICOLON_ASSIGNMENT = re.compile(r"([\w .-]{1,80})=([^;]+)")
_FIELD = re.compile(r"""^[ \t-]{0,80}["']?([\w.-]{1,80})["']?[ \t]{0,9}:[ \t]{1,9}(\S[^\r\n]*)""", re.MULTILINE)
_SCHEME = re.compile(r"\s*[A-Za-z][\w-]{1,30}\s+(\S{6,})\s*")
_PART = re.compile(r"[^\s\"'`<>()\[\]{}|,;:=?&@]{8,}")
_IDENTIFIER = re.compile(r"[A-Za-z]+([_.-][A-Za-z]+)*[_.-]?\d*")
_PASSWORD = re.compile(r"(?:thin:[^\s:/@]{0,200}/|//[^\s:/@]{0,200}:|^(?!jdbc:)[^\s:/@]{1,200}:(?!//))(.*)@", re.DOTALL)
_USER_ONLY = re.compile(r"//([^\s:/@]{1,2000})@")
_ENCODED_SECRET = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")


def secrets_in(value: Any, named: bool = False) -> list[str]:
    """List the texts and numbers in fields named like a secret, at any depth.

    :param named: True if ``value`` itself is in such a field.
    """
    return [text for name, text, secret in _leaves(value, named) if secret]


def secrets_sent(configuration: Any) -> list[str]:
    """List every text and long number of a configuration, except settings that are evidently not secret.

    The name of a field is not enough to tell, since each type of connection has names of its own.
    """
    return [text for name, text, secret in _leaves(configuration, False) if secret or _may_be_secret(name, text)]


def secrets_of_connection(body: Mapping[str, Any]) -> list[str]:
    """List the secrets in the body of a request about a connection: its settings, and what a proxy request carries."""
    request = body.get("request")
    carried = request if isinstance(request, Mapping) else {}
    names = ("headers", "query", "rawQuery", "body")
    sent = [body.get("configuration"), body.get("parameters"), *(carried.get(name) for name in names)]
    return secrets_sent([*sent, str(carried.get("path")).partition("?")[2]])


def parts_of(secret: str, depth: int = 0) -> Iterator[str]:
    """Yield a secret, and what a server may quote of it: its lines, values within it, and the password of a URL."""
    yield secret
    if depth > MAX_SECRET_NESTING:
        return
    lines = [line.strip() for line in _LINE_END.split(secret) if not _PEM_LIMIT.fullmatch(line)]
    if lines != [secret.strip()]:
        yield from (line for line in lines if len(line) >= MIN_SENT_LENGTH)
    yield from _words_in(secret)
    if scheme := _SCHEME.fullmatch(secret):
        yield from _credentials_in(scheme[1])
    if secret.lstrip()[:1] in ("{", "["):
        for text in secrets_sent(_json(secret)):
            yield from parts_of(text, depth + 1)
    elif _ENCODED_SECRET.fullmatch(secret):
        inner = decode_base64(secret)
        if inner.lstrip().startswith(("{", "-----BEGIN ")):
            yield from parts_of(inner, depth + 1)
    if "@" in secret:
        yield from _passwords_in(secret)
    if "=" in secret:
        for pattern in (_ASSIGNMENT, _SEMICOLON_ASSIGNMENT):
            yield from _assigned_in(secret, pattern)
    for value in _assigned_in(secret, _FIELD) if ":" in secret else ():
        if len(value) >= MIN_SENT_LENGTH:
            yield value
            if scheme := _SCHEME.fullmatch(value):
                yield from _credentials_in(scheme[1])


def _words_in(text: str) -> Iterator[str]:
    """Yield the words of a text that look random, and the parts of those with slashes: a token in a path."""
    for word in _PART.findall(text):
        for part in (word, *word.split("/")) if "/" in word else (word,):
            is_random = any(map(str.isdigit, part)) and any(map(str.isalpha, part))
            if len(part) >= MIN_WORD_LENGTH and is_random and not _IDENTIFIER.fullmatch(part):
                yield part


def _credentials_in(credentials: str) -> Iterator[str]:
    """Yield the credentials of an ``Authorization`` value; basic ones are user and password in Base64."""
    yield credentials
    user, colon, password = decode_base64(credentials).partition(":")
    if colon and password.isprintable() and len(password) >= MIN_SENT_LENGTH:
        yield password


def decode_base64(text: str) -> str:
    """Return the text that is encoded in another one, with or without padding, as far as it can be decoded."""
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.b64decode(digits + "=" * (-len(digits) % 4)).decode("utf-8", "replace")


def _leaves(value: Any, secret: bool, name: str = "", depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """Yield name, text, and whether a name above is that of a secret, of each text and number."""
    if isinstance(value, (Mapping, list, tuple)):
        if depth > MAX_SECRET_NESTING:
            return
        items = value.items() if isinstance(value, Mapping) else ((name, item) for item in value)
        for key, item in items:
            yield from _leaves(item, secret or is_secret_name(str(key)), str(key), depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield name, str(value), secret


def _may_be_secret(name: str, text: str) -> bool:
    if _MASKED.fullmatch(text) or text.lower() in _PLAIN_WORDS:
        return False
    if re.fullmatch(r"[-+.\d]+", text):
        return sum(map(str.isdigit, text)) >= MIN_SENT_DIGITS
    if len(text) < MIN_SENT_LENGTH:
        return False
    return not (_PLAIN_NAME.fullmatch(name) and _PLAIN_VALUE.fullmatch(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _passwords_in(text: str) -> Iterator[str]:
    user = _USER_ONLY.search(text)
    if user:
        yield unquote(user[1])
    password = _PASSWORD.search(text)
    if password:
        yield password[1]
        yield unquote(password[1])


def _assigned_in(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    for name, quoted in pattern.findall(text):
        value = quoted.strip().strip("\"'{}")
        if is_secret_name(name.strip()) or _may_be_secret(name.strip(), value):
            yield value
