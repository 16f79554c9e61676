"""Ids of the benchmark's executions: made from a number, and as long as real ids."""

from __future__ import annotations


def sync_id(number: int) -> str:
    """Return the id of the sync of execution ``number``; each execution has its own sync."""
    return f"5f0c1a52-6d0e-4b7e-8a11-{number:012d}"


def execution_id(number: int) -> str:
    """Return the id of execution ``number``."""
    return f"e81d7c04-93b2-4f65-9c3a-{number:012d}"


def number_of(id: str) -> int:
    """Return the number in either id."""
    return int(id.rpartition("-")[2])
