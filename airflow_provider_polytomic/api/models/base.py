"""What every model of the API has in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_polytomic.api.redaction import MASK, is_secret_name, redact

T = TypeVar("T")


class Model(BaseModel):
    """An object of the API: immutable, and fields that are not listed here are kept as attributes."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, protected_namespaces=())

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, MASK if value and is_secret_name(name or "") else redact(value)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError("no such moment in UTC") from error


def _empty_for_null(value: Any) -> Any:
    return [] if value is None else value


def _no_names_for_null(value: Any) -> Any:
    return {} if value is None else value


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""A point in time, in UTC."""

Rows = Annotated[list[T], BeforeValidator(_empty_for_null)]
"""A list; the API also writes an empty one as null."""

Named = Annotated[dict[str, T], BeforeValidator(_no_names_for_null)]
"""Things by name; the API also writes none of them as null."""

Number = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)]
"""A count; absent and null are 0."""


class Pagination(Model):
    """Where the next page begins."""

    next_page_token: str | None = None


class Page(Model, Generic[T]):
    """One page of a list."""

    grows: ClassVar[bool] = False

    rows: Rows[T] = Field(alias="data")
    pagination: Pagination | None = None

    @property
    def cursor(self) -> tuple[str, str] | None:
        """The parameter that asks for the next page; None on the last one."""
        token = self.pagination.next_page_token if self.pagination else None
        return ("page_token", token) if token else None


class Message(Model):
    """The API's acknowledgement of a request that it carries out later."""

    message: str | None = None


class Activation(Model):
    """Whether a sync is active now."""

    id: str | None = None
    active: bool | None = None
