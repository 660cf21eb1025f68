"""A heap of steps in time order: one virtual clock for everything that happens in the city."""

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from cases.choices import Action
from cases.simulation.city import City
from cases.simulation.services import Services

if TYPE_CHECKING:
    from cases.simulation.life import Life

LATELY = 20
Moment = Callable[[datetime], None]  # what happens at a moment
Beginning = Callable[[str, datetime], None]  # of a case, which its key names in the run


class Run:
    """The steps still to come, and what became of those done.

    A live run goes through its cases `speed` times faster than life.
    """

    def __init__(
        self,
        city: City,
        services: Services,
        *,
        moves: Mapping[str, frozenset[str]] | None = None,
        speed: float = 1,
    ) -> None:
        self.city, self.services, self.speed = city, services, speed
        self.moves = moves or {}  # played to look better, by district
        self._counted: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.lives: dict[str, Life] = {}  # by case number
        # Cases dispatched last, by district.
        self.lately: dict[str, deque[Life]] = defaultdict(lambda: deque(maxlen=LATELY))
        self._heap: list[tuple[datetime, int, Moment]] = []
        self._order = itertools.count()

    @property
    def begun(self) -> int:
        """How many cases came in."""
        return self.done[Action.REPORT] + self.done[Action.SELF_HANDLE]

    def falls_on(self, share: float, of: str) -> bool:
        """Whether the next of its kind is among this share of them, spread evenly: no chance."""
        self._counted[of] += 1
        number = self._counted[of]
        return int(number * share + 1e-9) > int((number - 1) * share + 1e-9)

    def plan(self, at: datetime, step: Moment) -> None:
        """Do `step` at a moment."""
        heapq.heappush(self._heap, (at, next(self._order), step))

    def plan_days(self, start: datetime, days: int, total: int, begin: Beginning) -> None:
        """Plan `total` beginnings over `days` from `start` on, each day when it comes."""
        mornings = [start + timedelta(days=day) for day in range(days)]
        counts = self.city.reports_a_day(mornings, total)
        for day, (morning, count) in enumerate(zip(mornings, counts, strict=True)):
            self.plan(morning, self._day_of(day, count, begin))

    def _day_of(self, day: int, count: int, begin: Beginning) -> Moment:
        def dawn(morning: datetime) -> None:
            for number in range(count):
                key = f"{day}/{number}"
                moment = self.city.moment_after(morning, self.city.luck(key, "moment"))
                self.plan(moment, partial(begin, key))

        return dawn

    def steps_until(self, until: datetime) -> Iterator[tuple[datetime, Moment]]:
        """Yield steps in time order, those that earlier ones planned included."""
        while self._heap and self._heap[0][0] <= until:
            at, _, step = heapq.heappop(self._heap)
            yield at, step
