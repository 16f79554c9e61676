"""Jobs that the API runs in the background.

.. code-block:: python

    job = client.send(jobs.get("exportlogs", job_id))

.. seealso::
    How-to: ``docs/reference/api.md``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.models.events import Job

__all__ = ("get",)

JobType: TypeAlias = Literal[
    "createmodel", "updatemodel", "previewmodel", "samplemodel", "exportlogs", "connectionproxy"
]


def get(type: JobType, job_id: str) -> Call[Job]:
    """Get one job: ``GET /api/jobs/{type}/{id}``.

    The job has ended when its status is ``done`` or ``failed``. The API returns 400 for an unknown type.

    :param type: ``createmodel``, ``updatemodel``, ``previewmodel``, ``samplemodel``, ``exportlogs`` or
        ``connectionproxy``.
    :param job_id: Id of the job.
    """
    return Call.get(Job, "/api/jobs/{}/{}", type, job_id)


def __dir__() -> tuple[str, ...]:
    return __all__
