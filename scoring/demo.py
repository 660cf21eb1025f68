"""Inputs beside the cases for a demo city: inspections, surveys, key tasks; same seed, same rows.

Everything goes through the real services; what is said is invented.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from django.db.models import Q

from cases.choices import DISTRICT_SLUGS, OPEN_STAGES
from cases.models import Case, Unit
from cityops.accounts.models import User
from cityops.accounts.roles import Role
from scoring.key_tasks import Step, add_task, judge_milestone, report_progress
from scoring.measured import KeyTask, OnsiteDraw, OnsitePoint, Survey
from scoring.onsite import Found, answer_point, draw_points
from scoring.periods import CITY_TIME, Period, periods_between
from scoring.satisfaction import import_survey, read_survey
from scoring.selectors import log_span

ANSWERS = 48  # of the survey, a body and month


class NoDemoError(Exception):
    """The demo city lacks what its inputs rest on; the message says what."""


@dataclass(frozen=True)
class Likeness:
    """How a district does, invented: odds of an item found at a point, answers, milestones met."""

    found: float
    marks: tuple[int, ...]  # weights of the answers, very satisfied first
    on_time: float


LIKENESS = {
    "hecheng": Likeness(0.13, (34, 42, 15, 6, 3), 0.9),
    "zhongfang": Likeness(0.17, (26, 42, 20, 8, 4), 0.75),
    "hightech": Likeness(0.09, (40, 40, 13, 5, 2), 0.95),
    "landport": Likeness(0.14, (30, 42, 17, 7, 4), 0.85),
}
_TASKS = (
    ("背街小巷环境整治", "完成路面修补、线缆规整和标线施划"),
    ("农贸市场标准化改造", "划行规市，改造给排水和垃圾收集设施"),
    ("老旧小区非机动车棚建设", "新增停放和充电设施"),
    ("户外广告和牌匾专项整治", "拆除违规广告，统一规范牌匾"),
    ("公共厕所提质改造", "达到三类及以上标准"),
)
_STEPS = ("摸底建账", "方案审定", "进场施工", "完工验收")


def fill_inputs(*, seed: int, progress: Callable[[str], None]) -> dict[str, int]:
    """Add to each month of the log what was measured beside it; months that have it stay.

    Returns how many points were answered, answers imported and tasks listed. Raises NoDemoError.
    """
    span = log_span()
    office = list(User.objects.with_grants().filter(is_demo=True, grant__role=Role.ASSESSOR)
                  .order_by("username"))  # fmt: skip
    if span is None or len(office) < 2:
        raise NoDemoError("There is no log yet, or there are fewer than two demo assessors.")
    first, until = span
    months = [p for p in periods_between(first, until) if p.is_month]
    done = {"points": 0, "answers": 0, "tasks": 0}
    for month in sorted(months, key=lambda one: one.start):
        random = Random(f"{seed} {month.name}")  # noqa: S311  # no secret
        if not OnsiteDraw.objects.filter(period=month.name).exists():
            done["points"] += _inspect(month, until, office[0], random)
        if not Survey.objects.filter(period=month.name).exists():
            done["answers"] += _survey(month, until, office[0], random)
        progress(f"{month.name}: inputs beside the cases")
    if not KeyTask.objects.exists():
        random = Random(f"{seed} tasks")  # noqa: S311  # no secret
        done["tasks"] = _tasks(first, until, office, random)
    return done


def _inspect(month: Period, until: datetime, actor: User, random: Random) -> int:
    """Draw the month and answer as many points as its days have passed."""
    drawn_at = month.start + timedelta(hours=9)
    if drawn_at > until:
        return 0
    draw = draw_points(period=month, actor=actor, at=drawn_at)
    known = _cases_by_class(month)
    people: dict[int, User] = {}
    count = 0
    for point in draw.points.select_related("draw").order_by("body", "order"):
        at = drawn_at + (month.end - drawn_at) * (point.order - random.random()) / 25
        if at > until:
            continue
        who = people.get(point.assessor_id)
        who = who or User.objects.with_grants().get(pk=point.assessor_id)
        people[who.pk] = who
        found = _found(point, known, at, random)
        answer_point(point=point, found=found, remark="", actor=who, at=at)
        count += 1
    return count


Known = dict[tuple[str, str], list[tuple[str, datetime, datetime]]]


def _cases_by_class(month: Period) -> Known:
    """Return the cases of a month by district and class, each with when it was open.

    What is found stands there already.
    """
    rows = Case.objects.filter(reported_at__gte=month.start, reported_at__lt=month.end)
    rows = rows.filter(Q(stage__in=sorted(OPEN_STAGES)) | Q(closed_at__isnull=False))
    names = ("district", "minor_id", "number", "reported_at", "closed_at")
    known: Known = defaultdict(list)
    for district, minor, number, start, end in rows.order_by("number").values_list(*names):
        known[district, minor].append((number, start, end or datetime.max.replace(tzinfo=UTC)))
    return known


def _found(point: OnsitePoint, known: Known, at: datetime, random: Random) -> list[Found]:
    odds = LIKENESS[point.body].found
    found = []
    for item in point.draw.checklist["items"]:
        there = known.get((point.body, item["category"]), [])
        numbers = [number for number, start, end in there if start <= at < end]
        if random.random() < odds and numbers:
            found.append(Found(item["code"], known_case=random.choice(numbers)))
    return found


def _survey(month: Period, until: datetime, actor: User, random: Random) -> int:
    """Import a telephone survey of the month's days so far."""
    first = month.start.astimezone(CITY_TIME).date()
    days = (min(month.end, until).astimezone(CITY_TIME).date() - first).days
    if days < 1:
        return 0
    lines = ["编号,区县,评价,日期"]
    for body in DISTRICT_SLUGS:
        for number in range(1, ANSWERS + 1):
            (mark,) = random.choices("54321", LIKENESS[body].marks)
            said_on = first + timedelta(days=random.randrange(days))
            lines.append(f"{body}-{number:03},{body},{mark},{said_on}")
    read = read_survey("\n".join(lines).encode(), month)
    at = min(month.end, until)
    survey = import_survey(period=month, name="电话调查", read=read, actor=actor, at=at)
    return survey.rows


def _tasks(first: datetime, until: datetime, office: list[User], random: Random) -> int:
    """List tasks whose milestones spread over the log's months and the next one."""
    start, today = (moment.astimezone(CITY_TIME).date() for moment in (first, until))
    many = 0
    for body in DISTRICT_SLUGS:
        units = list(Unit.objects.filter(district=body, is_active=True).order_by("pk")[:9])
        for title, about in random.sample(_TASKS, 3):
            begun = start + timedelta(days=random.randrange(1, 12))
            steps = [
                Step(name, begun + timedelta(days=11 * number + random.randrange(5)))
                for number, name in enumerate(_STEPS)
            ]
            unit = random.choice(units).pk if units else ""
            words: dict[str, Any] = {"title": title, "body": body, "unit": unit, "about": about}
            task = add_task(**words, steps=steps, actor=office[0], at=first)
            _go_on(task, LIKENESS[body].on_time, today, office, random)
            many += 1
    return many


def _go_on(task: KeyTask, on_time: float, today: date, office: list[User], random: Random) -> None:
    """Report milestones that are over as met, most in time, and let a second one confirm."""
    for row in task.milestones.order_by("due_on", "pk"):
        is_on_time = random.random() < on_time
        met_on = row.due_on + timedelta(days=0 if is_on_time else random.randrange(1, 5))
        is_met = met_on < today
        evening = datetime.combine(met_on, time(17), CITY_TIME) if is_met else None
        task.refresh_from_db()
        report_progress(
            pk=task.pk,
            milestone=row.pk,
            seen=task.version,
            progress=100 if is_met else random.randrange(2, 10) * 10,
            met_on=met_on if is_met else None,
            evidence="施工照片和验收单" if is_met else "按计划推进",
            actor=office[0],
            at=evening,
        )
        if evening is None:
            return
        judge_milestone(
            pk=task.pk,
            milestone=row.pk,
            seen=task.version + 1,
            is_met=True,
            reason="",
            actor=office[1],
            at=evening + timedelta(minutes=40),
        )
