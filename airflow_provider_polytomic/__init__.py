"""Start, wait for, cancel and observe Polytomic syncs from Apache Airflow."""

__version__ = "0.1.0"
