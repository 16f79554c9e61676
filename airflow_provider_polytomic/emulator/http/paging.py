"""Cut lists into pages by opaque tokens that survive changes between two requests."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import Execution
from airflow_provider_polytomic.emulator.domain.models import Model
from airflow_provider_polytomic.emulator.domain.syncs import Sync

T = TypeVar("T")
Position = tuple[float, str]


@dataclass(frozen=True)
class PageRequest:
    """What a caller asks of a list: how many at most, and from where."""

    limit: int
    token: str | None


def page(items: Iterable[T], position: Callable[[T], Position], wanted: PageRequest) -> tuple[list[T], str | None]:
    """Give one page of ``items`` in the order of their ``position``, and the token of the next page."""
    ordered = sorted(items, key=position)
    if wanted.token:
        after = _read(wanted.token)
        ordered = [each for each in ordered if position(each) > after]
    here = ordered[: wanted.limit]
    return here, _write(position(here[-1])) if len(ordered) > len(here) else None


def newest_change_first(changed: Sync | Model) -> Position:
    """Order syncs or models by ``updated_at`` descending, then id."""
    return (-changed.updated_at, changed.id)


ExecutionOrder = Callable[[list[Execution], bool], Callable[[Execution], Position]]


def by_creation(executions: list[Execution], ascending: bool) -> Callable[[Execution], Position]:
    """Order executions by when they were created, those of one instant by who came first."""
    return _by(lambda each: each.created_at, executions, ascending)


def by_change(executions: list[Execution], ascending: bool) -> Callable[[Execution], Position]:
    """Order executions that have ended by when they did, their last change."""
    return _by(lambda each: each.ending.at, executions, ascending)


def _by(
    moment: Callable[[Execution], float], executions: list[Execution], ascending: bool
) -> Callable[[Execution], Position]:
    place = {each.id: number for number, each in enumerate(executions)}
    last = len(executions)

    def position(execution: Execution) -> Position:
        number = place[execution.id]
        if ascending:
            return (moment(execution), f"{number:09}")
        return (-moment(execution), f"{last - number:09}")

    return position


def _write(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _read(token: str) -> Position:
    try:
        number, text = json.loads(base64.urlsafe_b64decode(token))
        return (float(number), str(text))
    except (ValueError, TypeError, binascii.Error):
        raise ApiError(400, "page_token is not one that was given out.") from None
