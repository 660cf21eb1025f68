"""The shift hand-over: one page to give and to take over, those of before, and their PDF."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from cases import policy
from cases.choices import CITY, Stage
from cases.errors import Refusal
from cases.models import District, Handover, HandoverPaper
from cases.models.area import in_language
from cases.selectors.handover import LISTS, Matter, handovers_of, matter_of
from cases.selectors.row_words import LIGHT_WORDS
from cases.services.handover import give_over, keep_paper, take_over, withdraw
from cityops.accounts.http import UserRequest

A_PAGE = 30
PAPER_LANGUAGE = "zh-hans"  # the language of the city's papers
# Of each list: its heading, what its own time is, and what is said when it is empty.
_LIST_WORDS = {
    "late": (gettext_lazy("Overdue"), "", gettext_lazy("Nothing is overdue.")),
    "leader": (
        gettext_lazy("Leaders’ orders without a reply"),
        gettext_lazy("reply by"),
        gettext_lazy("Every leader’s order has its reply."),
    ),
    "emergency": (gettext_lazy("Emergencies"), "", gettext_lazy("No emergency is open.")),
    "promises": (
        gettext_lazy("Promises made"),
        gettext_lazy("promised for"),
        gettext_lazy("Nobody has promised a time."),
    ),
    "suspended": (gettext_lazy("Suspended"), "", gettext_lazy("No case is suspended.")),
}


# --- pages --------------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handover(request: UserRequest) -> HttpResponse:
    """Show what would be handed over, or what waits to be taken; confirm either."""
    if not policy.handover_scopes(request.user):
        raise Http404
    if request.method != "POST":
        return render(request, "cases/handover/page.html", _page_context(request))
    try:
        return _confirm(request)
    except Handover.DoesNotExist:
        raise Http404 from None
    except Refusal as refusal:
        context = {**_page_context(request), "refusal": refusal}
        return render(request, "cases/handover/page.html", context, status=refusal.status)


@login_required
@require_safe
def handover_kept(request: UserRequest, pk: int) -> HttpResponse:
    """Show one hand-over as it was."""
    found = get_object_or_404(handovers_of(request.user).defer(None), pk=pk)
    return render(request, "cases/handover/kept.html", _kept_context(found))


@login_required
@require_safe
def handover_pdf(request: UserRequest, pk: int) -> HttpResponse:
    """Serve the PDF of a hand-over that was taken over: always the one first made."""
    found = get_object_or_404(handovers_of(request.user).exclude(taken_at=None), pk=pk)
    name = f"handover-{found.scope}-{found.desk}-{timezone.localtime(found.given_at):%Y%m%d-%H%M}"
    headers = {
        "Content-Disposition": f'inline; filename="{name}.pdf"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(paper_of(found), content_type="application/pdf", headers=headers)


def _confirm(request: UserRequest) -> HttpResponse:
    actor, asked = request.user, request.POST.get("do", "")
    number = request.POST.get("handover", "")
    pk = int(number) if number.isdecimal() and len(number) < 19 else 0
    if asked == "take":
        taken = take_over(pk=pk, actor=actor)
        messages.success(request, _("You have taken over."))
        return redirect("handover_kept", pk=taken.pk)
    scope, desk = _desk_asked(request)
    if asked == "withdraw":
        notes = withdraw(pk=pk, actor=actor)
        messages.success(request, _("Taken back: nothing is handed over."))
        context = {**_page_context(request), "notes": notes}
        return render(request, "cases/handover/page.html", context)
    if asked == "give":
        notes = request.POST.get("notes", "").strip()
        give_over(scope=scope, desk=desk, notes=notes, actor=actor)
        messages.success(request, _("Handed over. Whoever comes confirms it here."))
    return redirect(f"{request.path}?desk={scope}-{desk}")


def _desk_asked(request: UserRequest) -> tuple[str, str]:
    """Return the (scope, desk) a page or form is about: the first of one's own unless named."""
    asked = (request.POST.get("desk") or request.GET.get("desk", "")).partition("-")
    desks = policy.desks_of(request.user)
    wanted = (asked[0], asked[2])
    return wanted if wanted in desks or not desks else desks[0]


def _page_context(request: UserRequest) -> dict[str, Any]:
    user, now = request.user, timezone.now()
    names, desks = _scope_names(), policy.desks_of(user)
    context: dict[str, Any] = {
        "desks": [(f"{s}-{d}", names[s], Handover.Desk(d).label) for s, d in desks],
        "notes": request.POST.get("notes", ""),
        "longest": Handover.LONGEST_NOTES,
    }
    if desks:
        scope, desk = _desk_asked(request)
        waiting = handovers_of(user).defer(None).filter(scope=scope, desk=desk, taken_at=None)
        found = waiting.first()
        matter = found.matter if found else matter_of(user, scope, at=now)
        context |= {
            "desk": f"{scope}-{desk}",
            "scope_name": names[scope],
            "desk_name": Handover.Desk(desk).label,
            "waiting": found,
            "is_mine": found is not None and found.given_by_id == user.pk,
            "lists": lists_of(matter),
            "at": found.given_at if found else now,
        }
    return context | _past(request, names)


def _past(request: UserRequest, names: dict[str, str]) -> dict[str, Any]:
    """Return the hand-overs taken over, a page of them, and where the older ones begin."""
    taken = handovers_of(request.user).exclude(taken_at=None)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 19:
        taken = taken.filter(pk__lt=int(before))
    rows = list(taken.order_by("-pk")[: A_PAGE + 1])
    return {
        "past": [(one, names[one.scope]) for one in rows[:A_PAGE]],
        "older": rows[A_PAGE - 1].pk if len(rows) > A_PAGE else None,
    }


def _kept_context(found: Handover) -> dict[str, Any]:
    return {
        "handover": found,
        "scope_name": _scope_names()[found.scope],
        "lists": lists_of(found.matter),
    }


def _scope_names() -> dict[str, str]:
    return {CITY: _("whole city"), **{one.pk: one.name for one in District.objects.all()}}


# --- words --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One case of a list, in the reader's language."""

    number: str
    light: str
    shape: str
    light_word: str
    what: str
    where: str
    unit: str
    due_at: datetime | None
    time: datetime | None


@dataclass(frozen=True)
class MatterList:
    """One list of a hand-over; `unshown` of it do not fit."""

    key: str
    name: str
    time_word: str
    empty: str
    total: int
    lines: list[Line]

    @property
    def unshown(self) -> int:
        """How many cases there are beside the lines."""
        return self.total - len(self.lines)


def lists_of(matter: Matter) -> list[MatterList]:
    """Return the lists of a hand-over in the reader's language."""
    found = []
    for key in LISTS:
        name, time_word, empty = _LIST_WORDS[key]
        kept = matter[key]
        lines = [_line(row) for row in kept["rows"]]
        found.append(MatterList(key, str(name), str(time_word), str(empty), kept["total"], lines))
    return found


def _line(row: dict[str, Any]) -> Line:
    shape, word = LIGHT_WORDS[row["light"]]
    return Line(
        number=row["number"],
        light=row["light"],
        shape=shape,
        light_word=str(word),
        what=in_language(*row["class"]),
        where=in_language(*row["street"]),
        unit=in_language(*row["unit"]) or str(Stage(row["stage"]).label),
        due_at=_moment(row["due_at"]),
        time=_moment(row["time"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# --- the PDF ------------------------------------------------------------------------------------


def paper_of(found: Handover) -> bytes:
    """Return the PDF of a hand-over, made from what was kept the first time it is asked for."""
    paper = HandoverPaper.objects.filter(handover=found).first()
    return bytes(paper.content) if paper else keep_paper(found, _paper(found))


def _paper(found: Handover) -> bytes:
    # Importing it takes a second, which every other command would pay too.
    from weasyprint import HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    with translation.override(PAPER_LANGUAGE):
        text = render_to_string("cases/handover/paper.html", _kept_context(found))
    fetcher = URLFetcher(allowed_protocols=set())  # the paper is all in the page itself
    pdf: Any = HTML(string=text, url_fetcher=fetcher).write_pdf()
    return bytes(pdf)
