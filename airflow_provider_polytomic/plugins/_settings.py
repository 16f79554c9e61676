"""Read the webhook's options from Airflow's configuration, and check signatures by them."""

from __future__ import annotations

import base64
import hmac
import logging
from dataclasses import dataclass
from typing import Any

from airflow_provider_polytomic._compat import conf
from airflow_provider_polytomic.provider_info import WEBHOOK_OPTIONS

log = logging.getLogger(__name__)

SIGNATURE_HEADER = "Polytomic-Signature"
HASHES = ("sha256", "sha512", "sha1")
ENCODINGS = ("hex", "base64")


@dataclass(frozen=True)
class WebhookSettings:
    """The webhook's options in section ``[polytomic]``; ``provider_info`` describes each."""

    webhook_conn_id: str
    webhook_airflow_conn_id: str
    webhook_polytomic_conn_id: str
    webhook_events: str
    webhook_signature_hash: str
    webhook_signature_encoding: str
    webhook_max_age: int
    webhook_max_bytes: int

    @classmethod
    def read(cls) -> WebhookSettings | None:
        """Return the options; None if the webhook is not configured or an option is invalid.

        An invalid option is logged, since an exception would end the API server.
        """
        values: dict[str, Any] = {}
        errors: list[str] = []
        for name, option in WEBHOOK_OPTIONS.items():
            read = conf.getint if option["type"] == "integer" else conf.get
            try:
                values[name] = read("polytomic", name, fallback=option["default"])
            except Exception:
                errors.append(f"{name} cannot be read as {option['type']}")
            if values.get("webhook_conn_id") == "":
                return None
        settings = None if errors else cls(**values)
        errors += settings._errors() if settings else []
        if errors:
            log.error("Disabled Polytomic's webhook: invalid options in section [polytomic]: %s", "; ".join(errors))
        return None if errors else settings

    def _errors(self) -> list[str]:
        from airflow_provider_polytomic.executions.events import ENDS

        connections = ("webhook_airflow_conn_id", "webhook_polytomic_conn_id")
        errors = [f"{name} is not set" for name in connections if not getattr(self, name)]
        if not self.events <= frozenset(ENDS):
            errors.append(f"webhook_events has other values than {', '.join(ENDS)}")
        if self.webhook_signature_hash not in HASHES:
            errors.append(f"webhook_signature_hash is not one of {', '.join(HASHES)}")
        if self.webhook_signature_encoding not in ENCODINGS:
            errors.append(f"webhook_signature_encoding is not one of {', '.join(ENCODINGS)}")
        return errors

    @property
    def events(self) -> frozenset[str]:
        """The kinds of events that create asset events."""
        return frozenset(self.webhook_events.replace(",", " ").split())

    def is_valid_signature(self, body: bytes, signature: str, secret: str) -> bool:
        """Check the signature of a body in constant time.

        :param signature: value of the header, with or without the name of the hash and ``=`` before it
        """
        received = signature.strip().removeprefix(f"{self.webhook_signature_hash}=")
        digest = hmac.digest(secret.encode(), body, self.webhook_signature_hash)
        if self.webhook_signature_encoding == "hex":
            expected, received = digest.hex(), received.lower()
        else:
            expected = base64.b64encode(digest).decode()
        return bool(secret) and hmac.compare_digest(expected.encode(), received.encode())
