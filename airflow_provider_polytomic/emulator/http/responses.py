"""Hold an HTTP answer as a value, so that it can be kept, replayed and spoiled before it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_polytomic.emulator.domain.behavior import Switches
from airflow_provider_polytomic.emulator.domain.errors import Refused

Headers = tuple[tuple[str, str], ...]
_JSON: Headers = (("content-type", "application/json"),)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes
    headers: Headers = ()

    def marked(self, header: str) -> Answer:
        """Add a header that says that this answer was given before."""
        return replace(self, headers=(*self.headers, (header, "true")))

    @classmethod
    def of_json(cls, value: Any, status: int = 200, headers: Headers = ()) -> Answer:
        """Answer with ``value`` as JSON."""
        return cls(status, json.dumps(value).encode(), _JSON + headers)

    @classmethod
    def of_refusal(cls, refused: Refused, switches: Switches, headers: Headers = ()) -> Answer:
        """Answer with the error body of ``refused``, as the switches have it."""
        return cls.of_json(refused.body(switches.error_key, switches.error_body), refused.status, headers)
