"""Show a real Airflow at work with an emulated Polytomic: syncs that succeed, fail and are canceled."""
