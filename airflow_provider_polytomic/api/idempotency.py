"""Keys that make a POST safe to repeat."""

from __future__ import annotations

import hashlib
import json


def idempotency_key(*facts: str | int) -> str:
    """Make an Idempotency-Key that is the same wherever, and as often as, it is made of the same facts."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
