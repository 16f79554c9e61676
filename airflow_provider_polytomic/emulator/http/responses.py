"""Hold an HTTP answer as a value, so that it can be kept, replayed and spoiled before it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ApiError

Headers = tuple[tuple[str, str], ...]
_JSON: Headers = (("content-type", "application/json"),)


@dataclass(frozen=True)
class ApiResponse:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Headers = ()

    def marked(self, header: str) -> ApiResponse:
        """Add a header that says that this answer was given before."""
        return replace(self, headers=(*self.headers, (header, "true")))

    @classmethod
    def from_json(cls, value: Any, status: int = 200, headers: Headers = ()) -> ApiResponse:
        """Answer with ``value`` as JSON."""
        return cls(status, json.dumps(value).encode(), _JSON + headers)

    @classmethod
    def from_error(cls, error: ApiError, behavior: Behavior, headers: Headers = ()) -> ApiResponse:
        """Answer with the error body of ``error``, as the switches have it."""
        return cls.from_json(error.body(behavior.error_key, behavior.error_body), error.status, headers)
