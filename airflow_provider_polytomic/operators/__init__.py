"""Operators that start and cancel syncs and manage connections."""
