"""Decide whether a person has ended the task that a trigger waits for.

The triggerer ends a trigger for many reasons: a person marked, cleared or failed the task; the triggerer stops; its
triggers were reassigned because it missed its heartbeats; a deferral timed out. Only the first may cancel the sync, and
Airflow does not tell the trigger which one it is: 3.3.0 to 3.3.2 call ``on_kill`` for a reassigned trigger too, and
earlier versions have no ``on_kill``.

So the guard asks for the state of the task instance. It was killed if and only if it no longer waits for this
execution. It waits if it is deferred and its XCom has the id of the execution: the operator pushes that XCom before it
defers, and Airflow deletes it when the next attempt starts. So the old execution is canceled after a clear even if the
new attempt is deferred already, and an execution that the next attempt has adopted is left running.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from airflow_provider_polytomic._compat import TaskStateUnknown, xcom_if_deferred
from airflow_provider_polytomic._task.state import EXECUTION_XCOM_KEY
from airflow_provider_polytomic.results import Ownership

log = logging.getLogger(__name__)

SHUTDOWN_GUARD_TIMEOUT = 18.0
"""Seconds to wait for the answer when the triggerer may be stopping, which must not be delayed."""

GUARD_TIMEOUT = 60.0
"""Seconds to wait for the answer otherwise: the first request of a triggerer takes seconds, more on a busy machine."""


async def was_killed(task_instance: Any, execution_id: str, timeout: float) -> bool:
    """Return whether a person has ended the task instance that waits for an execution.

    If that cannot be decided, return False: an execution that is left running can be canceled by hand, and a wrong
    cancellation cannot be undone.

    :param task_instance: task instance of the trigger; None if it has none, as in ``dag.test()``
    :param timeout: seconds to wait for the answer
    """
    if task_instance is None:
        return False
    request = asyncio.ensure_future(xcom_if_deferred(task_instance, EXECUTION_XCOM_KEY))
    answered, _ = await asyncio.wait({request}, timeout=timeout)
    try:
        if not answered:
            raise TaskStateUnknown(f"no answer within {timeout:.0f} s")
        awaited = request.result()
    except Exception as error:
        log.warning(
            "Could not decide whether the task was killed (%s: %s); leaving execution %s running",
            type(error).__name__, error, execution_id,
        )  # fmt: skip
        return False
    return not (
        isinstance(awaited, dict)
        and awaited.get("ownership") == Ownership.OWNED.value
        and awaited.get("execution_id") == execution_id
    )
