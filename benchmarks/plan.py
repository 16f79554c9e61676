"""When the triggers of a cell start, and when what they wait for ends; the same for every system."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

SHARE_THAT_ENDS = 0.05
FEW_ENDS = 10
OLDEST = 1800.0
GRACE = 2.0


@dataclass(frozen=True)
class Plan:
    """A cell's schedule, in seconds after its beginning.

    The triggers start evenly over the first interval, in random order, and have the second one for their first look.
    The window that is measured is the two intervals after that; what ends does so in the first of them, so that the
    second is left for noticing it. The ends fall evenly
    between the polls of one who polls from its start on: its median delay is half an interval, by plan and not by
    chance. The last execution has ended before: a first trigger waits for it, so that what is loaded once is not
    measured.

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
        ending = min(self.waits, max(FEW_ENDS, round(self.waits * SHARE_THAT_ENDS)))
        ends: list[float | None] = [None] * self.waits
        for rank, each in enumerate(chance.sample(range(self.waits), ending)):
            since_poll = self.interval * (rank + 0.5) / ending
            ends[each] = self.window[0] + (starts[each] + since_poll) % self.interval
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "ends", [*ends, -10.0])
        object.__setattr__(self, "ages", [chance.random() * OLDEST for _ in range(self.waits)] + [60.0])

    @property
    def window(self) -> tuple[float, float]:
        """When measuring begins and ends."""
        return 2 * self.interval, 4 * self.interval

    @property
    def length(self) -> float:
        """How long the cell runs."""
        return self.window[1] + GRACE
