"""Models: the queries whose rows model syncs send.

The API calls them *models*; here that name is taken by the package of pydantic classes, which every module imports
and which should not depend on the calls in turn.
"""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call, path, query
from airflow_provider_polytomic.api.models.base import Page
from airflow_provider_polytomic.api.models.syncs import DataModel


def list(*, limit: int | None = None) -> Call[Page[DataModel]]:
    """List models, the latest changed first: ``GET /api/models``.

    :param limit: rows of one page, at most and by default 50
    """
    return Call("GET", "/api/models", Page[DataModel], query=query(limit=limit), read_only=True, enveloped=False)


def get(model_id: str) -> Call[DataModel]:
    """Get one model: ``GET /api/models/{id}``.

    :param model_id: id of the model
    """
    return Call("GET", path("/api/models/{}", model_id), DataModel, read_only=True)
