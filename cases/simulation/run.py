"""A heap of steps in time order: one virtual clock for everything that happens in the city."""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cases.choices import Action
from cases.simulation.city import City
from cases.simulation.services import Services

if TYPE_CHECKING:
    from cases.simulation.life import Life

LATELY = 40
Moment = Callable[[datetime], None]  # what happens at a moment


class Run:
    """The steps still to come, and what became of those done.

    A live run goes through its cases `speed` times faster than life.
    """

    def __init__(self, city: City, services: Services, *, speed: float = 1) -> None:
        self.city, self.services, self.speed = city, services, speed
        self.done: Counter[str] = Counter()
        self.lives: dict[str, Life] = {}  # by case number
        self.lately: deque[Life] = deque(maxlen=LATELY)  # cases dispatched last
        self._heap: list[tuple[datetime, int, Moment]] = []
        self._order = itertools.count()

    @property
    def begun(self) -> int:
        """How many cases came in."""
        return self.done[Action.REPORT] + self.done[Action.SELF_HANDLE]

    def plan(self, at: datetime, step: Moment) -> None:
        """Do `step` at a moment."""
        heapq.heappush(self._heap, (at, next(self._order), step))

    def plan_days(self, start: datetime, days: int, total: int, begin: Moment) -> None:
        """Plan `total` beginnings over `days` from `start` on, each day when it comes."""
        mornings = [start + timedelta(days=day) for day in range(days)]
        for morning, count in zip(mornings, self.city.reports_a_day(mornings, total), strict=True):
            self.plan(morning, self._day_of(count, begin))

    def _day_of(self, count: int, begin: Moment) -> Moment:
        def dawn(morning: datetime) -> None:
            for _ in range(count):
                self.plan(self.city.moment_after(morning), begin)

        return dawn

    def steps_until(self, until: datetime) -> Iterator[tuple[datetime, Moment]]:
        """Yield steps in time order, those that earlier ones planned included."""
        while self._heap and self._heap[0][0] <= until:
            at, _, step = heapq.heappop(self._heap)
            yield at, step
