"""What an execution is and what is done with it: start once, wait, cancel. Knows nothing of Airflow."""

from __future__ import annotations

from airflow_provider_polytomic.runs.awaited import Completion, awaited_of, current_execution, execution_current_at
from airflow_provider_polytomic.runs.cancel import cancel, cancel_and_confirm, cancel_current
from airflow_provider_polytomic.runs.cause import Cause, cause_of
from airflow_provider_polytomic.runs.console import Console, follow, watched
from airflow_provider_polytomic.runs.execution import Execution
from airflow_provider_polytomic.runs.kinds import kind_of
from airflow_provider_polytomic.runs.outcome import Outcome
from airflow_provider_polytomic.runs.records import first_records
from airflow_provider_polytomic.runs.run import Run
from airflow_provider_polytomic.runs.start import AlreadyRunning, Found, IfRunning, Order, Role, start_once
from airflow_provider_polytomic.runs.verdict import Standard, remedy, report
from airflow_provider_polytomic.runs.wait import DeadlinePassed, deadline_of, wait_for_end

__all__ = [
    "AlreadyRunning",
    "Cause",
    "Completion",
    "Console",
    "DeadlinePassed",
    "Execution",
    "Found",
    "IfRunning",
    "Order",
    "Outcome",
    "Role",
    "Run",
    "Standard",
    "awaited_of",
    "cancel",
    "cancel_and_confirm",
    "cancel_current",
    "cause_of",
    "current_execution",
    "deadline_of",
    "execution_current_at",
    "first_records",
    "follow",
    "kind_of",
    "remedy",
    "report",
    "start_once",
    "wait_for_end",
    "watched",
]
