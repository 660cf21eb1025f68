"""Objections 异议: somebody of a district objects to one number of a closed period, in the open."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, models
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import CITY, DISTRICT_SLUGS, Source
from cases.errors import InvalidInput, NotAllowed, PeriodClosed, StalePeriod
from cases.ledger import retrying
from cases.models import Request
from cityops.accounts.models import User
from scoring.lifecycle import (
    Stand,
    lock_period,
    moment_of_action,
    require_office,
    sides_of,
    stand_of,
    stored_dates,
)
from scoring.models import Objection, ObjectionAdjustment, ObjectionMessage, Run
from scoring.periods import Period, parse_period, periods_within
from scoring.telling import tell_answered, tell_objected
from scoring.words import COUNT_NAMES, REPORT_COUNTS, names_in

TEXT_MAX = 2000
TOTAL = "total"  # objected to as a count is
_STALE = gettext_lazy("The numbers have changed since you looked at them. Look again.")


# --- which numbers there are --------------------------------------------------------------------


def number_names(run: Run, body: str) -> dict[str, str | Promise]:
    """Return what may be objected to of a body: its counts, and of a district items and total."""
    if body in Source.values:
        return dict(REPORT_COUNTS)
    names: dict[str, str | Promise] = dict(COUNT_NAMES)
    if body in DISTRICT_SLUGS:
        names |= names_in(run.scheme.data) | {TOTAL: gettext_lazy("Total")}
    return names


def value_in(run: Run, body: str, count: str) -> str | None:
    """Return one number as a run has it, "–" where it has none; None if it has no such number."""
    if body not in (CITY, *DISTRICT_SLUGS, *Source.values) or count not in number_names(run, body):
        return None
    result = json.loads(run.result)
    if body == CITY or body in Source.values:
        said = result["city"] if body == CITY else result["reports"].get(body, {"counts": {}})
        return str(said["counts"].get(count, 0))
    sheet = next((one for one in result["bodies"] if one["body"] == body), None)
    if sheet is None:
        return None
    if count == TOTAL:
        return sheet["total"] or "–"
    for line in _lines(sheet):
        if line["code"] == count:
            return line.get("points", line.get("score")) or "–"
    return str(sheet["counts"].get(count, 0)) if count in COUNT_NAMES else "–"


def _lines(sheet: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from sheet["items"]
    yield from sheet["parts"]
    for name in ("deductions", "bonuses"):
        yield from sheet[name]["items"]


# --- raising, arguing, answering ----------------------------------------------------------------


def raise_objection(
    *, period: Period, seen_run: int, body: str, count: str, text: str, actor: User
) -> Objection:
    """Object to a number as its reader saw it; until it is answered nothing is published.

    The number may be anybody's, since ranks depend on all. Raises NotAllowed, PeriodClosed unless
    the period is open to objections, InvalidInput, also for a second open one of that district.
    """
    side, said = _side(actor, body), _text(text, "text")
    try:
        return _raise(period, seen_run, (body, count), side, said, actor)
    except IntegrityError as error:  # the run was forgotten in the same moment
        raise StalePeriod(str(_STALE)) from error


@retrying
def _raise(
    period: Period, seen_run: int, number: tuple[str, str], side: str, text: str, actor: User
) -> Objection:
    body, count = number
    lock_period(period)
    now = moment_of_action()
    standing = stand_of(period, at=now)
    if standing.state == Stand.LIVE:
        raise PeriodClosed(_("The numbers still move: objections open once the period is closed."))
    if standing.state != Stand.OBJECTIONS:
        raise PeriodClosed(_("The days of objections are over."))
    runs = Run.objects.filter(period=period.name, as_of__gte=period.end, scheme__level="district")
    seen = runs.select_related("scheme").filter(pk=seen_run).first()
    if seen is None:
        raise StalePeriod(str(_STALE))
    value = value_in(seen, body, count)
    if value is None:
        raise InvalidInput(_("There is no such number."), fields={"count": _("choose another")})
    its = Objection.objects.filter(period=period.name, district=side, body=body, count=count)
    if its.filter(state=Objection.State.OPEN).exists():
        raise InvalidInput(
            _("Your side has an open objection to this number already."),
            fields={"text": _("write in its thread")},
        )
    raised = Objection.objects.create(
        period=stored_dates(period),
        run=seen,
        body=body,
        count=count,
        value=value,
        district=side,
        text=text,
        raised_by=actor,
        raised_at=now,
    )
    tell_objected(raised)
    return raised


@retrying
def say(*, objection: int, text: str, actor: User) -> ObjectionMessage:
    """Add a message to the thread of an open objection, for its district or for the office.

    Raises NotAllowed, StalePeriod once it is answered, InvalidInput.
    """
    found = _locked(objection)
    side = speaks_for(actor, found)
    if side is None:
        raise NotAllowed(_("Its district and the office write in this thread."))
    said = _text(text, "text")
    return ObjectionMessage.objects.create(
        objection=found, district=side, text=said, by=actor, at=moment_of_action()
    )


@retrying
def answer_objection(*, objection: int, upheld: bool, answer: str, actor: User) -> Objection:
    """Uphold or reject an objection with a reason, for all to read; another than who raised it.

    What follows from upholding it, an adjustment or a new count, shows in the numbers. Raises
    NotAllowed, StalePeriod, InvalidInput.
    """
    require_office(actor)
    said = _text(answer, "answer")
    found = _locked(objection)
    if found.raised_by_id == actor.pk:
        raise NotAllowed(_("Who raised an objection does not answer it."))
    found.state = Objection.State.UPHELD if upheld else Objection.State.REJECTED
    found.answer, found.answered_by, found.answered_at = said, actor, moment_of_action()
    found.save(update_fields=["state", "answer", "answered_by", "answered_at"])
    tell_answered(found)
    return found


@retrying
def withdraw_objection(*, objection: int, actor: User) -> Objection:
    """Take an objection back, by its own side. Raises NotAllowed, StalePeriod."""
    found = _locked(objection)
    if found.district not in sides_of(actor):
        raise NotAllowed(_("Its own district takes an objection back."))
    found.state = Objection.State.WITHDRAWN
    found.answered_by, found.answered_at = actor, moment_of_action()
    found.save(update_fields=["state", "answered_by", "answered_at"])
    return found


@retrying
def link_adjustment(*, objection: int, request: int, actor: User) -> ObjectionAdjustment:
    """Say that an adjustment of a case answers an objection, until its period is submitted.

    Raises NotAllowed, StalePeriod, InvalidInput.
    """
    require_office(actor)
    found = Objection.objects.get(pk=objection)
    period = parse_period(found.period_id)
    lock_period(period)
    now = moment_of_action()
    standing = stand_of(period, at=now)
    if standing.pending or standing.published:
        raise StalePeriod(_("The period was submitted or published meanwhile."))
    asked = adjustments_of(period).filter(pk=request).first()
    if asked is None or ObjectionAdjustment.objects.filter(request=asked).exists():
        raise InvalidInput(
            _("Choose an adjustment of this period that answers no objection yet."),
            fields={"request": _("choose another")},
        )
    return ObjectionAdjustment.objects.create(objection=found, request=asked, by=actor, at=now)


# --- reading ------------------------------------------------------------------------------------


def adjustments_of(period: Period) -> models.QuerySet[Request]:
    """Return the adjustments of cases that were proposed for a period or one within it."""
    names = [one.name for one in periods_within(period.start, period.end)]
    return Request.objects.filter(kind=Request.Kind.ADJUST, period__in=names)


def speaks_for(user: User, objection: Objection) -> str | None:
    """Return the side a user speaks for in a thread: its district, the office, or none."""
    sides = sides_of(user)
    return next((side for side in (objection.district, CITY) if side in sides), None)


def _side(actor: User, body: str) -> str:
    sides = sides_of(actor)
    if not sides:
        raise NotAllowed(_("Leaders, supervisors and assessors object, of a district or the city."))
    return body if body in sides else sides[0]


def _locked(pk: int) -> Objection:
    """Lock the period of an objection and return it; raises StalePeriod once it is answered."""
    lock_period(parse_period(Objection.objects.get(pk=pk).period_id))
    found = Objection.objects.get(pk=pk)
    if not found.is_open:
        raise StalePeriod(
            _("This objection is decided: %(state)s.") % {"state": found.get_state_display()}
        )
    return found


def _text(text: str, name: str) -> str:
    said = text.strip()
    if not 0 < len(said) <= TEXT_MAX:
        raise InvalidInput(
            _("Say what is wrong."), fields={name: _("1 to %d characters") % TEXT_MAX}
        )
    return said
