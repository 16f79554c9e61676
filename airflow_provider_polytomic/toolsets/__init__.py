"""Tools for agents in Airflow tasks; they need ``apache-airflow-providers-common-ai``."""
