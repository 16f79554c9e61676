"""Pydantic models of the objects of the API."""
