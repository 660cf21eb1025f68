"""A living city: believable cases driven through the real services on one virtual clock.

A heap of (moment, number, step) over all districts is run in time order, so that the log of every
district is written as it would have been. Districts differ for reasons one can find: the profiles.
"""

import heapq
import io
import itertools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone
from PIL import Image, ImageDraw

from cases.choices import Action, Role, Source, Stage
from cases.errors import MoveNotAllowed, Refusal
from cases.ledger import FILLING_LOCK, open_book, open_folder
from cases.models import Attachment, Case, CityOptions, Condition, DistrictHead, Effect, Task, Unit
from cases.services.deadlines import scan_deadlines
from cases.services.dispatch import give_to, unit_for
from cases.services.intake import Report, report_case
from cases.services.moves import take_action
from cases.services.photos import StoredPhoto, store
from cityops.accounts.models import User

BATCH = 200  # actions a transaction
QUIET_S = 15  # how long to wait for the transactions under way
SCAN_EVERY = timedelta(minutes=30)  # of virtual time; a late scan delays a lamp, no score


@dataclass(frozen=True)
class Profile:
    """How a district works: shares and odds, 0 to 1. Invented, not field data."""

    share: float  # of all reports
    on_time: float  # quick cases finished in time
    works_on_time: float  # cases of a work day and longer finished in time
    passes: float  # checks passed
    returns: float  # cases a unit returns
    left: float  # late cases nobody finishes for weeks


PROFILES = {
    "hecheng": Profile(0.60, 0.93, 0.88, 0.95, 0.03, 0.25),
    "zhongfang": Profile(0.20, 0.89, 0.74, 0.93, 0.05, 0.35),  # works cases late
    "hightech": Profile(0.11, 0.96, 0.93, 0.97, 0.02, 0.10),  # strong
    "landport": Profile(0.09, 0.91, 0.88, 0.85, 0.04, 0.20),  # closings that fail the check
}
# Words that find the commonest classes (domain.md §7), with their weights.
FREQUENT = {
    "非机动车": 18,
    "暴露": 16,
    "店外经营": 12,
    "小广告": 10,
    "井盖": 7,
    "路面": 6,
    "路灯": 5,
}
OTHERS = 0.25  # weight of every other class
HOURS = (0, 0, 0, 0, 0, 1, 3, 7, 12, 14, 12, 8, 4, 5, 10, 12, 11, 8, 5, 4, 3, 2, 1, 0)
HOTLINE = 0.05  # reports that come in by the hotline; the others by inspectors


class CannotSimulateError(Exception):
    """The log or the users do not allow it; the message says why."""


class City:
    """Who and what the simulation draws from, read once."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # believable, not secret
        people = list(
            User.objects.with_grants().filter(is_demo=True, is_active=True).order_by("pk")
        )
        self.by_id = {person.pk: person for person in people}
        self.inspectors = [p for p in people if p.holds(Role.INSPECTOR)]
        self.acceptor = _one(people, Role.ACCEPTOR)
        self.chief = _one(people, Role.DUTY_CHIEF)
        self.dispatcher = _one(people, Role.DISPATCHER)
        self.operator = _one(people, Role.OPERATOR)
        self.units = {g.scope_key: p for p in people for g in p.grants if g.role == Role.UNIT}
        if not self.inspectors or not self.units:
            raise CannotSimulateError("There are no demo accounts; run demo_users --create.")
        self.conditions = list(
            Condition.objects.filter(is_active=True).select_related("minor").order_by("pk")
        )
        self.weights = [_weight(condition.minor.name_zh) for condition in self.conditions]
        self.spots = _spots()
        self.photos = _photos()

    def moment_of_day(self, day: datetime) -> datetime:
        """Return a moment of a local day, by the shape of a working day."""
        (hour,) = self.random.choices(range(24), HOURS)
        return day + timedelta(hours=hour, seconds=self.random.randrange(3600))

    def district(self) -> str:
        """Return a district by its share of reports."""
        names = [name for name in PROFILES if self.spots.get(name)]
        return self.random.choices(names, [PROFILES[name].share for name in names])[0]

    def report(self) -> tuple[Report, User, Profile]:
        """Return a report, who makes it, and the profile of the district it lies in."""
        district = self.district()
        (condition,) = self.random.choices(self.conditions, self.weights)
        lon, lat = self.random.choice(self.spots[district])
        is_hotline = self.random.random() < HOTLINE
        report = Report(
            lon=lon,
            lat=lat,
            category=condition.minor_id,
            condition=condition.code,
            source=Source.HOTLINE if is_hotline else Source.INSPECTOR,
            accuracy_m=self.random.randrange(4, 30),
        )
        actor = self.operator if is_hotline else self.random.choice(self.inspectors)
        return report, actor, PROFILES[district]


def _one(people: list[User], role: Role) -> User:
    for person in people:
        if person.holds(role) and all(g.scope_kind == "city" for g in person.grants):
            return person
    raise CannotSimulateError(f"There is no demo account with the role {role}.")


def _weight(name: str) -> float:
    return next((w for word, w in FREQUENT.items() if word in name), OTHERS)


def _spots() -> dict[str, list[tuple[float, float]]]:
    """Return points inside grid cells, by assessment district: where cases happen."""
    spots: dict[str, list[tuple[float, float]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.district_id, ST_X(c.label), ST_Y(c.label)
            FROM cases_area c
            CROSS JOIN LATERAL (
              SELECT d.district_id FROM cases_area d
              WHERE d.level = 'district' AND upper_inf(d.valid) AND ST_Covers(d.geom, c.label)
              ORDER BY d.precedence DESC LIMIT 1) AS d
            WHERE c.level = 'cell' AND upper_inf(c.valid) ORDER BY c.code
            """
        )
        for district, lon, lat in cursor.fetchall():
            spots.setdefault(district, []).append((lon, lat))
    if not spots:
        raise CannotSimulateError("No city is loaded; run load_city first.")
    return spots


def _photos() -> dict[str, list[StoredPhoto]]:
    """Store a few drawn pictures to stand for photos: a grey street with and without a blot."""
    return {
        Attachment.Kind.NEAR: [_drawing(n, Attachment.Kind.NEAR) for n in range(3)],
        Attachment.Kind.AFTER: [_drawing(n, Attachment.Kind.AFTER) for n in range(3)],
    }


def _drawing(number: int, kind: str) -> StoredPhoto:
    picture = Image.new("RGB", (960, 720), (150 + 20 * number, 170, 180))
    pen = ImageDraw.Draw(picture)
    pen.polygon([(0, 720), (380, 330), (580, 330), (960, 720)], fill=(96, 100, 106))
    pen.rectangle((60 + 60 * number, 120, 300 + 60 * number, 420), fill=(188, 164, 130))
    if kind == Attachment.Kind.NEAR:
        pen.ellipse((400, 480, 640 + 40 * number, 620), fill=(40, 38, 36))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return store(io.BytesIO(out.getvalue()), kind=kind)


# --- one case after another ---------------------------------------------------------------------

Step = Callable[[datetime], None]


class Run:
    """A heap of steps in time order, and what became of them."""

    def __init__(self, city: City, *, is_live: bool = False, speed: float = 1) -> None:
        self.city = city
        self.is_live = is_live  # real time, real workers: services get no `at`
        self.speed = speed
        self.done: Counter[str] = Counter()
        self._heap: list[tuple[datetime, int, Step]] = []
        self._order = itertools.count()

    def plan(self, at: datetime, step: Step) -> None:
        """Do `step` at a moment."""
        heapq.heappush(self._heap, (at, next(self._order), step))

    def later(self, at: datetime, delay: timedelta, step: Step) -> None:
        """Do `step` a while after `at`; a live run goes through its cases faster than life."""
        self.plan(at + delay / self.speed, step)

    def steps_until(self, until: datetime) -> Iterator[tuple[datetime, Step]]:
        """Yield steps in time order, those that earlier ones planned included."""
        while self._heap and self._heap[0][0] <= until:
            at, _, step = heapq.heappop(self._heap)
            yield at, step

    def new_case(self, at: datetime) -> None:
        """Bring a report in and plan the way of its case."""
        CaseLife(self, *self.city.report()).begin(at)

    def time_of(self, at: datetime) -> datetime | None:
        """Return what services get as `at`: nothing in a live run."""
        return None if self.is_live else at


class CaseLife:
    """One case and the people who move it."""

    def __init__(self, run: Run, report: Report, reporter: User, profile: Profile) -> None:
        self.run, self.city = run, run.city
        self.report, self.reporter, self.profile = report, reporter, profile
        self.answer: dict[str, Any] = {}
        self.is_rework = False

    def begin(self, at: datetime) -> None:
        """Report; an inspector's report is filed at once, a hotline's by acceptor and chief."""
        photos = (self.city.random.choice(self.city.photos[Attachment.Kind.NEAR]),)
        self.answer = report_case(
            report=self.report, actor=self.reporter, photos=photos, at=self.run.time_of(at)
        )
        self.run.done["report"] += 1
        if self.answer["stage"] == Stage.FILED:
            self._later(at, 20, 90, self.dispatch, unit=1)
        else:
            self._later(at, 2, 14, self.accept)

    def accept(self, at: datetime) -> None:
        """Accept, or decline one in twelve."""
        if self.city.random.random() < 1 / 12:
            self._act(at, Action.DECLINE, self.city.acceptor, reason="not_in_scope")
            return
        self._act(at, Action.ACCEPT, self.city.acceptor)
        self._later(at, 1, 8, self.file)

    def file(self, at: datetime) -> None:
        """File with the condition reported."""
        self._act(at, Action.FILE, self.city.chief, condition=self.report.condition)
        self._later(at, 20, 90, self.dispatch, unit=1)

    def dispatch(self, at: datetime) -> None:
        """Dispatch at virtual time; in a live run wait for the worker to do it."""
        if self.run.is_live:
            case = Case.objects.get(number=self.answer["number"])
            self.answer |= {"version": case.version, "unit": case.unit_id, "due_at": case.due_at}
            if case.stage == Stage.FILED:
                self.run.plan(at + timedelta(seconds=1), self.dispatch)
                return
        else:
            self._dispatch_inline(at)
        self.run.done["dispatch"] += 1
        if self.answer["unit"]:
            self._later(at, 5, 70, self.sign)

    def _dispatch_inline(self, at: datetime) -> None:
        folder = open_folder(number=self.answer["number"])
        waiting = Effect.objects.filter(case=folder.case, kind="dispatch", done_at=None)
        waiting.update(done_at=Now(), outcome="simulated")
        found, options = unit_for(folder), CityOptions.objects.get()
        with open_book(folder.case.scope, at=at) as book:
            give_to(book, folder, found, options)
        case = folder.case
        self.answer |= {"version": case.version, "unit": case.unit_id, "due_at": case.due_at}

    def sign(self, at: datetime) -> None:
        """Sign for it, or give it back once."""
        unit = self.city.units[self.answer["unit"]]
        if not self.is_rework and self.city.random.random() < self.profile.returns:
            try:
                self._act(at, Action.RETURN, unit, reason="not_responsible", note="不属本单位职责")
            except MoveNotAllowed:  # overdue already: the table refuses it
                self._sign(at, unit)
                return
            self._later(at, 5, 30, self.reassign)
            return
        self._sign(at, unit)

    def _sign(self, at: datetime, unit: User) -> None:
        self._act(at, Action.SIGN, unit)
        self._plan_finish(at)

    def reassign(self, at: datetime) -> None:
        """Half the returns are justified: another unit of the district; else the same one."""
        code, ruling = self.answer["before"], "unjustified"
        others = sorted(
            unit.pk
            for unit in Unit.objects.filter(district=self.answer["district"], is_active=True)
            if unit.pk in self.city.units and unit.pk != code
        )
        if others and self.city.random.random() < 0.5:
            code, ruling = self.city.random.choice(others), "justified"
        self._act(at, Action.REASSIGN, self.city.dispatcher, unit=code, ruling=ruling)
        self.is_rework = True  # signs without another return
        self._later(at, 5, 50, self.sign)

    def _plan_finish(self, at: datetime) -> None:
        due = _moment(self.answer["due_at"]) or at + timedelta(hours=4)
        left = max(due - at, timedelta(minutes=10))
        is_works = left > timedelta(hours=20)
        odds = self.profile.works_on_time if is_works else self.profile.on_time
        if self.city.random.random() < odds:
            wait = left * self.city.random.triangular(0.1, 0.98, 0.6)
        elif self.city.random.random() < self.profile.left:
            wait = left + timedelta(days=self.city.random.uniform(8, 40))
        else:
            wait = left + timedelta(hours=-6 * math.log(1 - self.city.random.random()) + 0.2)
        self.run.later(at, wait, self.finish)

    def finish(self, at: datetime) -> None:
        """Finish with an after-photo; the check goes out by itself."""
        unit = self.city.units[self.answer["unit"]]
        photo = self.city.random.choice(self.city.photos[Attachment.Kind.AFTER])
        self._act(at, Action.FINISH, unit, photos=(photo,), note="已处置")
        if self.answer["stage"] == Stage.CHECKING:
            self._later(at, 4, 45, self.check)

    def check(self, at: datetime) -> None:
        """The inspector looks at the place."""
        task = Task.objects.open().get(case__number=self.answer["number"])
        passed = self.is_rework or self.city.random.random() < self.profile.passes
        self._act(at, Action.ANSWER_CHECK, self.city.by_id[task.assignee_id], passed=passed)
        if passed:
            self._later(at, 5, 120, self.close)
        else:
            self._later(at, 5, 25, self.rework)

    def rework(self, at: datetime) -> None:
        """Back to the same unit."""
        self._act(at, Action.REWORK, self.city.dispatcher)
        self.is_rework = True
        self._later(at, 30, 300, self.finish)

    def close(self, at: datetime) -> None:
        """Close."""
        self._act(at, Action.CLOSE, self.city.chief)

    def _later(self, at: datetime, low: int, high: int, step: Step, *, unit: int = 60) -> None:
        """Plan `step` after a draw between `low` and `high` times `unit` seconds."""
        wait = timedelta(seconds=self.city.random.uniform(low, high) * unit)
        self.run.later(at, wait, step)

    def _act(
        self,
        at: datetime,
        action: Action,
        actor: User,
        *,
        photos: tuple[StoredPhoto, ...] = (),
        **inputs: Any,
    ) -> None:
        before = self.answer.get("unit")
        self.answer = take_action(
            number=self.answer["number"],
            action=action,
            actor=actor,
            seen_version=self.answer["version"],
            inputs=inputs,
            photos=photos,
            at=self.run.time_of(at),
        )
        self.answer["before"] = before or self.answer.get("before")
        self.run.done[action] += 1


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


# --- the two ways to run it ---------------------------------------------------------------------


def _try_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [FILLING_LOCK])
    return bool(cursor.fetchone()[0])


@contextmanager
def _filling() -> Iterator[None]:
    """Keep every other writer out while the month is written."""
    with connection.cursor() as cursor:
        until = time.monotonic() + QUIET_S
        while not _try_lock(cursor):  # transactions under way hold it shared until they commit
            if time.monotonic() > until:
                raise CannotSimulateError("Another simulation is running.")
            time.sleep(0.1)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [FILLING_LOCK])


def simulate(
    *, days: int, per_day: int, seed: int, until: datetime, progress: Callable[[str], None]
) -> Counter[str]:
    """Write `days` days of cases ending at `until` (at or before now); returns actions counted.

    Raises CannotSimulateError when a log already holds an event later than the first day.
    """
    local = timezone.localtime(until)
    first = (local - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    start = first + timedelta(days=1)
    with _filling():
        last = DistrictHead.objects.aggregate(last=Max("at"))["last"]
        if last is None or last > start:
            raise CannotSimulateError(
                f"The log already holds events up to {last}: a month is written once, before them."
            )
        run = Run(City(seed))
        for day in range(days):
            for _ in range(per_day):
                run.plan(run.city.moment_of_day(start + timedelta(days=day)), run.new_case)
        _drive(run, start, until, total=days * per_day, progress=progress)
    return run.done


def _drive(
    run: Run, start: datetime, until: datetime, *, total: int, progress: Callable[[str], None]
) -> None:
    """Run all steps up to `until` in transactions of BATCH actions."""
    steps, begun, scanned = run.steps_until(until), time.monotonic(), start
    at, is_over = start, False
    while not is_over:
        is_over = True
        with transaction.atomic():
            for at, step in itertools.islice(steps, BATCH):
                is_over = False
                while scanned + SCAN_EVERY <= at:
                    scanned += SCAN_EVERY
                    scan_deadlines(at=scanned)
                step(at)
        rate = run.done["report"] / (time.monotonic() - begun)
        progress(f"{run.done['report']}/{total} cases, {rate:.0f} a second, {at:%Y-%m-%d}")


def keep_busy(
    *, per_minute: int, minutes: float, seed: int, progress: Callable[[str], None]
) -> Counter[str]:
    """Report and handle cases at real time for a bounded while, through queues and workers."""
    run = Run(City(seed), is_live=True, speed=60)
    start = timezone.now()
    end = start + timedelta(minutes=minutes)
    for number in range(int(per_minute * minutes)):
        run.plan(start + timedelta(seconds=60 * number / per_minute), run.new_case)
    for at, step in run.steps_until(end):
        wait = (at - timezone.now()).total_seconds()
        if wait > 0:
            time.sleep(wait)
        try:
            step(timezone.now())
        except Refusal as refusal:  # somebody else moved the case: leave it to them
            progress(str(refusal))
        progress(f"{sum(run.done.values())} actions, {run.done['report']} reports")
    return run.done
