"""Whether a trigger that is being ended was ended by a person.

A trigger is ended by the triggerer for many reasons: a person marked, cleared or failed the task; the triggerer stops;
its triggers were given to another triggerer because it had been silent; a deferral timed out. Only the first may cancel
the sync, and what Airflow tells the trigger does not set it apart: on 3.3.0 to 3.3.2 a reassigned trigger gets
``on_kill`` too, and before 3.3 there is no ``on_kill`` at all.

So the task instance itself is asked: it has been killed if and only if it no longer waits for this execution. To wait
for it means to be deferred and to hold its id in XCom, which the operator writes before it defers and Airflow removes
when the next attempt starts. Hence, after a clear, the new attempt may be deferred already and the old execution is
canceled all the same; and an execution that the next attempt has adopted is left alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from airflow_provider_polytomic._compat import TaskStateUnknown, xcom_if_deferred

log = logging.getLogger(__name__)

EXECUTION_XCOM_KEY = "polytomic_execution"
"""Where a task instance writes which execution it waits for: ``execution_id``, ``ownership`` and ``try_number``; what else
is there is for its own next attempt."""

RESULT_XCOM_KEY = "return_value"

PATIENCE = 18.0
"""Seconds for the question: it may be the triggerer's end that ends the trigger, and that must not be held up."""

LONG_PATIENCE = 60.0
"""Seconds for the question otherwise: the first one of a triggerer's life takes seconds, on a busy machine many."""


async def was_killed(task_instance: Any, execution_id: str, timeout: float) -> bool:
    """Tell whether a person has taken the task instance away from its execution.

    Whatever cannot be decided counts as no: an execution that goes on can still be canceled by hand, one that was
    canceled by mistake cannot be mended.

    :param task_instance: the trigger's task instance; None where it has none, as in ``dag.test()``
    :param timeout: seconds to wait for the answer
    """
    if task_instance is None:
        return False
    question = asyncio.ensure_future(xcom_if_deferred(task_instance, EXECUTION_XCOM_KEY))
    answered, _ = await asyncio.wait({question}, timeout=timeout)
    try:
        if not answered:
            raise TaskStateUnknown(f"no answer within {timeout:.0f} s")
        waits_for = question.result()
    except Exception as error:
        log.warning(
            "Cannot decide whether the task was killed (%s: %s); execution %s is left running",
            type(error).__name__, error, execution_id,
        )  # fmt: skip
        return False
    return not (
        isinstance(waits_for, dict)
        and waits_for.get("ownership") == "owned"
        and waits_for.get("execution_id") == execution_id
    )
