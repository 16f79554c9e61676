"""Jobs: what the API does in the background."""

from __future__ import annotations

from airflow_provider_polytomic.api.call import Call, path
from airflow_provider_polytomic.api.models.events import Job


def get(type: str, job_id: str) -> Call[Job]:
    """Get one job: ``GET /api/jobs/{type}/{id}``.

    It is over once its status is ``done`` or ``failed``. Answered 400 for an unknown type.

    :param type: ``createmodel``, ``updatemodel``, ``previewmodel``, ``samplemodel``, ``exportlogs`` or
        ``connectionproxy``
    :param job_id: id of the job
    """
    return Call("GET", path("/api/jobs/{}/{}", type, job_id), Job, read_only=True)
