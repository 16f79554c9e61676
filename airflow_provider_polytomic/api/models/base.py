"""Base classes and field types of all models of the API."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar, overload

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from airflow_provider_polytomic.api.redaction import MASK, is_secret_name, redact

T = TypeVar("T")

SERVER_FIELDS = frozenset({"id", "created_at", "created_by", "updated_at", "updated_by"})
"""Fields that only the API sets."""


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
        """
        current = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        read_only = {*SERVER_FIELDS, *exclude}
        return {name: value for name, value in current.items() if value is not None and name not in read_only}


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        return value.replace(tzinfo=timezone.utc)
    try:
        return value.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError("out of range in UTC") from error


UtcDatetime = Annotated[datetime, AfterValidator(_in_utc)]
NullableList = Annotated[list[T], BeforeValidator(lambda value: [] if value is None else value)]
NullableDict = Annotated[dict[str, T], BeforeValidator(lambda value: {} if value is None else value)]
Count = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)]
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


class Message(Model):
    """The acknowledgement of a request that the API carries out later."""

    message: str | None = None


class Activation(Model):
    """The state of a sync after it was switched on or off."""

    id: str | None = None
    active: bool | None = None
