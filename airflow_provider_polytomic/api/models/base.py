"""Base classes and field types of all models of the API."""

from __future__ import annotations

import json
import logging
import math
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar, overload

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)  # fmt: skip

from airflow_provider_polytomic.api.decoding import CUT, MAX_INTEGER, MIN_INTEGER
from airflow_provider_polytomic.api.redaction import MASK, redact
from airflow_provider_polytomic.api.secret_names import is_secret_name

T = TypeVar("T")
log = logging.getLogger(__name__)

SERVER_FIELDS = frozenset({"id", "created_at", "created_by", "updated_at", "updated_by"})
"""Fields that only the API sets."""

MAX_LIST_ROWS = 50_000
"""Rows of one list in a response: each takes about 1 KiB."""

ROWS_AT_ONCE = 200
"""Rows that are validated in one go, while no other thread runs."""


class Model(BaseModel):
    """An immutable object of the API; fields that are not declared are kept as attributes."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, protected_namespaces=())

    enveloped: ClassVar[bool] = True
    """True if the object is in the ``data`` field of a response, False if it is all of the response."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, MASK if value and is_secret_name(name or "") else redact(value)

    def writable_fields(self, *, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields to send back when the object is replaced as a whole.

        Undeclared fields are included, because the API may clear a field that it returned and does not get back.

        :param exclude: Further fields that only the API sets.
        :raises ValueError: If a text was too long to be read as a whole.
        """
        current = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if CUT in json.dumps(current, ensure_ascii=False):
            raise ValueError("a text was too long to be read as a whole, so it must not be written back")
        read_only = {*SERVER_FIELDS, *exclude}
        return {name: value for name, value in current.items() if value is not None and name not in read_only}


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    try:
        return value.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError("out of range in UTC") from error


def _or_none(value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return read(value)
    except ValueError:
        _warn(info, "no value")
        return None


def _whole(value: Any, info: ValidationInfo) -> Any:
    """Return a count; a fraction counts as a whole one, so that no record with an error is lost."""
    if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
        _warn(info, "the next whole number")
        return math.ceil(value)
    return 0 if value is None else value


def _text_of(value: Any) -> Any:
    """Return a message as text, in whatever form it is written."""
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        return value["message"]
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _texts_of(value: Any) -> Any:
    """Return messages as a list of texts; null stands for none."""
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [_text_of(each) for each in found if each is not None]


def _rows_of(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Validate a list in parts, so that other threads run in between and one bad part ends it; null is empty."""
    if not isinstance(value, list) or len(value) <= ROWS_AT_ONCE:
        return [] if value is None else read(value)
    if len(value) > MAX_LIST_ROWS:
        raise ValueError(f"it has more than {MAX_LIST_ROWS:,} rows")
    parts = (read(value[at : at + ROWS_AT_ONCE]) for at in range(0, len(value), ROWS_AT_ONCE))
    return [row for part in parts for row in part]


def _warn(info: ValidationInfo, reading: str) -> None:
    """Warn once per process and field, since every poll may have it."""
    if info.field_name not in _warned:
        _warned.add(info.field_name)
        log.warning(
            "Read the field %r of an answer of Polytomic as %s: its form is not documented", info.field_name, reading
        )


_warned: set[str | None] = set()


UtcDatetime = Annotated[datetime, AfterValidator(_in_utc)]
MessageText = Annotated[str | None, BeforeValidator(_text_of)]
MessageTexts = Annotated[list[str], BeforeValidator(_texts_of)]
NullableList = Annotated[list[T], WrapValidator(_rows_of)]
Lenient = Annotated[T | None, WrapValidator(_or_none)]
"""A value that is None, with a warning, if it cannot be read: nothing is decided by it."""

NullableDict = Annotated[dict[str, T], BeforeValidator(lambda value: {} if value is None else value)]
Integer = Annotated[int, Field(ge=MIN_INTEGER, le=MAX_INTEGER)]
Count = Annotated[Integer, BeforeValidator(_whole)]
"""The API returns null for an empty list or mapping and for a count of 0, too."""


class Pagination(Model):
    """The position of the next page."""

    next_page_token: str | None = None


class Listing(Model, Sequence[T], Generic[T]):
    """A part of a list, which is a sequence of its rows, with a cursor to the next one."""

    open_ended: ClassVar[bool] = False
    """True if rows may still be appended, so that the last page has a cursor to itself."""

    @property
    @abstractmethod
    def _rows(self) -> list[T]:
        """Rows of this part."""

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]
        return iter(self._rows)

    @property
    def cursor(self) -> tuple[str, str] | None:
        """Query parameter that requests the next page; None on the last page."""
        return None


class Page(Listing[T]):
    """One page of a list, which is a sequence of its rows; ``pages`` of the clients reads all pages of a list.

    .. code-block:: python

        page = client.send(connections.list())
        names = [connection.name for connection in page]

    .. seealso::
        How-to: ``docs/reference/api.md``.
    """

    enveloped: ClassVar[bool] = False

    data: NullableList[T]
    pagination: Pagination | None = None

    @property
    def next_page_token(self) -> str | None:
        """Value of ``page_token`` that requests the next page; None on the last page."""
        return (self.pagination.next_page_token if self.pagination else None) or None

    @property
    def _rows(self) -> list[T]:
        return self.data

    @property
    def cursor(self) -> tuple[str, str] | None:
        return ("page_token", self.next_page_token) if self.next_page_token else None


@dataclass(frozen=True)
class RawResponse:
    """A successful response as it arrived, for a caller that passes it on.

    :param status_code: HTTP status.
    :param content: Body.
    :param payload: Decoded JSON of the body; None if the body is empty.
    """

    status_code: int
    content: bytes
    payload: Any


class Message(Model):
    """The acknowledgement of a request that the API carries out later."""

    message: str | None = None


class Activation(Model):
    """The state of a sync after it was switched on or off."""

    id: str | None = None
    active: bool | None = None
