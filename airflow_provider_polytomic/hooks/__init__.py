"""Hook that connects Airflow to Polytomic."""
