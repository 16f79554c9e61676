"""Keep models: the queries whose rows model syncs send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Model:
    """One model.

    :param fields: its columns, each with the API's names: ``name``, ``label``, ``type``, …
    """

    id: str
    name: str
    connection_id: str
    created_at: float
    updated_at: float
    type: str = "Table"
    configuration: Mapping[str, Any] = field(default_factory=dict)
    identifier: str = "id"
    fields: Sequence[Mapping[str, Any]] = ()
