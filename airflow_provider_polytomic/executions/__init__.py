"""What an execution is and what is done with it: start once, wait, cancel. Knows nothing of Airflow."""

from __future__ import annotations

from airflow_provider_polytomic.executions.cancel import cancel, cancel_and_confirm, cancel_current
from airflow_provider_polytomic.executions.console import ConsoleLogReader, follow, wait_with_console_log
from airflow_provider_polytomic.executions.diagnostics import Diagnostics, collect_diagnostics
from airflow_provider_polytomic.executions.error_records import first_records
from airflow_provider_polytomic.executions.execution import Execution
from airflow_provider_polytomic.executions.kinds import sync_kind
from airflow_provider_polytomic.executions.outcome import Outcome
from airflow_provider_polytomic.executions.ref import ExecutionRef
from airflow_provider_polytomic.executions.report import SuccessCriteria, advice_for, report
from airflow_provider_polytomic.executions.start import (
    AlreadyRunning,
    IfRunning,
    StartRequest,
    StartResult,
    start_once,
)
from airflow_provider_polytomic.executions.targets import (
    CompletedSince,
    current_execution,
    execution_current_at,
    resolve_target,
)
from airflow_provider_polytomic.executions.wait import DeadlinePassed, effective_deadline, wait_for_end
from airflow_provider_polytomic.results import Ownership

__all__ = [
    "AlreadyRunning",
    "Diagnostics",
    "CompletedSince",
    "ConsoleLogReader",
    "DeadlinePassed",
    "Execution",
    "StartResult",
    "IfRunning",
    "StartRequest",
    "Outcome",
    "Ownership",
    "ExecutionRef",
    "SuccessCriteria",
    "resolve_target",
    "cancel",
    "cancel_and_confirm",
    "cancel_current",
    "collect_diagnostics",
    "current_execution",
    "effective_deadline",
    "execution_current_at",
    "first_records",
    "follow",
    "sync_kind",
    "advice_for",
    "report",
    "start_once",
    "wait_for_end",
    "wait_with_console_log",
]

from airflow_provider_polytomic.executions.console import follow as follow_console_log
from airflow_provider_polytomic.executions.freshness import Freshness
from airflow_provider_polytomic.executions.summary import status_table

__all__ += ["follow_console_log", "Freshness", "status_table"]
