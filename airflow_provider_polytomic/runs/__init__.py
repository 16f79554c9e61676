"""What an execution is and what is done with it: start once, wait, cancel. Knows nothing of Airflow."""

from __future__ import annotations

from airflow_provider_polytomic.runs.awaited import Completion, current_execution, execution_current_at
from airflow_provider_polytomic.runs.cancel import cancel, cancel_and_confirm, cancel_current
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.outcome import Outcome
from airflow_provider_polytomic.runs.run import Run
from airflow_provider_polytomic.runs.start import AlreadyRunning, Found, IfRunning, Order, Role, start_once
from airflow_provider_polytomic.runs.verdict import Standard, report
from airflow_provider_polytomic.runs.wait import DeadlinePassed, deadline_of, wait_for_end

__all__ = [
    "AlreadyRunning",
    "Completion",
    "DeadlinePassed",
    "Execution",
    "Found",
    "IfRunning",
    "Order",
    "Outcome",
    "Role",
    "Run",
    "Standard",
    "cancel",
    "cancel_and_confirm",
    "cancel_current",
    "current_execution",
    "deadline_of",
    "execution_current_at",
    "kind_of",
    "report",
    "start_once",
    "wait_for_end",
]
