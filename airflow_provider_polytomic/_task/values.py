"""Values of templated fields, which may arrive as text, or natively as anything that prints like it."""

from __future__ import annotations

import ast
from datetime import datetime, timezone
from typing import Any

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused


def as_id(value: Any, name: str) -> str:
    """Return an id as text.

    :param name: the parameter that it came in
    :raises PolytomicRequestRefused: if it is empty, or not an id at all
    """
    text = "" if value is None else str(value).strip()
    if text in ("", ".", "..", "None"):
        raise PolytomicRequestRefused(f"{name} is {value!r}, which is no id. Next: check what its template renders to")
    return text


def as_bool(value: Any, name: str) -> bool:
    """Return a switch as a boolean.

    :raises PolytomicRequestRefused: if it is no word for yes or no
    """
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False, "none": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise PolytomicRequestRefused(f"{name} is {value!r}, neither true nor false") from None


def as_list(value: Any, name: str) -> list[Any] | None:
    """Return a list; None and what is empty count as none, a text as a list of one unless it is a list itself.

    :raises PolytomicRequestRefused: if it is nothing that can be a list
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            raise PolytomicRequestRefused(f"{name} is {value!r}, not a list") from None
    if value is None or value == "" or value == []:
        return None
    if isinstance(value, str):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    raise PolytomicRequestRefused(f"{name} is {value!r}, not a list")


def as_ids(value: Any, name: str) -> list[str] | None:
    """Return a list of texts, such as ids; otherwise as :func:`as_list`."""
    items = as_list(value, name)
    return None if items is None else [str(item) for item in items]


def as_moment(value: Any, name: str) -> datetime:
    """Return a point in time; one without time zone is in UTC.

    :raises PolytomicRequestRefused: if it is neither a datetime nor a text in ISO 8601
    """
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise PolytomicRequestRefused(f"{name} is {value!r}, not a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
