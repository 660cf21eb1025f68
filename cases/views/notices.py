"""The bell: what the reader was told, how much of it is unread, and where each leads."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cases.choices import Role
from cases.models import Export, Notice, Task
from cases.notices import OF_PERIOD, TABLE, telling_of
from cases.selectors.feed import read_heads
from cases.selectors.row_words import places_of
from cityops.accounts.http import UserRequest

SHOWN = 100
MOST_COUNTED = 100  # a bell that says 99+ says enough


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notices(request: UserRequest) -> HttpResponse:
    """List the newest notices; a POST marks as read what its sender had before them."""
    if request.method == "POST":
        upto = request.POST.get("upto", "")
        if upto.isdecimal() and len(upto) < 19:
            mine = Notice.objects.filter(user=request.user.pk, pk__lte=int(upto))
            mine.unread().update(read_at=timezone.now())
        return redirect("notices")
    told = Notice.objects.all().of(request.user).order_by("-pk")
    rows = list(told.select_related("event", "case__minor", "case__condition", "export")[:SHOWN])
    places = places_of([row.case for row in rows if row.case], at=timezone.now())
    context = {
        "rows": [(row, _says(row), places[row.case.number] if row.case else "") for row in rows],
        "has_unread": any(row.read_at is None for row in rows),
        "upto": rows[0].pk if rows else "",
    }
    return render(request, "cases/notices.html", context)


@login_required
@require_POST
def notice_open(request: UserRequest, pk: int) -> HttpResponse:
    """Mark a notice as read and go where its reader does what it asks."""
    notice = get_object_or_404(Notice.objects.all().of(request.user), pk=pk)
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=timezone.now())
    if notice.period:
        return redirect(notice.address)
    if notice.case is None:
        return redirect("downloads")
    if request.user.holds(Role.INSPECTOR):
        asked = Task.objects.open().of(request.user).filter(case=notice.case_id)
        if asked.exists():
            return redirect("phone_task", notice.case.number)
    return redirect(notice.case)


@login_required
@require_safe
def notices_unread(request: UserRequest) -> HttpResponse:
    """Count the unread for the bell, with the heads and the kinds of events it listens for."""
    heads = read_heads()  # first: what happens after them the live connection tells again
    unread = Notice.objects.all().of(request.user).unread()[:MOST_COUNTED].count()
    kinds = sorted({action.value for action, _ in TABLE})
    answer = JsonResponse({"unread": unread, "heads": heads, "kinds": kinds})
    answer["Cache-Control"] = "private, no-store"
    return answer


def _file_words(export: Export | None) -> str:
    if export is not None and export.state == Export.State.TOO_BIG:
        return _("a file you asked for would hold too many cases: narrow its filters")
    if export is not None and export.state != Export.State.READY:
        return _("a file you asked for could not be written: ask for it again")
    return _("a file you asked for is ready")


def _period_words(notice: Notice) -> str:
    words = dict(notice.words)
    if until := parse_datetime(words.get("until", "")):
        words["until"] = date_format(timezone.localtime(until), "m-d H:i")
    if due := parse_date(words.get("due", "")):
        words["due"] = date_format(due, "m-d")
    return str(OF_PERIOD[notice.told]) % words


def _says(notice: Notice) -> str:
    event = notice.event
    if notice.period:
        return _period_words(notice)
    if event is None:
        return _file_words(notice.export)
    telling = telling_of(event.action, event.to_stage, event.data["facts"])
    return str(telling.says) if telling else str(event.get_action_display())
