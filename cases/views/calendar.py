"""The working calendar under /admin/: edit a year, see what it changes, publish a new version."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.clock import Calendar, SpecialDay
from cases.errors import CalendarMissing, StaleCalendar
from cases.forms import CalendarYearForm, StretchesOfAYear, StretchFormSet
from cases.models import WorkCalendar
from cases.models.area import in_language
from cases.selectors.calendars import (
    ChangedDay,
    changed_days,
    current_version,
    editable_years,
    load_calendar,
    stretches,
    with_year,
)
from cases.selectors.deadline_moves import Moves, moves_under
from cases.services.calendars import publish_calendar
from cases.services.known_holidays import known_year
from cases.services.recompute import ask_recompute, recomputations, waiting_for
from cityops.accounts.models import User

Page = dict[str, Any]
RUNS_SHOWN = 5
_LONGEST_NUMBER = 9


@dataclass(frozen=True)
class Preview:
    """What publishing would change."""

    days: list[tuple[ChangedDay, str, str]]  # with the words of before and after
    moves: Moves | None  # None where the calendar is too short for a deadline
    largest: list[tuple[str, Any, Any, str]]  # number, old, new, by how much
    digest: str  # of what was looked at: only that is published


@dataclass
class Edit:
    """A year as an administrator is telling it anew."""

    year: int
    version: int  # the current one, which everything is compared with
    calendar: Calendar
    form: CalendarYearForm
    days: StretchesOfAYear

    def content(self) -> Calendar:
        """Return the calendar that would be published."""
        is_provisional = self.form.cleaned_data["is_provisional"]
        return with_year(self.calendar, self.year, self.days.days(), is_provisional=is_provisional)


def edit_calendar(request: HttpRequest, user: User, page: Page) -> HttpResponse:
    """Show the years; the form of one; what it changes; and publish what was looked at.

    `page` is the context of the admin site. Nothing is kept between the steps but the form.
    """
    version = current_version()
    calendar = load_calendar(version)
    year = _number(request.POST.get("year") or request.GET.get("year"))
    if year not in editable_years(calendar):
        years = [(year, _state(calendar, year)) for year in editable_years(calendar)]
        context = {**page, "years": years, "title": _("Working calendar")}
        return render(request, "cases/calendar/years.html", context)
    if request.method != "POST":
        return _show(request, page, _begin(request, year, version, calendar))
    form, days = CalendarYearForm(request.POST), StretchFormSet(request.POST, year=year)
    edit = Edit(year, version, calendar, form, days)
    if not (form.is_valid() and days.is_valid()):
        return _show(request, page, edit, status=422)
    preview = _preview(edit)
    if "publish" not in request.POST:
        return _show(request, page, edit, preview)
    return _publish(request, user, page, edit, preview)


def _number(text: str | None) -> int:
    """Return a small number typed or linked, 0 for anything else."""
    is_one = text and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if text and is_one else 0


def _state(calendar: Calendar, year: int) -> str:
    if year > calendar.last.year:
        return _("not covered yet")
    return _("not announced yet") if year in calendar.provisional_years else _("known")


def _begin(request: HttpRequest, year: int, version: int, calendar: Calendar) -> Edit:
    """Begin with the year as it stands, or as the `holidays` package knows it."""
    special = tuple(one for one in calendar.special if one.day.year == year)
    is_provisional = year in calendar.provisional_years or year > calendar.last.year
    if request.GET.get("from") == "holidays":
        known = known_year(year)
        special, is_provisional = known.days, not known.is_announced
        if not known.is_announced:
            messages.warning(
                request,
                _(
                    "No make-up workdays of %(year)s are known: these are the statutory days by "
                    "computation, not the announcement of the State Council."
                )
                % {"year": year},
            )
    form = CalendarYearForm(initial={"is_provisional": is_provisional})
    return Edit(year, version, calendar, form, _lines(special, year))


def _lines(special: Iterable[SpecialDay], year: int) -> StretchesOfAYear:
    """Return the form of these days: a line a stretch, in order, and some empty ones."""
    told = [
        {
            "first": one.first,
            "last": one.last,
            "kind": "makeup" if one.is_workday else "holiday",
            "name_zh": one.name_zh,
            "name_en": one.name_en,
        }
        for one in stretches(special)
    ]
    return StretchFormSet(initial=told, year=year)


def _show(
    request: HttpRequest,
    page: Page,
    edit: Edit,
    preview: Preview | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    if preview is not None:
        edit = replace(edit, days=_lines(edit.days.days(), edit.year))
    context = {**page, "edit": edit, "preview": preview, "title": _("Working calendar")}
    return render(request, "cases/calendar/edit.html", context, status=status)


def _publish(
    request: HttpRequest, user: User, page: Page, edit: Edit, preview: Preview
) -> HttpResponse:
    """Publish what was looked at; else show it, with the reason."""
    seen_version = _number(request.POST.get("seen_version"))
    if not edit.form.cleaned_data["note"]:
        edit.form.add_error("note", _("Say why: it stands beside the version for good."))
        return _show(request, page, edit, preview, status=422)
    if request.POST.get("previewed") != preview.digest:
        edit.form.add_error(None, _("The days changed since the preview. Look at it again."))
        return _show(request, page, edit, preview, status=409)
    try:
        version = publish_calendar(
            edit.content(),
            note=edit.form.cleaned_data["note"],
            actor=user,
            seen_version=seen_version,
        )
    except StaleCalendar:
        words = _("Another version was published meanwhile. This is compared with it now.")
        edit.form.add_error(None, words)
        return _show(request, page, edit, preview, status=409)
    if version == seen_version:
        messages.info(request, _("Nothing differs: no version was published."))
    else:
        messages.success(request, _("Version %(version)s is published.") % {"version": version})
    return redirect("admin:cases_workcalendar_change", version)


# --- a version ----------------------------------------------------------------------------------


def version_context(version: int) -> Page:
    """Return what the page of a version shows beside its days."""
    if version != current_version():
        return {"is_current": False}
    return {
        "is_current": True,
        "version": version,
        "waiting": waiting_for(version).count(),
        "runs": [
            (run, _outcome_words(run.outcome)) for run in recomputations(version)[:RUNS_SHOWN]
        ],
    }


def _outcome_words(outcome: str) -> str:
    """Return what a worker noted, in the reader's language."""
    words = {
        "moved": _("deadlines moved"),
        "kept": _("deadlines unchanged"),
        "not explained": _("left alone, as the log does not explain them"),
        "busy": _("busy, to be tried again"),
        "timed already": _("timed already"),
    }
    parts = (part.partition(" ") for part in outcome.split(", "))
    told = (f"{count} {words.get(what, what)}" for count, _space, what in parts)
    return " · ".join(told).strip()


def recompute(request: HttpRequest, user: User, version: int) -> HttpResponse:
    """Have the deadlines of open cases recomputed with a version."""
    if not WorkCalendar.objects.filter(version=version).exists():
        raise Http404
    ask_recompute(version, actor=user)
    messages.success(request, _("The recomputation is under way."))
    return redirect("admin:cases_workcalendar_change", version)


# --- what would change --------------------------------------------------------------------------


def _preview(edit: Edit) -> Preview:
    content = edit.content()
    try:
        moves = moves_under(content, at=timezone.now())
    except CalendarMissing:
        moves = None
    rows = [
        (
            one,
            _day_words(one.before, is_workday=one.was_workday),
            _day_words(one.after, is_workday=one.is_workday),
        )
        for one in changed_days(edit.calendar, content)
    ]
    largest = moves.largest if moves else []
    told = repr((content.special, sorted(content.provisional_years), content.last))
    return Preview(
        rows,
        moves,
        [(one.number, one.old, one.new, _by_words(one.by)) for one in largest],
        hashlib.sha256(told.encode()).hexdigest(),
    )


def _day_words(special: SpecialDay | None, *, is_workday: bool) -> str:
    if special is None:
        return _("workday") if is_workday else _("weekend")
    kind = _("make-up workday") if is_workday else _("holiday")
    return f"{kind} · {in_language(special.name_zh, special.name_en)}"


def _by_words(by: timedelta) -> str:
    """Return a move on the wall clock in days, hours and minutes."""
    minutes = round(abs(by) / timedelta(minutes=1))
    days, rest = divmod(minutes, 1440)
    words = {"days": days, "time": f"{rest // 60}:{rest % 60:02}"}
    if by > timedelta():
        return _("%(days)s d %(time)s later") % words
    return _("%(days)s d %(time)s earlier") % words
