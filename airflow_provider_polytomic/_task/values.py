"""Read the values of parameters: template fields may arrive as text, or natively as anything that prints like it."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from numbers import Number
from typing import Any, TypeVar
from uuid import UUID

from airflow_provider_polytomic.durations import InvalidParameterError
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

T = TypeVar("T")


def choice(value: T, name: str, *allowed: object) -> T:
    """Return a parameter that has a fixed set of values.

    :raises InvalidParameterError: if the value is not one of them
    """
    if value not in allowed:
        raise InvalidParameterError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
    return value


def as_id(value: Any, name: str) -> str:
    """Return an id as text.

    :param name: name of the parameter, for the message
    :raises PolytomicRequestRefused: if the value is empty or cannot be an id
    """
    text = "" if value is None else str(value).strip()
    if text in ("", ".", "..", "None"):
        raise _refused(value, name, "which is not an id")
    return text


def is_templated(value: Any) -> bool:
    """Return whether a value is known only when the task runs."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return any(map(is_templated, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_templated, value))
    return value is not None and not isinstance(value, (bool, int, float))


def check_exactly_one(**values: Any) -> None:
    """Check parameters of which a task takes exactly one, as far as their values are known.

    :param values: the parameters by name; None is not given
    :raises InvalidParameterError: if none is given, or several are and none of them is a template
    """
    given = [value for value in values.values() if value is not None]
    if not given or (len(given) > 1 and not any(map(is_templated, given))):
        raise InvalidParameterError(f"set exactly one of {' and '.join(values)}")


def exactly_one(**values: Any) -> str:
    """Return the name of the only parameter that has a value when the task runs.

    :param values: the parameters by name; None, and a template that rendered to nothing, have none
    :raises PolytomicRequestRefused: if none or several have a value
    """
    valued = [name for name, value in values.items() if str("" if value is None else value).strip() not in ("", "None")]
    if len(valued) == 1:
        return valued[0]
    if valued:
        raise PolytomicRequestRefused(f"{' and '.join(values)} exclude each other. Next: leave one of them empty")
    name = next((name for name, value in values.items() if value is not None), min(values))
    raise _refused(values[name], name, "which is not an id" if name.endswith("_id") else "which is not a name")


def as_bool(value: Any, name: str) -> bool:
    """Return a boolean.

    :raises PolytomicRequestRefused: if the value does not read as true or false
    """
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False, "none": False}
    try:
        return words[str(value).strip().lower()]
    except KeyError:
        raise _refused(value, name, "neither true nor false") from None


def as_list(value: Any, name: str) -> list[Any] | None:
    """Return a list, or None for an empty value; a text becomes a list of one, unless it is the text of a list.

    The outputs of mapped tasks and the results of ``.map()`` are sequences that read their items from XCom. They are
    read by index, since Airflow logs an error at the end of an iteration.

    :raises PolytomicRequestRefused: if the value is not a sequence
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _literal(value, name, "not a list")
    if value is None:
        return None
    if isinstance(value, str):
        return [value] if value else None
    if isinstance(value, Collection) and not isinstance(value, (bytes, bytearray, Mapping)):
        items = [value[index] for index in range(len(value))] if isinstance(value, Sequence) else list(value)
        return items or None
    raise _refused(value, name, "not a list")


def as_ids(value: Any, name: str) -> list[str] | None:
    """Return a list of texts, such as ids; otherwise like :func:`as_list`.

    :raises PolytomicRequestRefused: if the value is not a sequence, or one of its items cannot be an id
    """
    items = as_list(value, name)
    for number, item in enumerate(items or ()):
        if not isinstance(item, (str, Number, UUID)) or str(item).strip() in ("", "None"):
            raise _refused(item, f"{name}[{number}]", "which is not an id")
    return None if items is None else [str(item) for item in items]


def with_lists(value: Any) -> Any:
    """Return a value as JSON needs it: every sequence is a list, also the output of a mapped task; an id is a text."""
    if isinstance(value, Mapping):
        return {name: with_lists(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return [with_lists(value[index]) for index in range(len(value))]
    return str(value) if isinstance(value, (UUID, Decimal)) else value


def as_mappings(value: Any, name: str) -> list[Mapping[str, Any]]:
    """Return a list of mappings; one mapping becomes a list of one, and None is left out.

    :raises PolytomicRequestRefused: if the value is neither a mapping nor a sequence of mappings
    """
    if isinstance(value, str):
        value = _literal(value, name, "not a list of mappings")
    if isinstance(value, Mapping):
        value = [value]
    if value is None:
        raise _refused(value, name, "not a list of mappings")
    items = [item for item in as_list(value, name) or () if item is not None]
    for item in items:
        if not isinstance(item, Mapping):
            raise _refused(item, name, "not a mapping")
    return items


def optional_count(value: int | None, name: str) -> int | None:
    """Return a number of something; None for None.

    :raises InvalidParameterError: if the value is not a whole number, or is less than 0
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise InvalidParameterError(f"{name} must be a whole number of at least 0, or None, not {value!r}")
    return value


def optional_share(value: float | None, name: str) -> float | None:
    """Return a share of something; None for None.

    :raises InvalidParameterError: if the value is not a number from 0 to 1
    """
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1):
        raise InvalidParameterError(f"{name} must be a number from 0 to 1, or None, not {value!r}")
    return value


def as_datetime(value: Any, name: str) -> datetime:
    """Return a datetime; one without a time zone is in UTC.

    :raises PolytomicRequestRefused: if the value is neither a datetime nor a text in ISO 8601
    """
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        raise _refused(value, name, "not a time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _literal(text: str, name: str, problem: str) -> Any:
    """Return the value that a template has rendered as text, with the filter ``tojson`` or without."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise _refused(text, name, problem)


def _refused(value: Any, name: str, problem: str) -> PolytomicRequestRefused:
    return PolytomicRequestRefused(f"{name} is {value!r}, {problem}. Next: check what its template renders")
