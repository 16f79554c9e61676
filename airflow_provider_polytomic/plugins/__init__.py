"""Extend Airflow's API server: the webhook."""
