"""Poll many executions for the price of a few. Import this package late: it is of use in a triggerer only."""

from airflow_provider_polytomic.executions.poller.poller import ExecutionPoller, shared_poller

__all__ = ["ExecutionPoller", "shared_poller"]
