"""Create a client from an Airflow connection."""
