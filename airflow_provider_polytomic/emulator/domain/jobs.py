"""Keep the jobs that the API does in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TYPES = ("createmodel", "updatemodel", "previewmodel", "samplemodel", "exportlogs", "connectionproxy")


@dataclass(frozen=True)
class Job:
    """One job, which lives by the clock as executions do.

    :param duration: seconds until it ends; ``math.inf`` never ends.
    :param result: what it found, shown once it is done.
    :param error: why it failed; None: it succeeds.
    """

    id: str
    type: str
    created_at: float
    duration: float
    result: Any = None
    error: str | None = None

    def status(self, now: float) -> str:
        """Give the status word at ``now``."""
        elapsed = now - self.created_at
        if elapsed >= self.duration:
            return "done" if self.error is None else "failed"
        return "created" if elapsed < min(1.0, self.duration / 10) else "running"

    def shown(self, now: float) -> dict[str, Any]:
        """Write the job as the API shows it."""
        status = self.status(now)
        return {
            "job_id": self.id,
            "type": self.type,
            "status": status,
            "result": self.result if status == "done" else None,
            "error": self.error if status == "failed" else None,
        }
