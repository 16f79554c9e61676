"""Ids of the benchmark's executions: as long as real ones, and made from a number."""

from __future__ import annotations


def sync_id(number: int) -> str:
    """Return the id of the sync that execution ``number`` is of; each has a sync of its own."""
    return f"5f0c1a52-6d0e-4b7e-8a11-{number:012d}"


def execution_id(number: int) -> str:
    """Return the id of execution ``number``."""
    return f"e81d7c04-93b2-4f65-9c3a-{number:012d}"


def number_of(id: str) -> int:
    """Return the number that either id was made from."""
    return int(id.rpartition("-")[2])
