"""Links from Airflow to Polytomic."""
