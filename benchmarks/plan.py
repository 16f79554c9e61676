"""The schedule of a cell: when triggers start and when executions end; the same for every system."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

ENDING_SHARE = 0.05
MIN_ENDS = 10
MAX_AGE = 1800.0
GRACE_PERIOD = 2.0


@dataclass(frozen=True)
class Plan:
    """A cell's schedule, in seconds after its beginning.

    The triggers start evenly over the first interval, in random order, and poll for the first time by the end of the
    second. The measured window is the two intervals after that. Executions end in the first of them, so that the second
    one remains to notice their ends. The ends are spread evenly between the polls of a trigger that polls once per
    interval from its start on: its median delay is half an interval by design. The last execution has ended before
    the cell begins: a first trigger waits for it, so that one-time imports are not measured.

    :param waits: number of triggers
    :param interval: seconds between two polls, of every system
    """

    waits: int
    interval: float
    starts: list[float] = field(init=False)
    ends: list[float | None] = field(init=False)
    ages: list[float] = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(self.waits)
        starts = [self.interval * (each + 0.5) / self.waits for each in range(self.waits)]
        chance.shuffle(starts)
        ending = min(self.waits, max(MIN_ENDS, round(self.waits * ENDING_SHARE)))
        ends: list[float | None] = [None] * self.waits
        for rank, each in enumerate(chance.sample(range(self.waits), ending)):
            since_poll = self.interval * (rank + 0.5) / ending
            ends[each] = self.window[0] + (starts[each] + since_poll) % self.interval
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "ends", [*ends, -10.0])
        object.__setattr__(self, "ages", [chance.random() * MAX_AGE for _ in range(self.waits)] + [60.0])

    @property
    def window(self) -> tuple[float, float]:
        """The beginning and the end of the measurement."""
        return 2 * self.interval, 4 * self.interval

    @property
    def length(self) -> float:
        """The duration of the cell."""
        return self.window[1] + GRACE_PERIOD
