"""Continue with the current API key after a 401: a key may be rotated during a wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airflow_provider_polytomic.api.config import ClientConfig
from airflow_provider_polytomic.api.errors import PolytomicAuthError, PolytomicError, PolytomicResponseError
from airflow_provider_polytomic.api.flow import Flow, FlowStep, Pause, wrap_steps
from airflow_provider_polytomic.api.redaction import register_secrets

T = TypeVar("T")

log = logging.getLogger(__name__)

KEY_LOOKUP_INTERVAL = 10.0
"""Seconds for which requests that are refused together share one lookup of the API key."""

REFUSED_KEY_PAUSE = 3.0
"""Seconds after which a refused key that is still the present one is sent once more."""


@dataclass(frozen=True)
class ReadKeyAgain(Pause):
    """Let the client read its API key again, unless it has done so since the request was sent.

    The asynchronous client does so in a task of its own: Airflow 3.0 and 3.1 do not survive a lookup that is canceled.

    :param used: Settings of the request that was refused.
    """

    used: ClientConfig


def reauthorized(flow: Flow[T], current: Callable[[], ClientConfig]) -> Flow[T]:
    """Run ``flow`` with the API key read again after a 401, and the call sent again.

    A new key is used at once. If the key is the same, the call is sent once more after a few seconds; a second 401 is
    raised. A 401 that is not the API's own is raised at once if the key is the same.

    :param current: Return the present settings of the client.
    """

    def handle(step: FlowStep) -> Flow[Any]:
        if isinstance(step, Pause):
            return (yield step)
        repeated = False
        while True:
            used = current()
            try:
                return (yield step)
            except PolytomicError as error:
                if repeated or used.source is None or step.best_effort or not _is_unauthorized(error):
                    raise
                yield ReadKeyAgain(0.0, used)
                if current() is used:
                    if not isinstance(error, PolytomicAuthError):
                        raise
                    repeated = True
                    yield Pause(REFUSED_KEY_PAUSE)

    return wrap_steps(flow, handle)


def _is_unauthorized(error: PolytomicError) -> bool:
    return isinstance(error, PolytomicAuthError) or (
        isinstance(error, PolytomicResponseError) and error.status_code == 401
    )


def with_key_of(present: ClientConfig, found: ClientConfig | Exception) -> ClientConfig:
    """Return the present settings with the API key that was found; the same object if there is no other key for them.

    :param found: Settings as they were read again, or the error of reading them.
    """
    if isinstance(found, Exception):
        log.warning("Keeping the API key: could not read the connection again: %s: %s", type(found).__name__, found)
    elif found.base_url != present.base_url:
        log.warning("Keeping the API key of %s: the connection now has another host", present.base_url)
    elif (found.api_key, found.organization_id) != (present.api_key, present.organization_id):
        log.info("Going on with another API key: the connection was changed")
        register_secrets(*found.secrets)
        return replace(present, api_key=found.api_key, organization_id=found.organization_id)
    return present
