"""What is due when."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerQueue(Generic[T]):
    """Things by the time at which each is due; all that it does takes logarithmic time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._numbers: dict[T, int] = {}
        self._count = count()

    def __len__(self) -> int:
        return len(self._numbers)

    def put(self, thing: T, due: float) -> None:
        """Make it due then, and at no other time."""
        number = self._numbers[thing] = next(self._count)
        heappush(self._heap, (due, number, thing))
        if len(self._heap) > 2 * len(self._numbers) + 8:
            self._heap = [entry for entry in self._heap if self._numbers.get(entry[2]) == entry[1]]
            heapify(self._heap)

    def discard(self, thing: T) -> None:
        """Take it away, if it is there."""
        self._numbers.pop(thing, None)

    @property
    def next_at(self) -> float:
        """When the next thing is due; infinity if there is none."""
        while self._heap and self._numbers.get(self._heap[0][2]) != self._heap[0][1]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else float("inf")

    def pop(self, until: float = float("inf")) -> T | None:
        """Take the next thing that is due by then; None if there is none."""
        if self.next_at > until or not self._numbers:
            return None
        thing = heappop(self._heap)[2]
        del self._numbers[thing]
        return thing
