"""Objects by id, whatever their type is.

.. code-block:: python

    entity = client.send(entities.get("248df4b7-aa70-47b8-a036-33ac447e668d"))
    print(entity.type, entity.canonical_path)

.. seealso::
    How-to: ``docs/reference/api.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.entities import Entity

__all__ = ("get",)


def get(entity_id: str) -> Call[Entity]:
    """Get the type and the path of an object of the organization: ``GET /api/entities/{id}``.

    Types are ``sync``, ``bulk_sync``, ``sync_execution``, ``bulk_sync_execution``, ``model``, ``connection``,
    ``organization``, ``user``, ``harbor`` and ``harbor_context``. The API returns 404 for an unknown id.

    :param entity_id: Id of the object.
    """
    return Call.get(Entity, "/api/entities/{}", entity_id)


def __dir__() -> tuple[str, ...]:
    return __all__
