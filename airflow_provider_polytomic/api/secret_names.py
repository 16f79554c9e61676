"""Recognize the names of fields that hold a secret."""

from __future__ import annotations

import re

MAX_CHECKED_NAME_LENGTH = 200

_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase|code)|secret|credential)s?(_|$)"
    r"|(token|authorization|signature|cookie|cred)s?(_(value|hash))?$"
    r"|(api|access|private|secret|account|partner|deployment|encryption|signing|service_account)_?key"
    r"|(^|_)(pass|pwd|pw|sig|dsn|key|jwt|pat|pem|sas|psk|service_account)$|^((basic|http|proxy)_)?auth$"
    r"|(connection|conn)_?(string|str|uri|url)|(^|_)(jdbc|sas)_?(string|str|uri|url)$"
    r"|(^|_)(client|application|api|access)_id$|(^|_)(ca|client|tls|ssl)_cert(ificate)?s?$"
)
_HARMLESS_NAME = re.compile(
    r"(next_)?page_token|(max|min|input|output|total|prompt|completion)_tokens|idempotency_key|key"
    r"|(\w+_)?(primary|partition|foreign|sort|unique|natural|surrogate|composite|join|merge|order|group|cluster|record"
    r"|row|object|lookup|public|distribution|dedup)_key"
    r"|\w+_(count|type|policy|length|required|enabled|at)"
)
"""Both match names in lower case with underscores and without a number at the end, whatever separates the words. They
cover the settings that Polytomic's Terraform provider marks as sensitive, except ``key``: that is also the name of the
code in an error of the API."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
_NUMBER = re.compile(r"_?\d{1,9}$")


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name holds a secret."""
    plain = _SEPARATOR.sub("_", _HUMP.sub("_", name[-MAX_CHECKED_NAME_LENGTH:])).strip("_").lower()
    plain = _NUMBER.sub("", plain)
    return not _HARMLESS_NAME.fullmatch(plain) and _SECRET_NAME.search(plain) is not None
