"""What the section ``[polytomic]`` of Airflow's configuration says about the webhook."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic.plugins._signature import ENCODINGS, HASHES
from airflow_provider_polytomic.provider_info import WEBHOOK_OPTIONS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How the webhook is received; what each option is for stands in ``provider_info``."""

    webhook_conn_id: str
    webhook_airflow_conn_id: str
    webhook_polytomic_conn_id: str
    webhook_events: str
    webhook_signature_hash: str
    webhook_signature_encoding: str
    webhook_max_age: int
    webhook_max_bytes: int

    @classmethod
    def read(cls) -> Settings | None:
        """Read them from Airflow's configuration.

        None where the webhook is not wanted, and where it cannot be received as they are: that is logged, since an
        exception would end the API server.
        """
        found: dict[str, Any] = {}
        mistakes: list[str] = []
        for name, option in WEBHOOK_OPTIONS.items():
            read = conf.getint if option["type"] == "integer" else conf.get
            try:
                found[name] = read("polytomic", name, fallback=option["default"])
            except Exception:
                mistakes.append(f"{name} cannot be read as {option['type']}")
            if found.get("webhook_conn_id") == "":
                return None
        settings = None if mistakes else cls(**found)
        mistakes += settings._mistakes() if settings else []
        if mistakes:
            log.error("Polytomic's webhook is not received, since in section [polytomic] %s", "; ".join(mistakes))
        return None if mistakes else settings

    def _mistakes(self) -> list[str]:
        from airflow_provider_polytomic.executions.events import ENDS

        mistakes = [
            f"{name} is not set" for name in ("webhook_airflow_conn_id", "webhook_polytomic_conn_id")
            if not getattr(self, name)
        ]  # fmt: skip
        if not self.events <= frozenset(ENDS):
            mistakes.append(f"webhook_events are not among {', '.join(ENDS)}")
        if self.webhook_signature_hash not in HASHES:
            mistakes.append(f"webhook_signature_hash is none of {', '.join(HASHES)}")
        if self.webhook_signature_encoding not in ENCODINGS:
            mistakes.append(f"webhook_signature_encoding is none of {', '.join(ENCODINGS)}")
        return mistakes

    @property
    def events(self) -> frozenset[str]:
        """The words of the events that create asset events."""
        return frozenset(self.webhook_events.replace(",", " ").split())
