"""Closing a period and publishing it: what the office does, each step by one, the last by two."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from cases.errors import InvalidInput, NotAllowed, PeriodClosed, StalePeriod, StillDisputed
from cases.ledger import retrying
from cityops.accounts.models import User
from scoring.bulletin_texts import template_of
from scoring.changes import decided_since, rulings_since
from scoring.history import kept_runs
from scoring.lifecycle import (
    DAYS_MAX,
    Stand,
    Standing,
    days_after,
    lock_period,
    midnight,
    moment_of_action,
    require_office,
    stand_of,
    stored_dates,
)
from scoring.models import Edition, Run, ScoredPeriod
from scoring.periods import CITY_TIME, Period, earlier
from scoring.selectors import log_span
from scoring.services import NotBegun, compute_run, is_as_read, recompute
from scoring.telling import tell_closed, tell_published, tell_returned, tell_submitted
from scoring.versions import UnknownScheme

REASON_MAX = 400
_STALE = gettext_lazy("The numbers have changed since you looked at them. Look again.")


class NotTheSame(StalePeriod):
    """The log gives another result than the run that was submitted has."""

    code = "not_the_same"


# --- dates and closing --------------------------------------------------------------------------


@retrying
def set_dates(*, period: Period, closes_on: date, days: int, actor: User) -> ScoredPeriod:
    """Set the day on which a provisional period closes by itself, and the days of objections.

    Raises NotAllowed, StalePeriod when it is closed already, InvalidInput.
    """
    now = _begin(period, actor, Stand.LIVE)
    _require_days(days)
    closes_at, last = midnight(closes_on), period.end.date() + timedelta(days=DAYS_MAX)
    if closes_at < period.end or closes_at <= now or closes_on > last:
        raise InvalidInput(
            _("A period closes after its end, on a day still to come."),
            fields={"closes_on": _("a later day, until %s") % last},
        )
    dates = stored_dates(period)
    dates.closes_at, dates.window_until = closes_at, days_after(closes_at, days)
    dates.dated_by = actor
    dates.save()
    return dates


@retrying
def close_period(*, period: Period, days: int, actor: User) -> ScoredPeriod:
    """Close a period that has ended; from now on it is open to objections, for so many whole days.

    Raises NotAllowed, StalePeriod when it is closed already, InvalidInput.
    """
    now = _begin(period, actor, Stand.LIVE)
    _require_days(days)
    if now < period.end:
        raise InvalidInput(
            _("This period has not ended yet."), fields={"period": _("wait for its end")}
        )
    dates = stored_dates(period)
    dates.closes_at, dates.window_until = now, days_after(now, days)
    dates.closed_by = dates.dated_by = actor
    dates.save()
    tell_closed(dates, actor=actor)
    return dates


@retrying
def extend_window(*, period: Period, until: date, actor: User) -> ScoredPeriod:
    """Let a closed period be objected to until the end of a later day; it never gets less.

    Raises NotAllowed, StalePeriod, InvalidInput.
    """
    now = _begin(period, actor, Stand.OBJECTIONS, Stand.CLOSED)
    dates = stored_dates(period)
    last = now.astimezone(CITY_TIME).date() + timedelta(days=DAYS_MAX - 1)
    if until > last or days_after(midnight(until), 1) <= max(now, dates.window_until):
        raise InvalidInput(
            _("The days of objections only grow."),
            fields={"until": _("a later day, at most %d days from now") % DAYS_MAX},
        )
    dates.window_until, dates.dated_by = days_after(midnight(until), 1), actor
    dates.save()
    return dates


def _begin(period: Period, actor: User, *states: Stand) -> datetime:
    """Take the lock of a period and return the moment; it must be the office's and in a state."""
    require_office(actor)
    lock_period(period)
    now = moment_of_action()
    _require_state(stand_of(period, at=now), *states)
    return now


def _require_state(standing: Standing, *states: Stand) -> None:
    if standing.state not in states:
        raise StalePeriod(
            _("%(period)s has come further since you looked: it is %(state)s.")
            % {"period": standing.period.name, "state": standing.state.label}
        )


def _require_days(days: int) -> None:
    least = min(settings.SCORE_OBJECTION_DAYS, DAYS_MAX)
    if not least <= days <= DAYS_MAX:
        raise InvalidInput(
            _("The days of objections are not fewer than the city's."),
            fields={"days": _("%(least)d to %(most)d days") % {"least": least, "most": DAYS_MAX}},
        )


# --- publishing ---------------------------------------------------------------------------------


def submit_run(*, period: Period, seen_run: int, reason: str, actor: User) -> Edition:
    """Submit 送审 the very run its reader saw, so that another may approve it.

    Of a published period this is a re-issue, and says why. It is refused when the log gives
    another result by now. Raises NotAllowed, StalePeriod, StillDisputed, PeriodClosed while may
    be objected, InvalidInput; must not be called inside a transaction.
    """
    require_office(actor)
    run = compute_run(period)
    seen = Run.objects.filter(pk=seen_run, period=period.name, scheme=run.scheme).first()
    if seen is None or seen.seal != run.seal:
        raise StalePeriod(str(_STALE))
    compared = _compared(period)
    try:
        return _submit(
            period=period, run=run, compared=compared, reason=reason.strip(), actor=actor
        )
    except IntegrityError as error:  # the run was forgotten in the same moment
        raise StalePeriod(str(_STALE)) from error


def _compared(period: Period) -> str:
    """Return the result that a bulletin compares a period with: of the one before, as it stands.

    Empty where there is none. It is kept with the edition, for what stands there may change.
    """
    span, before = log_span(), earlier(period, 1)
    kept = kept_runs(before, "district")
    if before and not kept and span and span[0] < before[0].end:
        try:
            return compute_run(before[0]).result
        except (UnknownScheme, NotBegun):
            return ""
    return "".join(run.result for run in kept.values())


@retrying
def _submit(*, period: Period, run: Run, compared: str, reason: str, actor: User) -> Edition:
    lock_period(period, within=True)
    now = moment_of_action()
    standing = stand_of(period, at=now)
    if standing.pending:
        raise StalePeriod(_("A run waits for approval already."))
    _require_window_over(standing)
    _require_past_inside(standing)
    _require_settled(standing)
    if standing.published:
        if not 0 < len(reason) <= REASON_MAX:
            raise InvalidInput(
                _("A re-issue says why."), fields={"reason": _("1 to %d characters") % REASON_MAX}
            )
        if standing.published.run.seal == run.seal:
            raise InvalidInput(
                _("Nothing would change."), fields={"reason": _("there is nothing to re-issue")}
            )
    if not is_as_read(run) or rulings_since(run, period):
        raise StalePeriod(str(_STALE))
    edition = Edition.objects.create(
        period=stored_dates(period),
        number=standing.edition + 1,
        run=run,
        reason=reason if standing.published else "",
        compared=compared,
        template=template_of(None),
        submitted_by=actor,
        submitted_at=now,
    )
    tell_submitted(edition)
    return edition


@retrying
def return_edition(*, period: Period, edition: int, reason: str, actor: User) -> Edition:
    """Send a submitted run back, or take one's own back, with a reason; it stays on record.

    Raises NotAllowed, StalePeriod, InvalidInput.
    """
    require_office(actor)
    said = reason.strip()
    if not 0 < len(said) <= REASON_MAX:
        raise InvalidInput(_("Say why."), fields={"reason": _("1 to %d characters") % REASON_MAX})
    lock_period(period)
    pending = _pending(period, edition)
    pending.returned_by, pending.returned_at = actor, moment_of_action()
    pending.returned_reason = said
    pending.save(update_fields=["returned_by", "returned_at", "returned_reason"])
    tell_returned(pending)
    return pending


def approve_edition(*, period: Period, edition: int, seen_seal: str, actor: User) -> Edition:
    """Publish 核定 the very submission another made, by its row, after computing its run anew.

    Raises NotAllowed (also for who submitted it), StalePeriod (also when a ruling that acts in the
    period came since, or something it reads was entered), PeriodClosed, StillDisputed, and
    NotTheSame when the log does not give the sealed bytes.
    """
    require_office(actor)
    pending = _pending(period, edition)
    if pending.run.seal != seen_seal:
        raise StalePeriod(_("Another run waits for approval than the one you looked at."))
    if pending.submitted_by_id == actor.pk:
        raise NotAllowed(_("A second assessor approves: you submitted this run."))
    if recompute(pending.run) != pending.run.result:
        raise NotTheSame(_("The log no longer gives the result that was sealed. Send it back."))
    return _approve(period=period, pk=pending.pk, actor=actor)


@retrying
def _approve(*, period: Period, pk: int, actor: User) -> Edition:
    lock_period(period, within=True)
    now = moment_of_action()
    standing = stand_of(period, at=now)
    edition = standing.pending
    if edition is None or edition.pk != pk:
        raise StalePeriod(_("This run waits for approval no more."))
    _require_past_inside(standing)
    _require_settled(standing)
    if not is_as_read(edition.run):
        raise StalePeriod(
            _("Points, answers or reference data changed after this run was read: send it back.")
        )
    if decided_since(edition.run, period):
        raise StalePeriod(
            _("Rulings that act in this period came after this run was read: send it back.")
        )
    edition.approved_by, edition.approved_at = actor, now
    edition.save(update_fields=["approved_by", "approved_at"])
    tell_published(edition)
    return edition


def _pending(period: Period, pk: int) -> Edition:
    """Return the very submission its reader saw: numbers are used again after one is sent back."""
    waiting = Edition.objects.filter(returned_at=None, approved_at=None)
    edition = waiting.select_related("run__scheme").filter(period=period.name, pk=pk).first()
    if edition is None:
        raise StalePeriod(_("This run waits for approval no more."))
    return edition


def _require_window_over(standing: Standing) -> None:
    if standing.state == Stand.LIVE:
        raise PeriodClosed(_("This period is not closed yet."))
    if standing.state == Stand.OBJECTIONS:
        raise PeriodClosed(_("This period is still open to objections."))


def _require_past_inside(standing: Standing) -> None:
    if standing.open_inside:
        raise PeriodClosed(
            _("Periods within this one are not past their days of objections: %s.")
            % pgettext("list", ", ").join(standing.open_inside)
        )


def _require_settled(standing: Standing) -> None:
    if standing.is_blocked:
        raise StillDisputed(
            _(
                "Still to be decided: objections %(objections)d, appeals %(appeals)d, "
                "adjustments %(adjustments)d."
            )
            % {
                "objections": standing.open_objections,
                "appeals": standing.open_appeals,
                "adjustments": standing.open_adjustments,
            }
        )
