"""The user and the organization of an API key.

.. code-block:: python

    me = client.send(identity.get())

.. seealso::
    How-to: ``docs/connection.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.connections import Identity

__all__ = ("get",)


def get() -> Call[Identity]:
    """Get the user and the organization of the API key: ``GET /api/me``."""
    return Call.get(Identity, "/api/me")


def __dir__() -> tuple[str, ...]:
    return __all__
