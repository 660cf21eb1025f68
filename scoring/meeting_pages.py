"""The monthly scheduling meetings: their list, agenda and decisions, the action items, on paper."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from cases.choices import Role
from cases.errors import InvalidInput, NotAllowed, Refusal
from cases.models import Unit
from cityops.accounts.models import User
from scoring.frame import require_reader
from scoring.lifecycle import may_read
from scoring.meeting_models import ActionItem, Meeting, MeetingChange
from scoring.meeting_words import FIELD_WORDS, change_words, item_row, line_rows, owners
from scoring.meetings import (
    add_line,
    carried_to,
    correct_item,
    correct_meeting,
    drop_item,
    finish_meeting,
    items_for,
    judge_item,
    may_report,
    months_to_prepare,
    move_item,
    move_line,
    prepare_meeting,
    propose_again,
    reads_all,
    record_item,
    remove_line,
    report_item,
    restore_line,
    times_carried,
)
from scoring.periods import CITY_TIME, BadPeriod, Period, parse_period
from scoring.posted import day_of, posted_number, posted_text
from scoring.sheet import body_names
from scoring.versions import may_edit
from scoring.words import period_words


def _today() -> date:
    return timezone.now().astimezone(CITY_TIME).date()


def _office(user: User) -> None:
    if not may_edit(user):
        raise PermissionDenied


def _wrong(refusal: Refusal | None) -> list[tuple[str, str]]:
    """Return each wrong field in words, with how to mend it."""
    fields = refusal.fields if refusal else {}
    return [(str(FIELD_WORDS.get(name, name)), wrong) for name, wrong in fields.items()]


def _rows(items: Iterable[ActionItem], *, to: str = "") -> list[dict[str, Any]]:
    """Return rows of items; carried so often up to the meeting `to`, or to the last one."""
    periods = list(Meeting.objects.values_list("period", flat=True))
    until, names, today = to or max(periods, default=""), body_names(), _today()
    return [
        item_row(item, names, on=today, times=times_carried(item, periods, to=until))
        for item in items
    ]


# --- meetings -----------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def meetings(request: HttpRequest) -> HttpResponse:
    """List the meetings, the newest first; the office prepares the next."""
    user = require_reader(request)
    refusal = None
    if request.method == "POST":
        _office(user)
        try:
            made = prepare_meeting(period=_month(posted_text(request, "period")), actor=user)
        except InvalidInput as refused:
            refusal = refused
        else:
            messages.success(request, _("The meeting is prepared: look through its agenda."))
            return redirect("score_meeting", period=made.period)
    found = Meeting.objects.annotate(
        decided=Count("items", filter=Q(items__dropped_at=None)),
        done=Count("items", filter=Q(items__confirmed_at__isnull=False)),
    )
    months = months_to_prepare(timezone.now()) if may_edit(user) else []
    said = {
        "rows": [
            (one, period_words(parse_period(one.period))) for one in found.order_by("-period")
        ],
        "months": [(month.name, period_words(month)) for month in months],
        "this_month": f"{_today():%Y-%m}",
        "may_edit": may_edit(user),
        "reads_all": reads_all(user),
        "refusal": refusal,
        "wrong": _wrong(refusal),
    }
    return render(request, "scoring/meetings.html", said, status=refusal.status if refusal else 200)


def _month(name: str) -> Period:
    """Return the month a form names; raises InvalidInput."""
    try:
        found = parse_period(name)
    except BadPeriod:
        found = None
    if found is None or not found.is_month:
        raise InvalidInput(_("Nothing was changed."), fields={"period": _("choose a month")})
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def meeting(request: HttpRequest, period: str) -> HttpResponse:
    """Show a meeting: its agenda, what it decided and what was carried to it; the office acts."""
    user = require_reader(request)
    get_object_or_404(Meeting, period=period)
    refusal: Refusal | None = None
    if request.method == "POST":
        _office(user)
        try:
            done = _act(request, period, user)
        except InvalidInput as refused:
            refusal = refused
        else:
            messages.success(request, done)
            return redirect(reverse("score_meeting", args=[period]) + _place(request))
    told = _told(period, user)
    about = request.POST.get("line", "") if refusal else request.GET.get("about", "")
    said = told | {
        "posted": request.POST if refusal else {},
        "about": about,
        "owner": request.POST.get("unit") or _unit_about(told["lines"], about),
        "refusal": refusal,
        "wrong": _wrong(refusal),
        "held_on": request.POST.get("held_on") or _today().isoformat(),
    }
    return render(request, "scoring/meeting.html", said, status=refusal.status if refusal else 200)


def _place(request: HttpRequest) -> str:
    """Return where on the page one was."""
    what = posted_text(request, "do")
    if what == "move":
        return f"#line-{posted_number(request, 'line')}"
    return "#items" if what == "record" else ""


def _unit_about(lines: list[dict[str, Any]], about: str) -> str:
    """Return the unit that holds the case a line is about: it may well be the owner."""
    for row in lines:
        only = row["only"]
        if str(row["line"].pk) == about and only and only["case"] and only["is_visible"]:
            return only["case"].unit_id or ""
    return ""


def _told(period: str, user: User) -> dict[str, Any]:
    """Return what page and paper of a meeting say."""
    one = Meeting.objects.select_related("prepared_by", "finished_by").get(period=period)
    lines = one.lines.select_related("added_by", "removed_by").order_by("position")
    rows = line_rows(lines, user)
    items = items_for(user).select_related("line", "replaced_by")
    own = _rows(items.filter(meeting=one).order_by("number"), to=period)
    for row in rows:
        row["items"] = [said for said in own if said["item"].line_id == row["line"].pk]
    carried = carried_to(one, items).order_by("meeting__period", "number")
    is_office, is_whole = may_edit(user), reads_all(user)
    changes = list(one.changes.select_related("by", "line", "item__meeting").order_by("-pk"))
    return {
        "meeting": one,
        "period_words": period_words(parse_period(period)),
        "lines": [row for row in rows if row["line"].removed_at is None],
        "removed": [row for row in rows if is_whole and row["line"].removed_at is not None],
        "items": own,
        "carried": _rows(carried, to=period),
        "corrections": [
            change
            for change in reversed(changes)
            if change.kind == MeetingChange.Kind.CORRECTED and change.item is None
        ],
        "changes": changes if is_whole else [],
        "reads_all": is_whole,
        "may_edit": is_office,
        "may_act": is_office and one.is_open,
        "owners": owners() if is_office and one.is_open else [],
    }


def _act(request: HttpRequest, period: str, user: User) -> str:
    """Do what the form asks and return what to say; raises InvalidInput."""
    what = posted_text(request, "do")
    act = _ACTS.get(what)
    if act is None:
        raise InvalidInput(_("Nothing was changed."))
    common = {"period": period, "seen": posted_number(request, "seen"), "actor": user}
    return act(request, common)


def _propose(_request: HttpRequest, common: dict[str, Any]) -> str:
    fresh = propose_again(**common)
    return ngettext("%d line is new.", "%d lines are new.", fresh) % fresh


def _add(request: HttpRequest, common: dict[str, Any]) -> str:
    add_line(**common, text=posted_text(request, "text"), number=posted_text(request, "number"))
    return _("The line stands on the agenda.")


def _remove(request: HttpRequest, common: dict[str, Any]) -> str:
    remove_line(**common, line=posted_number(request, "line"))
    return _("The line is off the agenda.")


def _restore(request: HttpRequest, common: dict[str, Any]) -> str:
    restore_line(**common, line=posted_number(request, "line"))
    return _("The line stands on the agenda.")


def _move(request: HttpRequest, common: dict[str, Any]) -> str:
    moved = move_line(
        **common, line=posted_number(request, "line"), to=posted_number(request, "to")
    )
    return _("The line is number %d now.") % moved.position


def _record(request: HttpRequest, common: dict[str, Any]) -> str:
    about = posted_number(request, "line") if posted_text(request, "line") else None
    made = record_item(
        **common,
        line=about,
        text=posted_text(request, "text"),
        unit=posted_text(request, "unit"),
        due_on=day_of(posted_text(request, "due_on")),
    )
    return _("Recorded as %s.") % made.name


def _finish(request: HttpRequest, common: dict[str, Any]) -> str:
    finish_meeting(**common, held_on=day_of(posted_text(request, "held_on"), "held_on"))
    return _("The meeting is finished and stands.")


def _correct(request: HttpRequest, common: dict[str, Any]) -> str:
    correct_meeting(**common, text=posted_text(request, "text"))
    return _("The correction is added.")


_ACTS: dict[str, Callable[[HttpRequest, dict[str, Any]], str]] = {
    "propose": _propose,
    "add": _add,
    "remove": _remove,
    "restore": _restore,
    "move": _move,
    "record": _record,
    "finish": _finish,
    "correct": _correct,
}


@require_safe
@login_required
def meeting_paper(request: HttpRequest, period: str) -> HttpResponse:
    """Show a meeting as it is printed: the agenda, then the list of action items."""
    user = require_reader(request)
    get_object_or_404(Meeting, period=period)
    return render(request, "scoring/meeting_paper.html", _told(period, user))


# --- action items -------------------------------------------------------------------------------


def _item_reader(request: HttpRequest) -> User:
    """Return who reads action items: whoever reads scores, and units their own."""
    user = request.user
    is_known = isinstance(user, User) and (may_read(user) or user.holds(Role.UNIT, Role.UNIT_HEAD))
    if not isinstance(user, User) or not is_known:
        raise PermissionDenied
    return user


@require_safe
@login_required
def meeting_items(request: HttpRequest) -> HttpResponse:
    """List the action items one reads: those that are open, or all."""
    user = _item_reader(request)
    items = items_for(user).select_related("line", "replaced_by")
    is_all = "all" in request.GET
    if not is_all:
        items = items.filter(confirmed_at=None, dropped_at=None)
    rows = _rows(items.order_by("due_on", "pk"))
    said = {
        "rows": rows,
        "late": sum(row["is_late"] for row in rows),
        "waiting": sum(row["is_open"] and row["item"].asked_at is not None for row in rows),
        "is_all": is_all,
        "may_read": may_read(user),
    }
    return render(request, "scoring/meeting_items.html", said)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def meeting_item(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an action item with its log; its owner reports, the office confirms and corrects."""
    user = _item_reader(request)
    found = get_object_or_404(items_for(user), pk=pk)
    refusal: Refusal | None = None
    if request.method == "POST":
        if not may_report(user, found):
            raise PermissionDenied
        try:
            now = _act_on_item(request, pk, user)
        except (InvalidInput, NotAllowed) as refused:
            refusal = refused
        else:
            messages.success(request, _("Kept."))
            return redirect("score_meeting_item", pk=now.pk)
    items = items_for(user).select_related(
        "line", "replaced_by__meeting", "replaces__meeting", "asked_by", "confirmed_by"
    )
    item = items.get(pk=pk)
    (row,) = _rows([item])
    is_office, is_open = may_edit(user), row["is_open"]
    later = Meeting.objects.filter(finished_at=None, period__gt=item.meeting.period)
    units = {unit.pk: unit.name for unit in Unit.objects.all()}
    changes = item.changes.select_related("by", "meeting").order_by("-pk")
    said = row | {
        "changes": [{"change": one, "said": change_words(one, units)} for one in changes],
        "may_report": is_open and item.asked_at is None and may_report(user, item),
        "may_judge": is_open and is_office and item.asked_at is not None,
        "is_own": item.asked_by_id == user.pk,
        "may_edit": is_open and is_office,
        "may_move": is_open and is_office and later.exists(),
        "owners": owners() if is_open and is_office else [],
        "may_read": may_read(user),
        "posted": request.POST if refusal else {},
        "refusal": refusal,
        "wrong": _wrong(refusal),
    }
    status = refusal.status if refusal else 200
    return render(request, "scoring/meeting_item.html", said, status=status)


def _act_on_item(request: HttpRequest, pk: int, user: User) -> ActionItem:
    """Do what the form asks; raises InvalidInput and NotAllowed."""
    what = posted_text(request, "do")
    common: dict[str, Any] = {"pk": pk, "seen": posted_number(request, "seen"), "actor": user}
    note = posted_text(request, "note")
    reason: dict[str, Any] = {"reason": posted_text(request, "reason")}
    if what in ("report", "done"):
        return report_item(**common, note=note, is_done=what == "done")
    if what in ("confirm", "send_back"):
        return judge_item(**common, note=note, is_done=what == "confirm")
    if what == "drop":
        return drop_item(**common, **reason)
    if what == "move":
        return move_item(**common, due_on=day_of(posted_text(request, "due_on")), **reason)
    if what == "correct":
        return correct_item(
            **common,
            text=posted_text(request, "text"),
            unit=posted_text(request, "unit"),
            due_on=day_of(posted_text(request, "due_on")),
            **reason,
        )
    raise InvalidInput(_("Nothing was changed."))
