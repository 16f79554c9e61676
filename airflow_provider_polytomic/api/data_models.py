"""Models: the queries whose rows model syncs write; the package ``models`` has the classes of all objects.

.. code-block:: python

    names = [model.name for model in client.pages(data_models.list())]

.. seealso::
    How-to: ``docs/model_syncs.md``.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.syncs import DataModel

__all__ = ("get", "list")


def list(*, limit: int | None = None, page_token: str | None = None) -> Call[Page[DataModel]]:
    """List models, the last changed first: ``GET /api/models``.

    :param limit: Number of rows of a page; default and maximum 50.
    :param page_token: ``next_page_token`` of an earlier page, to get the one after it.
    """
    return Call.get(Page[DataModel], "/api/models", query=query(limit=limit, page_token=page_token))


def get(model_id: str) -> Call[DataModel]:
    """Get one model: ``GET /api/models/{id}``.

    :param model_id: Id of the model.
    """
    return Call.get(DataModel, "/api/models/{}", model_id)


def __dir__() -> tuple[str, ...]:
    return __all__
