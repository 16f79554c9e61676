"""The API's objects as pydantic models."""
