"""Create the clients of tasks: with their connection and organization, and with a timeout that limits all requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_polytomic._task.values import as_id
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import PolytomicClient

MIN_ANSWER_TIMEOUT = 5.0
"""Seconds that Polytomic has for a response, however short the timeout of a task is."""


class ClientTask:
    """Send the requests of a task with its Airflow connection, for its organization."""

    polytomic_conn_id: str
    organization_id: str | None

    @property
    def _hook(self) -> PolytomicHook:
        """A hook for the connection and the organization.

        :raises PolytomicRequestRefused: if the organization is a template that rendered to nothing: the login of the
            connection, which counts without one, may be another organization
        """
        organization_id = None if self.organization_id is None else as_id(self.organization_id, "organization_id")
        return PolytomicHook(self.polytomic_conn_id, organization_id)


def answer_timeout(timeout: float | None, maximum: float) -> float:
    """Return the seconds to wait for a response of Polytomic: the timeout of the task, within limits.

    :param timeout: timeout of the task in seconds; None for none
    :param maximum: upper limit in seconds
    """
    return maximum if timeout is None else min(maximum, max(timeout, MIN_ANSWER_TIMEOUT))


def open_client(
    hook: PolytomicHook, timeout: float | None, sleep: Callable[[float], None] | None = None
) -> PolytomicClient:
    """Create a client that gives up an unanswered request, retries included, when the timeout of the task has passed.

    :param hook: hook of the task
    :param timeout: timeout of the task in seconds; None for none
    :param sleep: function that waits for a number of seconds; default ``time.sleep``
    :raises PolytomicRequestRefused: if the connection cannot be used
    """
    from airflow_provider_polytomic.api import PolytomicClient
    from airflow_provider_polytomic.api.retry import RetryPolicy

    config = hook.config()
    return PolytomicClient(
        config=replace(config, timeout=answer_timeout(timeout, config.timeout)),
        retry_timeout=answer_timeout(timeout, RetryPolicy.budget),
        sleep=sleep,
    )
