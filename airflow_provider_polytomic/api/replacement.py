"""Change some fields of an object whose update writes all of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_polytomic.api.models.base import Model

STAMPS = frozenset({"id", "created_at", "created_by", "updated_at", "updated_by"})
"""Fields that the API writes and nobody else."""


def kept(current: Model, *, dropped: Collection[str] = ()) -> dict[str, Any]:
    """List what must be sent again so that a full replacement loses nothing.

    Fields that this package does not know are among it: what the API showed, it may clear where it is not sent back.

    :param current: the object as the API gave it
    :param dropped: fields that are the API's own, besides its stamps
    """
    shown = current.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {
        name: value for name, value in shown.items() if value is not None and name not in STAMPS and name not in dropped
    }


def refuse_masks(**settings: Any) -> None:
    """Make sure that no secret is overwritten with the asterisks that the API shows in its place.

    :raises ValueError: if a text, however deep, is nothing but asterisks
    """
    masked = [place for name, value in settings.items() for place in _masks(value, name)]
    if masked:
        raise ValueError(f"the API shows only masks of these settings, so give them again: {', '.join(masked)}")


def _masks(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str):
        if re.fullmatch(r"\*{3,}", value):
            yield place
    elif isinstance(value, (Mapping, Sequence)):
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _masks(item, f"{place}.{name}")


def only_known(options: Mapping[str, Any], known: type) -> Mapping[str, Any]:
    """Return ``options``, once all of them are known to be fields of the TypedDict ``known``.

    :raises TypeError: if one is not, as Python does for a misspelled argument
    """
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        raise TypeError(f"unexpected field {unknown[0]!r}; known are {', '.join(sorted(known.__annotations__))}")
    return options
