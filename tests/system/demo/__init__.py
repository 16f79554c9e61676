"""Run syncs that succeed, fail and are canceled in a real Airflow, against an emulated Polytomic."""
