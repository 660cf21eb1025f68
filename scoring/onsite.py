"""On-site inspection 实地考评: points and assessors drawn by lot, checklists answered, the mean.

Both lots are drawn (双随机) from one published seed; see docs/assessment-inputs.md.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.gis.geos import Point
from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.choices import DISTRICT_SLUGS, OPEN_STAGES
from cases.errors import InvalidInput, NotAllowed
from cases.ledger import retrying
from cases.models import Case, District, Effect, Unit
from cases.models.area import in_language
from cases.selectors.draws import heads_before, in_order, seed_of
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import Role, ScopeKind
from scoring.lifecycle import TEXT_MAX, require_begun, require_office, require_provisional
from scoring.measured import (
    OnsiteAnswer,
    OnsiteDraw,
    OnsiteFinding,
    OnsitePoint,
    OnsiteReplacement,
)
from scoring.periods import Period, parse_period, periods_within
from scoring.rules import Measure

CHECKLIST = "onsite-2026-v1"  # what new draws take; those made keep theirs
FULL = Decimal(100)
NOTE_MAX = 200
_DATA = Path(__file__).parent / "data" / "measured"


@cache
def checklist_of(version: str = CHECKLIST) -> dict[str, Any]:
    """Return a version of the checklist: kinds of place with their points, items with theirs."""
    read: dict[str, Any] = json.loads((_DATA / f"{version}.json").read_text(encoding="utf-8"))
    return read


# --- the draw -----------------------------------------------------------------------------------


def points_by_kind(wanted: Mapping[str, int], there: Mapping[str, int]) -> dict[str, int]:
    """Return how many points each kind gets: as wanted, and what one lacks goes to the others.

    One by one in their order, as long as there are cells. Pure; source: assessment.md §6.
    """
    given = {kind: min(number, there.get(kind, 0)) for kind, number in wanted.items()}
    missing = sum(wanted.values()) - sum(given.values())
    while missing and any(there.get(kind, 0) > n for kind, n in given.items()):
        for kind, number in given.items():
            if missing and there.get(kind, 0) > number:
                given[kind] += 1
                missing -= 1
    return given


@retrying
def draw_points(*, period: Period, actor: User, at: datetime | None = None) -> OnsiteDraw:
    """Draw a month's points and who goes there; raises InvalidInput where it was drawn before.

    The heads are those of the last events before the month, so that nobody chooses the seed by
    the moment of the draw. `at` is given for demonstrations only.
    """
    require_office(actor)
    require_begun(period)
    require_provisional(period, at=at)
    if not period.is_month:
        raise InvalidInput(_("Points are drawn for a month."), fields={"period": _("a month")})
    now = at or timezone.now()
    checklist = checklist_of()
    name = f"onsite-{period.name}"
    heads = heads_before(period.start)
    seed = seed_of(heads, name)
    pool, places = _pool_of(checklist, period.start)
    people = _assessors()
    order = {
        body: [_user_name(key) for key in in_order(seed, _keys(body, people))] for body in pool
    }
    if lacking := [body for body in pool if not order[body]]:
        names = [d.short_name for d in District.objects.filter(pk__in=lacking)]
        raise InvalidInput(
            _("No assessor from elsewhere can be sent to %s.") % ", ".join(names),
            fields={"assessors": _("give somebody else the role")},
        )
    words: dict[str, Any] = {
        "name": name,
        "heads": heads,
        "seed": seed,
        "checklist": checklist,
        "pool": pool,
    }
    words |= {"assessors": order, "drawn_by": actor, "drawn_at": now}
    draw, is_new = OnsiteDraw.objects.get_or_create(period=period.name, defaults=words)
    if not is_new:
        raise InvalidInput(
            _("The points of %s were drawn before.") % period.name,
            fields={"period": _("a month is drawn once")},
        )
    OnsitePoint.objects.bulk_create(
        OnsitePoint(
            draw=draw,
            body=body,
            kind=kind,
            cell=cell,
            order=number,
            place=places[cell],
            assessor=people[order[body][(number - 1) % len(order[body])]][0],
            assessor_of=sorted(people[order[body][(number - 1) % len(order[body])]][1]),
        )
        for body in pool
        for number, (kind, cell) in enumerate(cells_in_order(draw, body), start=1)
    )
    return draw


@retrying
def replace_assessor(
    *, period: Period, username: str, reason: str, actor: User
) -> list[OnsiteReplacement]:
    """Hand the points that wait for an assessor on to the next in the order drawn for each body.

    What was answered stays. Next is who follows in that order, round it, and still may go there
    and was not replaced himself. Raises NotAllowed, PeriodClosed, InvalidInput.
    """
    require_office(actor)
    require_provisional(period)
    said = reason.strip()
    if not 0 < len(said) <= TEXT_MAX:
        raise InvalidInput(_("Say why."), fields={"reason": _("1 to %d characters") % TEXT_MAX})
    draw = OnsiteDraw.objects.filter(period=period.name).first()
    drawn = OnsitePoint.objects.filter(draw=draw, assessor__username=username)
    held = list(drawn.select_for_update(of=("self",)))  # nobody answers them meanwhile
    answered = set(OnsiteAnswer.objects.filter(point__in=held).values_list("point_id", flat=True))
    waiting: dict[str, list[OnsitePoint]] = defaultdict(list)
    for point in held:
        if point.pk not in answered:
            waiting[point.body].append(point)
    if draw is None or not waiting:
        raise InvalidInput(
            _("No point waits for this assessor."), fields={"assessor": _("choose another")}
        )
    people, now = _assessors(), timezone.now()
    gone = {username, *draw.replacements.values_list("before__username", flat=True)}
    rows = []
    for body, points in sorted(waiting.items()):
        name = _next_in(draw.assessors[body], username, people, gone, body)
        after, own = people[name]
        rows.append(
            OnsiteReplacement.objects.create(
                draw=draw,
                body=body,
                before=points[0].assessor,
                after=after,
                points=sorted(point.order for point in points),
                reason=said,
                by=actor,
                at=now,
            )
        )
        drawn = OnsitePoint.objects.filter(pk__in=[point.pk for point in points])
        drawn.update(assessor=after, assessor_of=sorted(own))
    return rows


def _next_in(
    order: Sequence[str],
    username: str,
    people: Mapping[str, tuple[User, frozenset[str]]],
    gone: Collection[str],
    body: str,
) -> str:
    """Return who follows somebody in an order, round it, and may go to a body."""
    place = order.index(username)
    for name in (*order[place + 1 :], *order[:place]):
        if name not in gone and name in people and body not in people[name][1]:
            return name
    district = District.objects.get(pk=body).short_name
    raise InvalidInput(
        _("Of those drawn nobody is left who can be sent to %s.") % district,
        fields={"assessor": _("choose another")},
    )


def cells_in_order(draw: OnsiteDraw, body: str) -> list[tuple[str, str]]:
    """Return (kind, cell) of a body's points in their order, out of what a draw has on record."""
    pool: dict[str, list[str]] = draw.pool[body]
    wanted = {kind["code"]: kind["points"] for kind in draw.checklist["kinds"]}
    given = points_by_kind(wanted, {kind: len(cells) for kind, cells in pool.items()})
    return [
        (kind, cell)
        for kind, number in given.items()
        for cell in in_order(draw.seed, pool.get(kind, []))[:number]
    ]


def _keys(body: str, people: Mapping[str, tuple[User, frozenset[str]]]) -> list[str]:
    """Return what stands for each assessor who is not of a body in its order."""
    return [f"{body}/{name}" for name, (_user, own) in people.items() if body not in own]


def _user_name(key: str) -> str:
    return key.partition("/")[2]


def _assessors() -> dict[str, tuple[User, frozenset[str]]]:
    """Return the assessors by user name, each with the districts he has any post or unit in."""
    is_assessor = Q(grant__role=Role.ASSESSOR)
    found = User.objects.filter(is_assessor, is_active=True).distinct().order_by("username")
    own = own_districts([user.pk for user in found])
    return {user.username: (user, frozenset(own[user.pk])) for user in found}


def own_districts(users: Collection[int]) -> dict[int, set[str]]:
    """Return the districts each user has any post, unit or grid cells in."""
    units = dict(Unit.objects.values_list("code", "district"))
    own: dict[int, set[str]] = defaultdict(set)
    for grant in Grant.objects.filter(user__in=users):
        if grant.scope_kind == ScopeKind.DISTRICT:
            own[grant.user_id].add(grant.scope_key)
        elif grant.scope_kind == ScopeKind.UNIT and units.get(grant.scope_key):
            own[grant.user_id].add(str(units[grant.scope_key]))
    with connection.cursor() as cursor:
        cursor.execute(_OF_GRIDS, [list(users)])
        for user, body in cursor.fetchall():
            own[user].add(body)
    return own


# A zone may lie across streets, so each cell is looked at that the leading digits name.
_OF_GRIDS = """
    SELECT DISTINCT held.user_id, place.body
    FROM (SELECT user_id, unnest(grids) AS digits FROM accounts_grant
          WHERE scope_kind = 'grids' AND user_id = ANY (%s)) held
    JOIN cases_area cell ON cell.level = 'cell' AND upper_inf(cell.valid)
      AND starts_with(cell.code, held.digits)
    CROSS JOIN LATERAL (
      SELECT d.district_id AS body FROM cases_area d
      WHERE d.level = 'district' AND upper_inf(d.valid) AND ST_Covers(d.geom, cell.label)
      ORDER BY d.precedence DESC, d.code LIMIT 1) place
"""


# A cell's kind, by the first that fits: in a village or not wholly in a built-up area; with a
# facility, or with what stands along main streets, in the register of components; else back.
_POOL = """
    SELECT place.body, cell.code, ST_X(cell.label), ST_Y(cell.label),
      CASE
        WHEN EXISTS (
            SELECT FROM cases_area community
            WHERE community.level = 'community' AND community.code = cell.parent_code
              AND community.valid @> %(at)s AND community.name_zh LIKE ANY (%(names)s))
          OR NOT EXISTS (
            SELECT FROM cases_area built WHERE built.level = 'builtup' AND built.valid @> %(at)s
              AND ST_Covers(built.geom, cell.geom)) THEN 'fringe'
        WHEN stands.facility THEN 'facility'
        WHEN stands.main THEN 'main'
        ELSE 'back'
      END
    FROM cases_area cell
    CROSS JOIN LATERAL (
      SELECT d.district_id AS body FROM cases_area d
      WHERE d.level = 'district' AND d.valid @> %(at)s AND ST_Covers(d.geom, cell.label)
      ORDER BY d.precedence DESC, d.code LIMIT 1) place
    LEFT JOIN (
      SELECT grid_cell, bool_or(minor_id = ANY (%(facility)s)) AS facility,
             bool_or(minor_id = ANY (%(main)s)) AS main
      FROM cases_component WHERE grid_cell <> '' GROUP BY grid_cell
    ) stands ON stands.grid_cell = cell.code
    WHERE cell.level = 'cell' AND cell.valid @> %(at)s
    ORDER BY place.body, cell.code
"""


def _pool_of(
    checklist: Mapping[str, Any], at: datetime
) -> tuple[dict[str, dict[str, list[str]]], dict[str, Point]]:
    """Return the cells of each body by kind, and a point inside each cell."""
    kinds = {kind["code"]: kind for kind in checklist["kinds"]}
    words = {
        "at": at,
        "names": [f"%{name}" for name in kinds["fringe"]["names"]],
        "facility": kinds["facility"]["components"],
        "main": kinds["main"]["components"],
    }
    pool: dict[str, dict[str, list[str]]] = {}
    places: dict[str, Point] = {}
    with connection.cursor() as cursor:
        cursor.execute(_POOL, words)
        for body, cell, lon, lat, kind in cursor.fetchall():
            pool.setdefault(body, {code: [] for code in kinds})[kind].append(cell)
            places[cell] = Point(lon, lat, srid=4326)
    return pool, places


# --- the answer ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """An item of the checklist as it was found; `photo` as a stored photo notes itself.

    It becomes a case, unless `known_case` names the one the log has of it.
    """

    code: str
    note: str = ""
    photo: Mapping[str, Any] = field(default_factory=dict)
    known_case: str = ""


def points_of(user: User) -> list[OnsitePoint]:
    """Return the points drawn for somebody that wait for an answer, in the order of the draw."""
    waiting = OnsitePoint.objects.filter(assessor=user, answer=None).select_related("draw")
    return list(waiting.order_by("draw__period", "body", "order"))


@retrying
def answer_point(
    *,
    point: OnsitePoint,
    found: Sequence[Found],
    remark: str,
    actor: User,
    at: datetime | None = None,
) -> OnsiteAnswer:
    """Keep what was found at a point, once; each finding becomes a case soon after.

    An effect brings it in, or its photo to the case it names, written with the answer. Raises
    NotAllowed, also for who got a post in the district since the draw, and InvalidInput by field.
    `at` is given for demonstrations only.
    """
    held = OnsitePoint.objects.select_for_update().get(pk=point.pk)  # it may be handed on
    if held.assessor_id != actor.pk or not actor.holds(Role.ASSESSOR):
        raise NotAllowed(_("This point was drawn for somebody else."))
    if point.body in own_districts([actor.pk])[actor.pk]:
        raise NotAllowed(_("You have a post in this district by now, so you do not inspect it."))
    require_provisional(parse_period(point.draw.period), at=at)
    items = {item["code"]: item for item in point.draw.checklist["items"]}
    now = at or timezone.now()
    _require_sound(found, items, remark, point.body, now)
    deducted = sum((Decimal(items[one.code]["points"]) for one in found), Decimal(0))
    words = {"by": actor, "at": now, "deducted": deducted, "remark": remark.strip()}
    words["score"] = max(FULL - deducted, Decimal(0))
    answer, is_new = OnsiteAnswer.objects.get_or_create(point=point, defaults=words)
    if not is_new:
        raise InvalidInput(_("This point was answered before."))
    findings = [
        OnsiteFinding(
            answer=answer,
            code=one.code,
            points=Decimal(items[one.code]["points"]),
            note=one.note.strip(),
            sha256=one.photo.get("sha256", ""),
            key=None if one.known_case else uuid.uuid4(),
            known_case=one.known_case,
        )
        for one in found
    ]
    OnsiteFinding.objects.bulk_create(findings)
    Effect.objects.bulk_create(
        _bring_in(point, items[one.code], one, row, actor)
        for one, row in zip(found, findings, strict=True)
        if row.key is not None or one.photo
    )
    return answer


def _require_sound(
    found: Sequence[Found], items: Mapping[str, Any], remark: str, body: str, now: datetime
) -> None:
    """Raise InvalidInput for items the checklist lacks, one found twice, and cases that are not it.

    A known case is of the district and of the item's class, and was open then. It is not looked up
    in the assessor's sight, who is never of the district.
    """
    fields = {}
    codes = [one.code for one in found]
    known = [one.known_case for one in found if one.known_case]
    is_open = Q(stage__in=sorted(OPEN_STAGES)) | Q(closed_at__gt=now)
    open_then = Case.objects.filter(is_open, number__in=known, district=body, reported_at__lte=now)
    there = dict(open_then.values_list("number", "minor"))
    for one in found:
        if one.code not in items or codes.count(one.code) > 1:
            fields[f"found_{one.code}"] = _("each item of the checklist once")
        category = items.get(one.code, {}).get("category")
        if one.known_case and there.get(one.known_case) != category:
            fields[f"known_{one.code}"] = _("no open case of this district and class")
        if len(one.note.strip()) > NOTE_MAX:
            fields[f"note_{one.code}"] = _("at most %d characters") % NOTE_MAX
    if len(remark.strip()) > TEXT_MAX:
        fields["remark"] = _("at most %d characters") % TEXT_MAX
    if fields:
        raise InvalidInput(_("The answer was not kept."), fields=fields)


def _bring_in(
    point: OnsitePoint, item: Mapping[str, Any], one: Found, row: OnsiteFinding, actor: User
) -> Effect:
    """Return the effect that makes a finding a case: done once, for its key is the case's.

    Of one whose case is known it brings the photo there, which is all that backs the deduction.
    """
    said = [in_language(item["zh"], item["en"]), one.note.strip()]
    payload = {
        "key": str(row.key) if row.key else "",
        "known_case": one.known_case,
        "actor": actor.pk,
        "lon": f"{point.place.x:.7f}",
        "lat": f"{point.place.y:.7f}",
        "category": item["category"],
        "description": ": ".join(word for word in said if word),
        "photos": [dict(one.photo)] if one.photo else [],
    }
    return Effect(
        key=f"finding:{row.key or f'{row.answer_id}:{row.code}'}",
        kind="finding",
        queue=f"dispatch.{point.body}",
        scope=point.body,
        payload=payload,
    )


def cases_of(findings: Iterable[OnsiteFinding]) -> dict[int, str]:
    """Return the number of the case each finding became; those that wait for it are left out."""
    findings = list(findings)
    keys = [one.key for one in findings if one.key]
    made = dict(Case.objects.filter(client_uuid__in=keys).values_list("client_uuid", "number"))
    numbers = {
        one.pk: one.known_case or (made.get(one.key, "") if one.key else "") for one in findings
    }
    return {pk: number for pk, number in numbers.items() if number}


# --- the measure --------------------------------------------------------------------------------


def points_waiting(start: datetime, end: datetime) -> dict[str, tuple[int, int]]:
    """Return of each body in [start, end) how many points drawn wait for an answer, of how many."""
    months = [p.name for p in periods_within(start, end) if p.is_month]
    rows = OnsitePoint.objects.filter(draw__period__in=months).order_by()
    waiting = Count("pk", filter=Q(answer=None))
    counted = rows.values_list("body").annotate(waiting=waiting, of=Count("pk"))
    return {body: (waiting, of) for body, waiting, of in counted if waiting}


def onsite_measures(start: datetime, end: datetime) -> dict[str, Measure]:
    """Return each body's mean over the points answered of the months in [start, end)."""
    months = [p.name for p in periods_within(start, end) if p.is_month]
    rows = OnsiteAnswer.objects.filter(point__draw__period__in=months)
    scores: dict[str, list[Fraction]] = defaultdict(list)
    for body, score in rows.values_list("point__body", "score"):
        scores[body].append(Fraction(score))
    return {
        body: Measure(sum(found, Fraction(0)) / len(found), len(found), len(found))
        for body, found in scores.items()
        if body in DISTRICT_SLUGS
    }
