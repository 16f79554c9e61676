"""What the section ``[polytomic]`` of Airflow's configuration says about the webhook."""

from __future__ import annotations

import logging
from dataclasses import dataclass

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
    def read(cls) -> Settings:
        """Read them from Airflow's configuration."""
        read = {"string": conf.get, "integer": conf.getint}
        return cls(
            **{
                name: read[option["type"]]("polytomic", name, fallback=option["default"])
                for name, option in WEBHOOK_OPTIONS.items()
            }
        )

    @property
    def complete(self) -> bool:
        """Tell whether the route can be mounted; an error is logged where it is wanted and cannot."""
        if not self.webhook_conn_id:
            return False
        from airflow_provider_polytomic.runs.ends import ENDS

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
        if mistakes:
            log.error("Polytomic's webhook is not received, since in section [polytomic] %s", "; ".join(mistakes))
        return not mistakes

    @property
    def events(self) -> frozenset[str]:
        """The words of the events that create asset events."""
        return frozenset(self.webhook_events.replace(",", " ").split())
