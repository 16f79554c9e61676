"""What the HTTP library may log of a request: not its secrets, and not a line for each poll."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from airflow_provider_polytomic.api.redaction import redact

HTTPCORE_LOGGERS = ("connection", "http11", "http2", "proxy", "socks")

_sending: ContextVar[tuple[str | None, ...] | None] = ContextVar("polytomic_sending", default=None)
"""The secrets of the request that is being sent, while one is."""


@contextmanager
def unlogged(*secrets: str | None) -> Iterator[None]:
    """Keep what is sent meanwhile, and these texts, out of what the HTTP library logs."""
    sending = _sending.set(secrets)
    try:
        yield
    finally:
        _sending.reset(sending)


def _without_secrets(record: logging.LogRecord) -> bool:
    secrets = _sending.get()
    if secrets is not None:
        record.msg, record.args = redact(record.getMessage(), *secrets), ()
    return True


logging.getLogger("httpx").addFilter(lambda record: _sending.get() is None or record.levelno > logging.INFO)
for _name in HTTPCORE_LOGGERS:
    logging.getLogger(f"httpcore.{_name}").addFilter(_without_secrets)
