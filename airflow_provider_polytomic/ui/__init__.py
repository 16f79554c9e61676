"""The page *Polytomic* in Airflow's UI: the syncs of some connections, with their latest executions and DAGs."""
