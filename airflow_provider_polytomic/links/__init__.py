"""Links from Airflow to Polytomic's UI."""
