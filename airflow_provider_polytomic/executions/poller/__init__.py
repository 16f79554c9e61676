"""Poll many executions with few requests. Import this package late: only a triggerer uses it."""

from airflow_provider_polytomic.executions.poller.poller import ExecutionPoller, shared_poller

__all__ = ["ExecutionPoller", "shared_poller"]
