"""Run the three stories at once, show what happens, and tell whether it was what should."""

from __future__ import annotations

import time

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.emulator import Emulator
from tests.system.cluster import Cluster
from tests.system.logs import readable
from tests.system.processes import poll

from .screen import Screen
from .stories import TASK_ID, Story, in_short, tell

RUN_SECONDS = 120
LOG_SECONDS = 10
ASK_EVERY = 0.5
EXPLANATIONS = {
    "queued": "a worker slot will take it",
    "running": "in a worker slot",
    "deferred": "the triggerer waits for Polytomic",
}
ROWS = """
    SELECT run.run_id, run.state AS run_state, task.state, task.pid
    FROM dag_run run LEFT JOIN task_instance task
    ON task.dag_id = run.dag_id AND task.run_id = run.run_id AND task.task_id = %s
"""


class Demonstration:
    """Tell the three stories on an Airflow and an emulator that run.

    `slots` is the number of worker slots in use when all tasks waited.
    """

    def __init__(self, cluster: Cluster, emulator: Emulator, screen: Screen) -> None:
        self._cluster = cluster
        self._screen = screen
        self.success, self.failure, self.canceled = tell(cluster, emulator)
        self.stories: list[Story] = [self.success, self.failure, self.canceled]
        self.slots: int | None = None
        self._client = PolytomicClient(api_key=emulator.api_key, base_url=emulator.url)
        self._asked = 0.0

    def run(self) -> bool:
        """Show everything, and tell whether all went as it should."""
        with self._client:
            for story in self.stories:
                story.begin()
                self._screen.say(f"{story.sync.name}: DAG {story.dag_id} triggered")
            with self._screen.status_table(self.stories):
                self._cluster.wait_for(self._step, RUN_SECONDS, "end of three DAG runs")
        report = poll(lambda: self.failure.report, LOG_SECONDS)
        self._screen.report(f"What the log of {self.failure.sync.name} says", report or "no error")
        as_promised = self._judge()
        if as_promised:
            self._screen.say(f"What {self.success.sync.name} hands on: {in_short(self.success.result)}")
        return as_promised

    def _step(self) -> bool:
        rows = {row["run_id"]: row for row in self._cluster.database.rows(ROWS, TASK_ID)}
        is_time_to_ask = time.monotonic() > self._asked + ASK_EVERY
        for story in self.stories:
            row = rows[story.run_id]
            story.run_state = row["run_state"]
            if story.note_task(row["state"], row["pid"]):
                self._say(story, f"task {row['state']}", EXPLANATIONS.get(row["state"], ""))
            if is_time_to_ask and story.note_execution(self._client):
                self._say(story, f"sync {story.statuses[-1]}", story.records)
        if is_time_to_ask:
            self._asked = time.monotonic()
        self._measure()
        if self.slots is not None and self.canceled.may_be_marked():
            self.canceled.mark_failed()
            self._say(self.canceled, "task marked failed", "as a button of Airflow's UI does")
        return all(story.is_over for story in self.stories)

    def _measure(self) -> None:
        """Count the slots in use at a moment at which no task needs one, and the first still waits."""
        if self.slots is None and self._all_wait():
            slots = self._cluster.rest("GET", "pools/default_pool")["running_slots"]
            for row in self._cluster.database.rows(ROWS, TASK_ID):
                story = next(story for story in self.stories if story.run_id == row["run_id"])
                if story.states[-1] != row["state"]:
                    return
            self.slots = slots
            self._screen.say(f"All tasks wait, their processes ended: {slots} worker slots in use")

    def _all_wait(self) -> bool:
        return self.success.states[-1:] == ["deferred"] and all(story.holds_no_worker for story in self.stories)

    def _say(self, story: Story, what: str, more: str) -> None:
        self._screen.say(f"{story.sync.name:<20} {what:<18}  {more}".rstrip())

    def _judge(self) -> bool:
        as_promised = True
        for story in self.stories:
            problems = list(story.problems())
            if story is self.success and self.slots != 0:
                problems.append(f"{self.slots} worker slots were in use while the task was deferred")
            for problem in problems:
                self._screen.say(f"FAILED: {story.sync.name}: {problem}")
            if problems:
                self._screen.show(f"Log of that task:\n{readable(story.log)}")
            else:
                self._screen.say(f"OK: {story.sync.name}: {' -> '.join(story.states)}")
            as_promised = as_promised and not problems
        return as_promised
