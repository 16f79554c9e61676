"""Find secrets in a text, in whatever usual encoding the text quotes them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from airflow_provider_polytomic.api.secret_values import MIN_SENT_LENGTH, decode_base64, parts_of

MAX_ENCODINGS = 3
"""Number of encodings around each other that are undone, such as JSON in a JSON text in a URL."""

MAX_SECRET_LENGTH = 256
"""A longer secret is searched in pieces, so that a part of it is found, too."""

PIECE_LENGTH = 64
FEW_SECRETS = 50

_CODED = r"(?:\\u[0-9a-fA-F]{4})+|\\x[0-9a-fA-F]{2}|\\[nrtbf\"'\\/]|(?:%[0-9a-fA-F]{2})+|&\#?[0-9a-zA-Z]{2,9};"
_ESCAPE = re.compile(_CODED)
_ESCAPE_OR_SPACE = re.compile(rf"{_CODED}|[\s+]+")
_SPACES = re.compile(r"[\s+]+")
_HAS_ESCAPE = re.compile(r"[\\%&]")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_BASE64_SEPARATOR = re.compile(r"[/+_-]")
_CONTROL_CODE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}

Span = tuple[int, int]
Secrets = dict[str, list[str]]
"""Secrets by their first letters."""


class SecretFinder:
    """Find these secrets and their parts in texts.

    The time that a text takes grows linearly with its length, and hardly with the number of secrets. Secrets shorter
    than :data:`MIN_SENT_LENGTH` are found only as whole words: they may be parts of ordinary words.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        texts = {
            piece
            for secret in secrets
            for part in parts_of(secret)
            for text in (part, part.strip())
            for piece in _pieces(text)
        }
        decoded = {_undo(text) for text in texts}
        self._long = _by_beginning(texts | decoded)
        self._decoded = _by_beginning(decoded)
        short = sorted((re.escape(text) for text in texts if 0 < len(text) < MIN_SENT_LENGTH), key=len, reverse=True)
        self._words = re.compile(rf"(?<![^\W_])(?:{'|'.join(short)})(?![^\W_])") if short else None
        self._empty = not texts - {""}

    def spans(self, text: str) -> list[Span]:
        """Return where the secrets are in a text, as pairs of start and end."""
        if self._empty or not text:
            return []
        found = [*_occurrences(text, self._long)]
        if self._words:
            found += [match.span() for match in self._words.finditer(text)]
        if self._long:
            found += [match.span() for match in _ENCODED.finditer(text) if self._is_in_base64(match[0])]
            found += self._spans_in_encoded(text)
        return found

    def is_in_number(self, digits: str) -> bool:
        """Return whether a number, as text, contains a secret or is one."""
        return bool(self._words and self._words.search(digits)) or self._is_in(digits)

    def _is_in(self, text: str) -> bool:
        return any(secret in text for secret in _candidates(text, self._long))

    def _is_in_base64(self, text: str) -> bool:
        """Return whether a secret is in Base64, which may begin anywhere in the text: after a word and a slash."""
        begins = range(4) if _BASE64_SEPARATOR.search(text) else (0,)
        return any(self._is_in(decode_base64(text[begin:])) for begin in begins)

    def _spans_in_encoded(self, text: str) -> list[Span]:
        views = [text]
        while len(views) <= MAX_ENCODINGS and (undone := _undo_once(views[-1])) != views[-1]:
            views.append(undone)
        if not any(secret in view for view in views[1:] for secret in _candidates(view, self._decoded)):
            return []
        starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
        found: list[Span] = []
        for _ in range(MAX_ENCODINGS + 1):
            text, starts, ends = _undo_with_positions(text, starts, ends)
            found += [(starts[start], ends[end - 1]) for start, end in _occurrences(text, self._decoded)]
        return found


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= MAX_SECRET_LENGTH:
        yield text
        return
    for start in range(0, len(text), PIECE_LENGTH):
        yield text[min(start, len(text) - PIECE_LENGTH) :][:PIECE_LENGTH]


def _by_beginning(texts: Iterable[str]) -> Secrets:
    secrets: Secrets = {}
    for text in sorted(text for text in texts if len(text) >= MIN_SENT_LENGTH):
        secrets.setdefault(text[:MIN_SENT_LENGTH], []).append(text)
    return secrets


def _candidates(text: str, secrets: Secrets) -> Iterator[str]:
    """Leave out secrets whose beginning is not in the text, so that each secret does not need a search of its own."""
    beginnings: Iterable[str] = secrets
    if len(secrets) > FEW_SECRETS:
        beginnings = secrets.keys() & {text[at : at + MIN_SENT_LENGTH] for at in range(len(text) - MIN_SENT_LENGTH + 1)}
    return (secret for beginning in beginnings for secret in secrets[beginning])


def _occurrences(text: str, secrets: Secrets) -> Iterator[Span]:
    for secret in _candidates(text, secrets):
        at = text.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + len(secret))


def _undo(text: str) -> str:
    for _ in range(MAX_ENCODINGS + 1):
        text = _undo_once(text)
    return text


def _undo_once(text: str) -> str:
    """Undo one encoding of a text; plus signs and white space become one space, as in forms and wrapped lines."""
    if _HAS_ESCAPE.search(text):
        text = _ESCAPE.sub(lambda match: _undo_escape(match[0]), text)
    return _SPACES.sub(" ", text)


def _undo_with_positions(text: str, starts: list[int], ends: list[int]) -> tuple[str, list[int], list[int]]:
    """Undo one encoding as :func:`_undo_once`, and keep for each character where it starts and ends originally."""
    parts: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    at = 0
    for match in _ESCAPE_OR_SPACE.finditer(text):
        begin, end = match.span()
        undone = _undo_escape(match[0])
        parts += [text[at:begin], undone]
        new_starts += [*starts[at:begin], *[starts[begin]] * len(undone)]
        new_ends += [*ends[at:begin], *[ends[end - 1]] * len(undone)]
        at = end
    return "".join([*parts, text[at:]]), [*new_starts, *starts[at:]], [*new_ends, *ends[at:]]


def _undo_escape(escape: str) -> str:
    if escape[0] == "%":
        return unquote(escape, errors="replace")
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] != "\\":
        return " "
    if escape[1] == "u":
        units = "".join(chr(int(unit, 16)) for unit in escape.split("\\u")[1:])
        return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return chr(int(escape[2:], 16)) if escape[1] == "x" else _CONTROL_CODE.get(escape[1], escape[1])
