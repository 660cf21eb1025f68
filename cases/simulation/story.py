"""What people do with one case after another: who acts, how, and how long they take."""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from cases.choices import Action, Role, Source, Stage
from cases.models import Attachment, Condition
from cases.services.intake import Report
from cases.services.photos import StoredPhoto
from cases.simulation.city import EMERGENCIES, City, Profile
from cases.simulation.services import Answer, Services
from cityops.accounts.models import User

JUSTIFIED = 0.5  # of returns: another unit of the district gets the case
RETURNED_AGAIN = 0.2  # of cases returned once
DECLINED = 1 / 12  # of reports that did not come from inspectors
SLOW_CENTRE = 0.08  # of the centre's stages end after their clock

Step = Callable[[datetime], None]


class Run:
    """A heap of steps in time order, and what became of them."""

    def __init__(self, city: City, services: Services, *, speed: float = 1) -> None:
        self.city, self.services, self.speed = city, services, speed
        self.done: Counter[str] = Counter()
        self._heap: list[tuple[datetime, int, Step]] = []
        self._order = itertools.count()

    def plan(self, at: datetime, step: Step) -> None:
        """Do `step` at a moment."""
        heapq.heappush(self._heap, (at, next(self._order), step))

    def later(self, at: datetime, delay: timedelta, step: Step) -> None:
        """Do `step` a while after `at`; a live run goes through its cases faster than life."""
        self.plan(at + delay / self.speed, step)

    def plan_days(self, start: datetime, days: int, total: int) -> None:
        """Plan `total` reports over `days` from `start` on, each day when it comes."""
        mornings = [start + timedelta(days=day) for day in range(days)]
        for morning, count in zip(mornings, self.city.reports_a_day(mornings, total), strict=True):
            self.plan(morning, self._day_of(count))

    def _day_of(self, count: int) -> Step:
        def begin(morning: datetime) -> None:
            for _ in range(count):
                self.plan(self.city.moment_after(morning), self.new_case)

        return begin

    def steps_until(self, until: datetime) -> Iterator[tuple[datetime, Step]]:
        """Yield steps in time order, those that earlier ones planned included."""
        while self._heap and self._heap[0][0] <= until:
            at, _, step = heapq.heappop(self._heap)
            yield at, step

    def new_case(self, at: datetime) -> None:
        """Bring a report in and plan the way of its case."""
        CaseLife(self, *self.city.report()).begin(at)


class CaseLife:
    """One case and the people who move it."""

    def __init__(
        self, run: Run, report: Report, reporter: User, profile: Profile, condition: Condition
    ) -> None:
        self.run, self.city, self.random = run, run.city, run.city.random
        self.report, self.reporter = report, reporter
        self.profile, self.condition = profile, condition
        self.now: Answer = {}
        self.held_by = ""  # the unit that had the case last
        self.returns = self.reworks = 0
        self.is_ruled = False  # an arbitrated unit may not return the case

    def begin(self, at: datetime) -> None:
        """Report; an inspector's report is filed at once, another by acceptor and chief."""
        photos: tuple[StoredPhoto, ...] = ()
        if self.report.source == Source.INSPECTOR:
            photos = self.city.album.pick(self.random, Attachment.Kind.NEAR, Attachment.Kind.FAR)
        self.now = self.run.services.report(self.report, self.reporter, photos, at)
        self.run.done["report"] += 1
        if self.now["stage"] == Stage.FILED:
            self._later(at, 2, 8, self.dispatch, unit=1)
        else:
            self._later(at, 2, 14, self.accept)

    def accept(self, at: datetime) -> None:
        """Accept, or decline some."""
        if self._is(DECLINED):
            self._act(at, Action.DECLINE, Role.ACCEPTOR, reason="not_in_scope")
            return
        self._act(at, Action.ACCEPT, Role.ACCEPTOR)
        self._later(at, 1, 8, self.file)

    def file(self, at: datetime) -> None:
        """File with the condition reported."""
        self._act(at, Action.FILE, Role.DUTY_CHIEF, condition=self.report.condition)
        self._later(at, 2, 8, self.dispatch, unit=1)

    def dispatch(self, at: datetime) -> None:
        """Have it dispatched, or wait for the worker to do it."""
        after = self.run.services.dispatch(self.now, at)
        if after is None:
            self.run.plan(at + timedelta(seconds=1), self.dispatch)
            return
        self.now = after
        self.run.done["dispatch"] += 1
        self._receive(at)

    def _receive(self, at: datetime) -> None:
        """Plan what the unit does first: it signs, or gives the case back while it may."""
        if self.now["unit"] not in self.city.people.of_unit:  # unrouted, or nobody of the demo
            return
        self.held_by = self.now["unit"]
        early = self._draw(3, 45)
        chance = RETURNED_AGAIN if self.returns else self.profile.returns
        if not self.is_ruled and at + early < self._due(at) and self._is(chance):
            self.run.later(at, early, self.give_back)
        else:
            slow = self._is(self.profile.slow_sign)
            self.run.later(at, self._draw(65, 180) if slow else early, self.sign)

    def give_back(self, at: datetime) -> None:
        """Return it; the second time it is disputed and waits for a ruling."""
        self._act(at, Action.RETURN, Role.UNIT, reason="not_responsible", note="不属本单位职责")
        self.returns += 1
        if self.now["stage"] == Stage.DISPUTED:
            self._later(at, 30, 200, self.arbitrate)
        else:
            self._by_centre(at, self.reassign)

    def reassign(self, at: datetime) -> None:
        """Some returns are justified: another unit of the district; else the same one again."""
        self._give(at, Action.REASSIGN)

    def arbitrate(self, at: datetime) -> None:
        """Name the unit for good."""
        self.is_ruled = True
        self._give(at, Action.ARBITRATE)

    def _give(self, at: datetime, action: Action) -> None:
        code, ruling = self.held_by, "unjustified"
        if self._is(JUSTIFIED):
            other = self.city.other_unit(self.now["district"], code)
            code, ruling = (other, "justified") if other else (code, ruling)
        self._act(at, action, Role.DISPATCHER, unit=code, ruling=ruling)
        self._receive(at)

    def sign(self, at: datetime) -> None:
        """Sign for it."""
        self._act(at, Action.SIGN, Role.UNIT)
        due = self._due(at)
        left = max(due - at, timedelta(minutes=10))
        is_works = left > timedelta(hours=20)
        odds = self.profile.works_on_time if is_works else self.profile.on_time
        if self._is(odds):
            end = at + max(self._draw(8, 25), left * self.random.triangular(0.1, 0.95, 0.55))
            by_day = self._by_day(end)
            end = by_day if by_day <= due else end
        else:  # late: after the deadline, which may have passed before anybody signed
            days = self.random.uniform(8, 40) if self._is(self.profile.left) else 0
            hours = 0 if days else -6 * math.log(1 - self.random.random()) + 0.2
            end = self._by_day(max(due, at) + timedelta(days=days, hours=hours))
        self.run.later(at, end - at, self.finish)

    def _by_day(self, at: datetime) -> datetime:
        """Put off work that is no emergency from the night to the next morning."""
        local = timezone.localtime(at)
        if self.condition.limit_unit in EMERGENCIES or 7 <= local.hour < 21:
            return at
        morning = local.replace(hour=7, minute=30, second=0, microsecond=0)
        if local.hour >= 21:
            morning += timedelta(days=1)
        return morning + self._draw(0, 90)

    def finish(self, at: datetime) -> None:
        """Finish with an after-photo; the check goes out by itself."""
        photos = self.city.album.pick(self.random, Attachment.Kind.AFTER)
        self._act(at, Action.FINISH, Role.UNIT, photos=photos, note="已处置")
        if self.now["stage"] == Stage.CHECKING:
            low, high = (32, 90) if self._is(SLOW_CENTRE) else (6, 27)
            self._later(at, low, high, self.check)

    def check(self, at: datetime) -> None:
        """The inspector looks at the place; a second failure is rarer."""
        passed = not self._is((1 - self.profile.passes) / (1 + self.reworks))
        checker = self.city.people.by_id[self.run.services.checker(self.now)]
        note = "" if passed else "现场仍未处理到位"
        self._act(at, Action.ANSWER_CHECK, checker, passed=passed, note=note)
        if passed:
            self._later(at, 5, 90, self.close)
        else:
            self._by_centre(at, self.rework)

    def rework(self, at: datetime) -> None:
        """Back to the same unit."""
        self._act(at, Action.REWORK, Role.DISPATCHER)
        self.reworks += 1
        self._later(at, 30, 240, self.finish)

    def close(self, at: datetime) -> None:
        """Close."""
        self._act(at, Action.CLOSE, Role.DUTY_CHIEF)

    def _by_centre(self, at: datetime, step: Step) -> None:
        """Plan a stage the dispatch centre has a quarter of an hour for."""
        low, high = (16, 50) if self._is(SLOW_CENTRE) else (3, 13)
        self._later(at, low, high, step)

    def _later(self, at: datetime, low: int, high: int, step: Step, *, unit: int = 60) -> None:
        """Plan `step` after a draw between `low` and `high` times `unit` seconds."""
        self.run.later(at, self._draw(low, high, unit=unit), step)

    def _draw(self, low: int, high: int, *, unit: int = 60) -> timedelta:
        return timedelta(seconds=round(self.random.uniform(low, high) * unit, 3))

    def _is(self, odds: float) -> bool:
        return self.random.random() < odds

    def _due(self, at: datetime) -> datetime:
        due: str | datetime | None = self.now["due_at"]
        if isinstance(due, str):
            return datetime.fromisoformat(due)
        return due or at + timedelta(hours=4)

    def _act(
        self,
        at: datetime,
        action: Action,
        who: User | Role,
        *,
        photos: tuple[StoredPhoto, ...] = (),
        **inputs: Any,
    ) -> None:
        if who == Role.UNIT:
            actor = self.city.people.of_unit[self.now["unit"]]
        elif isinstance(who, User):
            actor = who
        else:
            actor = self.city.people.one(Role(who), self.now["district"] or "")
        self.now = self.run.services.act(self.now, action, actor, photos, inputs, at)
        self.run.done[action] += 1
