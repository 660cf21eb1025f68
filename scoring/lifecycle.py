"""The life of a period: provisional, closed, open to objections, submitted, published, re-issued.

Nothing turns a period over but the clock and two people: where it stands follows from its dates,
its editions and the moment (docs/periods.md). Who acts on a period holds its lock, who enters
something into it shares that lock, so of two that cannot both be right one comes after the other.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import CITY, DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed, PeriodClosed
from cases.models import District, Request
from cityops.accounts.models import User
from cityops.accounts.roles import Role, ScopeKind
from scoring.changes import decided_since, rulings_since, totals_moved
from scoring.models import Edition, Objection, Run, ScoredPeriod
from scoring.periods import CITY_TIME, Period, periods_within
from scoring.versions import may_edit

DAYS_MAX = 60  # of a window, and until a period closes
TEXT_MAX = 400  # of a reason, of evidence
_PERIOD_LOCK = 743_003  # with the period's name: held by who acts on it, shared by who enters
READERS = frozenset(
    {
        Role.LEADER,
        Role.ASSESSOR,
        Role.SUPERVISOR,
        Role.DISPATCHER,
        Role.ACCEPTOR,
        Role.DUTY_CHIEF,
        Role.ADMIN,
    }
)
_OBJECTORS = frozenset({Role.LEADER, Role.SUPERVISOR, Role.ASSESSOR})


class Stand(models.TextChoices):
    """How far a period has come."""

    LIVE = "live", gettext_lazy("provisional")
    OBJECTIONS = "objections", gettext_lazy("open to objections")
    CLOSED = "closed", gettext_lazy("closed")
    SUBMITTED = "submitted", gettext_lazy("submitted for approval")
    PUBLISHED = "published", gettext_lazy("approved")


@dataclass(frozen=True)
class Standing:
    """Where a period stands at a moment, and what its reader may do about it."""

    period: Period
    at: datetime
    state: Stand
    closes_at: datetime  # when it closes by itself, or was closed
    window_until: datetime
    closed_by: str  # empty: it closed by itself, or has not
    published: Edition | None  # the newest that was approved
    pending: Edition | None  # the one that waits for approval
    open_objections: int
    open_appeals: int
    open_adjustments: int
    may_act: bool = False  # its reader is an assessor of the whole city
    may_approve: bool = False  # and another than the one who submitted
    may_object: bool = False  # somebody of a district or the office, while the window is open

    @property
    def edition(self) -> int:
        """The number of the edition in force; 0 before the first."""
        return self.published.number if self.published else 0

    @property
    def run(self) -> Run | None:
        """The sealed run: of the edition in force, else of the one submitted."""
        sealed = self.published or self.pending
        return sealed.run if sealed else None

    @property
    def closed_at(self) -> datetime | None:
        """When it was closed; None while it is provisional."""
        return None if self.state == Stand.LIVE else self.closes_at

    @property
    def published_at(self) -> datetime | None:
        """When the edition in force was approved."""
        return self.published.approved_at if self.published else None

    @property
    def published_by(self) -> tuple[str, str] | None:
        """Who submitted the edition in force, and who approved it."""
        one = self.published
        return (one.submitted_by.name, one.approved_by.name) if one and one.approved_by else None

    @cached_property
    def rulings_since(self) -> int:
        """How many rulings on its cases came after the edition in force was read."""
        return rulings_since(self.published.run, self.period) if self.published else 0

    @cached_property
    def decided_since(self) -> int:
        """How many rulings that act in the period came since the waiting run was read."""
        return decided_since(self.pending.run, self.period) if self.pending else 0

    @cached_property
    def would_change(self) -> list[dict[str, Any]]:
        """Ranks and totals that the newest stored run has otherwise than the edition in force."""
        if self.published is None or not self.rulings_since:
            return []
        sealed = self.published.run
        runs = Run.objects.filter(period=self.period.name, scheme=sealed.scheme_id)
        newest = runs.filter(as_of__gt=sealed.as_of).order_by("-as_of", "-pk").first()
        if newest is None or newest.seal == sealed.seal:
            return []
        names = {one.slug: one.short_name for one in District.objects.all()}
        return [{**row, "name": names[row["body"]]} for row in totals_moved(sealed, newest)]

    @cached_property
    def open_inside(self) -> list[str]:
        """The shorter periods within it that may still be objected to: it waits for their end."""
        return open_inside(self.period, at=self.at)

    @property
    def is_over(self) -> bool:
        """Whether the period itself has ended, closed or not."""
        return self.at >= self.period.end

    @property
    def is_blocked(self) -> bool:
        """Whether something must be decided before anything is published."""
        return bool(self.open_objections or self.open_appeals or self.open_adjustments)

    @property
    def action(self) -> str:
        """The one thing its reader may do now: close, submit, approve, reissue, or nothing."""
        if not self.may_act:
            return ""
        if self.pending:
            return "approve" if self.may_approve else ""
        if self.state == Stand.LIVE:
            return "close" if self.is_over else ""
        if self.state == Stand.CLOSED:
            return "submit"
        return "reissue" if self.state == Stand.PUBLISHED else ""


# --- reading ------------------------------------------------------------------------------------


def stand_of(period: Period, *, reader: User | None = None, at: datetime | None = None) -> Standing:
    """Return where a period of the joint assessment stands, and what `reader` may do about it."""
    now = at or timezone.now()
    dates = ScoredPeriod.objects.select_related("closed_by").filter(pk=period.name).first()
    dates = dates or default_dates(period)
    editions = Edition.objects.filter(period=period.name, returned_at=None)
    editions = editions.select_related("run__scheme", "submitted_by", "approved_by")
    published: Edition | None = None
    pending: Edition | None = None
    for edition in editions.order_by("number"):
        if edition.is_published:
            published = edition
        else:
            pending = edition
    may_act = reader is not None and may_edit(reader)
    submitter = pending.submitted_by if pending else reader
    state = _state(dates, published, pending, now)
    return Standing(
        period=period,
        at=now,
        state=state,
        closes_at=dates.closes_at,
        window_until=dates.window_until,
        closed_by=dates.closed_by.name if dates.closed_by and state != Stand.LIVE else "",
        published=published,
        pending=pending,
        **_open_matters(period, dates.window_until),
        may_act=may_act,
        may_approve=may_act and submitter != reader,
        may_object=state == Stand.OBJECTIONS and reader is not None and bool(sides_of(reader)),
    )


def edition_of(run: Run) -> Edition | None:
    """Return the edition a run is: in force, replaced since, or waiting; None of any other run."""
    return run.editions.filter(returned_at=None).first()


def _state(
    dates: ScoredPeriod, published: Edition | None, pending: Edition | None, now: datetime
) -> Stand:
    if published:
        return Stand.PUBLISHED
    if pending:
        return Stand.SUBMITTED
    if now < dates.closes_at:
        return Stand.LIVE
    return Stand.OBJECTIONS if now < dates.window_until else Stand.CLOSED


def _open_matters(period: Period, window_until: datetime) -> dict[str, int]:
    """Return how much is undecided that may change the period, or one that lies within it."""
    names = [one.name for one in periods_within(period.start, period.end)]
    asked = Request.objects.filter(state__in=Request.OPEN)
    adjustments = asked.filter(kind=Request.Kind.ADJUST, period__in=names)
    objections = Objection.objects.filter(period__in=names, state=Objection.State.OPEN)
    return {
        "open_objections": objections.count(),
        "open_appeals": appeals_of(period, window_until).count(),
        "open_adjustments": adjustments.count(),
    }


def appeals_of(period: Period, window_until: datetime) -> models.QuerySet[Request]:
    """Return the open appeals that touch a period: those of cases that were closed in it.

    Asked before its days of objections ended: a later one holds nothing back, and what it brings
    waits for a re-issue. A case reopened since has another closing, and what is decided then is of
    that cycle.
    """
    return Request.objects.filter(
        kind=Request.Kind.APPEAL,
        state__in=Request.OPEN,
        asked_at__lt=window_until,
        case__closed_at__gte=period.start,
        case__closed_at__lt=period.end,
    )


def default_dates(period: Period) -> ScoredPeriod:
    """Return the dates of a period nobody set any for, not stored: the city's settings."""
    closes_at = period.end + timedelta(days=settings.SCORE_CLOSES_AFTER_DAYS)
    return ScoredPeriod(
        name=period.name,
        ends_at=period.end,
        closes_at=closes_at,
        window_until=days_after(closes_at, settings.SCORE_OBJECTION_DAYS),
    )


def days_after(moment: datetime, days: int) -> datetime:
    """Return the midnight that ends the last of so many days, the first the one after a moment's.

    From a midnight on they are whole days.
    """
    local = moment.astimezone(CITY_TIME)
    begun = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return begun + timedelta(days=days if local == begun else days + 1)


def midnight(day: date) -> datetime:
    """Return when a day begins in the city."""
    return datetime(day.year, day.month, day.day, tzinfo=CITY_TIME)


def may_read(user: User) -> bool:
    """Tell whether a user may see scores: posts of the centres and leaders, city or district."""
    return user.is_active and any(
        grant.role in READERS and grant.scope_kind in (ScopeKind.CITY, ScopeKind.DISTRICT)
        for grant in user.grants
    )


def sides_of(user: User) -> list[str]:
    """Return whom a user may speak for in objections: districts, `city` first for the office."""
    if not user.is_active:
        return []
    grants = [grant for grant in user.grants if grant.role in _OBJECTORS]
    if any(grant.scope_kind == ScopeKind.CITY for grant in grants):
        return [CITY]
    held = {grant.scope_key for grant in grants if grant.scope_kind == ScopeKind.DISTRICT}
    return [slug for slug in DISTRICT_SLUGS if slug in held]


# --- what every change of a period begins with --------------------------------------------------


def require_open(period: Period, *, actor: User | None = None, at: datetime | None = None) -> None:
    """Let something be entered into a period, until the transaction ends; raises PeriodClosed.

    While it is provisional anybody may whose input it is, while it is open to objections the
    office alone, then nobody: no number moves that nobody may object to. Needs a transaction: until
    that ends nobody submits or closes the period. `at` is given for demonstrations only.
    """
    standing = require_unsubmitted(period, at=at)
    if standing.state == Stand.CLOSED:
        raise PeriodClosed(
            _(
                "The days of objections to %(period)s are over: nothing enters it, unless the "
                "office lets it be objected to for longer."
            )
            % {"period": period.name}
        )
    if standing.state != Stand.LIVE and not (actor is not None and may_edit(actor)):
        raise PeriodClosed(
            _("%(period)s is closed: only the assessors of the whole city enter anything now.")
            % {"period": period.name}
        )


def require_provisional(period: Period, *, at: datetime | None = None) -> None:
    """Let something be measured that is of the period itself, as `require_open`: not once closed.

    What is found on the streets of another month is not of this one, whoever finds it.
    """
    if require_unsubmitted(period, at=at).state != Stand.LIVE:
        raise PeriodClosed(
            _("%(period)s is closed: nothing is drawn or inspected for it any more.")
            % {"period": period.name}
        )


def require_unsubmitted(period: Period, *, at: datetime | None = None) -> Standing:
    """Return where a period stands, until the transaction ends; raises PeriodClosed if submitted.

    For what moves no number, such as the words of the bulletin, this is enough.
    """
    lock_period(period, shared=True)
    standing = stand_of(period, at=at or moment_of_action())
    if standing.pending or standing.published:
        raise PeriodClosed(
            _("%(period)s was submitted for approval or is published: nothing enters it any more.")
            % {"period": period.name}
        )
    return standing


def moment_of_action() -> datetime:
    """Return the database's clock, the one by which all machines act."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def require_begun(period: Period) -> None:
    """Raise InvalidInput for a period to come."""
    if timezone.now() < period.start:
        sentence = _("%s has not begun.") % period.name
        raise InvalidInput(sentence, fields={"period": _("choose one that has begun")})


def require_office(actor: User) -> None:
    """Raise NotAllowed unless an assessor of the whole city acts."""
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city does this."))


def lock_period(period: Period, *, shared: bool = False, within: bool = False) -> None:
    """Let who acts on a period come one after another, until the transaction ends.

    With `within`, nothing is done meanwhile about the shorter periods that lie in it, nor entered
    into whatever its run reads. Longer ones are locked first, so that no two wait for each other.
    """
    how = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    read = periods_within(period.wide_start, period.end) if within else [period]
    locked = [one for one in read if one.months <= period.months]
    with connection.cursor() as cursor:
        for one in sorted(locked, key=lambda one: (-one.months, one.name)):
            cursor.execute(f"SELECT {how}(%s, hashtext(%s))", [_PERIOD_LOCK, one.name])


def periods_inside(period: Period) -> list[Period]:
    """Return the shorter periods that lie in one."""
    return [one for one in periods_within(period.start, period.end) if one != period]


def open_inside(period: Period, *, at: datetime) -> list[str]:
    """Return the shorter periods within one that are not past their days of objections."""
    inner = {one.name: one for one in periods_inside(period)}
    stored = ScoredPeriod.objects.in_bulk(list(inner))
    dates = [stored.get(name) or default_dates(one) for name, one in inner.items()]
    return sorted(one.name for one in dates if at < one.window_until)


def stored_dates(period: Period) -> ScoredPeriod:
    """Return the row of a period whose lock is held, made with the default dates if need be."""
    found = ScoredPeriod.objects.filter(pk=period.name).first()
    if found is None:
        found = default_dates(period)
        found.save(force_insert=True)
    return found
