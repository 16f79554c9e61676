"""Sensors that wait for executions and for fresh data."""
