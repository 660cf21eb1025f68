"""Where a period stands: its page with the office's forms, its editions, and the objections."""

import json
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cases.choices import CITY, DISTRICT_SLUGS, Action
from cases.errors import Busy, InvalidInput
from cases.models import Case, Request
from cases.views.words import EFFECT_WORDS
from cityops.accounts.models import User
from scoring.changes import Changes, annex_of, changes_between, totals_moved
from scoring.frame import period_of, require_reader
from scoring.key_tasks import milestones_waiting
from scoring.lifecycle import Standing, appeals_of, sides_of, stand_of
from scoring.models import Edition, Objection, ObjectionAdjustment, Run
from scoring.objections import (
    TEXT_MAX,
    adjustments_of,
    answer_objection,
    link_adjustment,
    number_names,
    raise_objection,
    say,
    speaks_for,
    value_in,
    withdraw_objection,
)
from scoring.onsite import points_waiting
from scoring.periods import Period, parse_period
from scoring.posted import posted_text
from scoring.publishing import (
    approve_edition,
    close_period,
    extend_window,
    return_edition,
    set_dates,
    submit_run,
)
from scoring.services import NotBegun, compute_run, lists_of_run
from scoring.sheet import body_names
from scoring.words import LIST_NAMES, names_in, period_words

CASES_SHOWN = 20  # of a count that moved


def _number(text: str) -> int:
    """Return the number of a row as forms and links carry it; 0, which no row has, for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0


def _day(request: HttpRequest, name: str) -> date:
    try:
        return date.fromisoformat(posted_text(request, name))
    except ValueError as error:
        raise InvalidInput(_("Choose a day."), fields={name: _("a day like 2026-12-03")}) from error


# --- where it stands ----------------------------------------------------------------------------


@require_GET
@login_required
def standing(request: HttpRequest, period: str) -> HttpResponse:
    """Show how far a period has come, what is still to be decided, and what one may do."""
    return _show(request, require_reader(request), period_of(period))


def _show(
    request: HttpRequest, user: User, period: Period, refusal: InvalidInput | None = None
) -> HttpResponse:
    stands = stand_of(period, reader=user)
    run = stands.pending.run if stands.pending else None
    if stands.action == "submit":
        run = _present(period)
    adjustments = adjustments_of(period).select_related("case", "asked_by", "decided_by")
    waiting = appeals_of(period, stands.window_until).select_related("case")
    numbers = {one.case.number for one in (*adjustments, *waiting)}
    seen = Case.objects.filter(number__in=numbers).visible_to(user)
    answers = ObjectionAdjustment.objects.filter(request__in=adjustments)
    answered = dict(answers.values_list("request", "objection"))
    said = {
        **_frame(period, stands),
        "run": run,
        "rows": _ranks(run) if run else [],
        "editions": _editions(period),
        "objections": _objections(period, stands),
        "appeals": waiting,
        "adjustments": [(one, _effect(one), answered.get(one.pk)) for one in adjustments],
        "visible": set(seen.values_list("number", flat=True)),
        "days": (stands.window_until - stands.closes_at).days,
        "posted": request.POST,
        "refusal": refusal,
        **(_unanswered(period) if run else {}),
    }
    return render(request, "scoring/standing.html", said, status=422 if refusal else 200)


def _unanswered(period: Period) -> dict[str, Any]:
    """Return what the run goes without: points nobody inspected, milestones nobody confirmed."""
    names = body_names()
    points = points_waiting(period.start, period.end)
    return {
        "points_waiting": [(names.get(b, b), *points[b]) for b in DISTRICT_SLUGS if b in points],
        "milestones_waiting": [
            (one, names.get(one.task.body, one.task.body))
            for one in milestones_waiting(period.start, period.end)
        ],
    }


def _present(period: Period) -> Run | None:
    """Return the present run, or while the database has no time for it the newest stored one."""
    try:
        return compute_run(period)
    except Busy:
        stored = Run.objects.filter(period=period.name, scheme__level="district")
        return stored.order_by("-as_of", "-pk").first()


def _frame(period: Period, stands: Standing) -> dict[str, Any]:
    return {
        "period": period,
        "period_words": period_words(period),
        "standing": stands,
    }


def _ranks(run: Run) -> list[dict[str, Any]]:
    """Return rank, name and total of each body of a run."""
    names = body_names()
    return [
        {"name": names.get(sheet["body"], sheet["body"]), **sheet}
        for sheet in json.loads(run.result)["bodies"]
    ]


def _editions(period: Period) -> Any:
    """Return all that was ever submitted of a period, the newest first."""
    people = ("submitted_by", "approved_by", "returned_by")
    return Edition.objects.filter(period=period.name).select_related("run", *people).order_by("-pk")


def _effect(asked: Request) -> str:
    return str(EFFECT_WORDS.get(asked.effect, asked.effect))


@require_POST
@login_required
def close(request: HttpRequest, period: str) -> HttpResponse:
    """Close a period that is over."""
    user, wanted = require_reader(request), period_of(period)
    try:
        close_period(period=wanted, days=_number(posted_text(request, "days")), actor=user)
    except InvalidInput as refusal:
        return _show(request, user, wanted, refusal)
    messages.success(request, _("Closed. The districts may object now."))
    return redirect("score_standing", period=wanted.name)


@require_POST
@login_required
def dates(request: HttpRequest, period: str) -> HttpResponse:
    """Set the day a period closes by itself, or let it be objected to for longer."""
    user, wanted = require_reader(request), period_of(period)
    try:
        if "until" in request.POST:
            extend_window(period=wanted, until=_day(request, "until"), actor=user)
        else:
            days = _number(posted_text(request, "days"))
            set_dates(period=wanted, closes_on=_day(request, "closes_on"), days=days, actor=user)
    except InvalidInput as refusal:
        return _show(request, user, wanted, refusal)
    messages.success(request, _("Saved."))
    return redirect("score_standing", period=wanted.name)


@require_POST
@login_required
def submit(request: HttpRequest, period: str) -> HttpResponse:
    """Submit the run the form showed."""
    user, wanted = require_reader(request), period_of(period)
    seen, reason = _number(posted_text(request, "run")), posted_text(request, "reason")
    try:
        submit_run(period=wanted, seen_run=seen, reason=reason, actor=user)
    except NotBegun as error:
        raise Http404(str(error)) from error
    except InvalidInput as refusal:
        if stand_of(wanted).published:
            return _changes(request, user, wanted, refusal)
        return _show(request, user, wanted, refusal)
    messages.success(request, _("Submitted. A second assessor approves it."))
    return redirect("score_standing", period=wanted.name)


@require_POST
@login_required
def approve(request: HttpRequest, period: str) -> HttpResponse:
    """Publish the run that waits."""
    user, wanted = require_reader(request), period_of(period)
    edition, seal = _number(posted_text(request, "edition")), posted_text(request, "seal")
    approve_edition(period=wanted, edition=edition, seen_seal=seal, actor=user)
    messages.success(request, _("Approved: it is published and stands."))
    return redirect("score_ranking", period=wanted.name)


@require_POST
@login_required
def send_back(request: HttpRequest, period: str) -> HttpResponse:
    """Send the run that waits back to who submitted it."""
    user, wanted = require_reader(request), period_of(period)
    edition, reason = _number(posted_text(request, "edition")), posted_text(request, "reason")
    try:
        return_edition(period=wanted, edition=edition, reason=reason, actor=user)
    except InvalidInput as refusal:
        return _show(request, user, wanted, refusal)
    messages.success(request, _("Sent back."))
    return redirect("score_standing", period=wanted.name)


# --- editions and what would change -------------------------------------------------------------


@require_GET
@login_required
def edition_page(request: HttpRequest, period: str, edition: int) -> HttpResponse:
    """Show a published edition: by whom, why, and what moved since the one before."""
    user, wanted = require_reader(request), period_of(period)
    published = Edition.objects.filter(period=wanted.name, approved_at__isnull=False)
    published = published.select_related("run__scheme", "submitted_by", "approved_by")
    found = get_object_or_404(published, number=edition)
    before = published.filter(number=edition - 1).first()
    said = {
        **_frame(wanted, stand_of(wanted, reader=user)),
        "edition": found,
        "before": before,
        "rows": _ranks(found.run),
    }
    if before:
        moved = changes_between(before.run, found.run)
        said |= _in_words(moved, before.run, found.run, user)
        said["annex"] = _annex(before.run, wanted, moved, found.run)
    return render(request, "scoring/edition.html", said)


@require_GET
@login_required
def changes(request: HttpRequest, period: str) -> HttpResponse:
    """Show what a new count would change of the edition in force; the way to a re-issue."""
    return _changes(request, require_reader(request), period_of(period))


def _changes(
    request: HttpRequest, user: User, period: Period, refusal: InvalidInput | None = None
) -> HttpResponse:
    stands = stand_of(period, reader=user)
    if stands.published is None:
        raise Http404
    newer, sealed = compute_run(period), stands.published.run
    moved = changes_between(sealed, newer)
    said = {
        **_frame(period, stands),
        "run": newer,
        "annex": _annex(sealed, period, moved, newer),
        "posted": request.POST,
        "refusal": refusal,
        **_in_words(moved, sealed, newer, user),
    }
    return render(request, "scoring/changes.html", said, status=422 if refusal else 200)


def _in_words(moved: Changes, before: Run, run: Run, user: User) -> dict[str, Any]:
    """Return what moved with its names, ranks and totals first, and the cases behind counts."""
    names = body_names()
    words = {**LIST_NAMES, **names_in(run.scheme.data), **_figure_names()}
    numbers = {n for one in moved.moved for n in (*one.entered, *one.left)}
    seen = Case.objects.filter(number__in=numbers).visible_to(user)
    return {
        "has_moved": bool(moved),
        "totals": [
            {**row, "name": names.get(row["body"], row["body"])}
            for row in totals_moved(before, run)
        ],
        "figures": [
            (names.get(one.body, one.body), words.get(one.name, one.name), one.before, one.after)
            for one in (*moved.figures, *moved.counts)
        ],
        "moved": [
            {
                "body": names.get(one.body, one.body),
                "count": words.get(one.name, one.name),
                "entered": one.entered[:CASES_SHOWN],
                "left": one.left[:CASES_SHOWN],
                "more": max(len(one.entered) - CASES_SHOWN, 0)
                + max(len(one.left) - CASES_SHOWN, 0),
            }
            for one in moved.moved
        ],
        "visible": set(seen.values_list("number", flat=True)),
    }


def _figure_names() -> dict[str, str]:
    return {
        "rank": _("Rank"),
        "total": _("Total"),
        "grade": _("Grade"),
        "deductions": _("Deductions"),
        "bonuses": _("Bonuses"),
    }


def _annex(run: Run, period: Period, moved: Changes, newer: Run) -> list[dict[str, Any]]:
    """Return the rulings after a run, each with the counts its case would enter or leave."""
    names, words = body_names(), {**LIST_NAMES, **names_in(newer.scheme.data)}
    return [
        {
            "number": one.number,
            "action": Action(one.action).label,
            "at": one.at,
            "moves": [
                (names.get(body, body), words.get(count, count), enters)
                for body, count, enters in one.moves
            ],
        }
        for one in annex_of(run, newer, period, moved)
    ]


# --- objections ---------------------------------------------------------------------------------


@require_GET
@login_required
def objections(request: HttpRequest, period: str) -> HttpResponse:
    """List the objections to a period, the open ones first; every reader of scores sees them."""
    user, wanted = require_reader(request), period_of(period)
    stands = stand_of(wanted, reader=user)
    said = {**_frame(wanted, stands), "objections": _objections(wanted, stands)}
    return render(request, "scoring/objections.html", said)


def _objections(period: Period, stands: Standing) -> list[dict[str, Any]]:
    names = body_names()
    found = Objection.objects.filter(period=period.name).select_related("run__scheme")
    found = found.select_related("raised_by", "answered_by").order_by("-pk")
    rows = [_objection_words(one, names) for one in found]
    return sorted(rows, key=lambda row: not row["objection"].is_open)


def _objection_words(one: Objection, names: dict[str, str]) -> dict[str, Any]:
    return {
        "objection": one,
        "by": _side_name(one.district, names),
        "body": names.get(one.body, one.body),
        "count": number_names(one.run, one.body).get(one.count, one.count),
    }


def _side_name(side: str, names: dict[str, str]) -> str:
    return _("the city") if side == CITY else names.get(side, side)


@require_http_methods(["GET", "POST"])
@login_required
def object_to(request: HttpRequest, period: str) -> HttpResponse:
    """Object to one number: of `body`, `count` (or `total`), as `run` has it."""
    user, wanted = require_reader(request), period_of(period)
    sides = sides_of(user)
    if not sides:
        raise PermissionDenied
    asked = request.POST if request.method == "POST" else request.GET
    body, count = str(asked.get("body", "")), str(asked.get("count", ""))
    runs = Run.objects.filter(period=wanted.name, scheme__level="district")
    run = get_object_or_404(runs, pk=_number(str(asked.get("run", ""))))
    value = value_in(run, body, count)
    if value is None:
        raise Http404
    refusal = None
    if request.method == "POST":
        text = posted_text(request, "text")
        try:
            raised = raise_objection(
                period=wanted, seen_run=run.pk, body=body, count=count, text=text, actor=user
            )
        except InvalidInput as refused:
            refusal = refused
        else:
            messages.success(request, _("Your objection stands; nothing is published before."))
            return redirect("score_objection", period=wanted.name, pk=raised.pk)
    names = body_names()
    said = {
        **_frame(wanted, stand_of(wanted, reader=user)),
        "run": run,
        "body": body,
        "count": count,
        "body_name": names.get(body, body),
        "count_name": number_names(run, body)[count],
        "value": value,
        "side": _side_name(body if body in sides else sides[0], names),
        "text_max": TEXT_MAX,
        "posted": request.POST,
        "refusal": refusal,
    }
    return render(request, "scoring/object.html", said, status=422 if refusal else 200)


@require_GET
@login_required
def objection(request: HttpRequest, period: str, pk: int) -> HttpResponse:
    """Show an objection with its answer, and to its two sides what was said between."""
    user, wanted = require_reader(request), period_of(period)
    return _thread(request, user, _found(wanted, pk))


def _found(period: Period, pk: int) -> Objection:
    found = Objection.objects.filter(period=period.name).select_related(
        "run__scheme", "raised_by", "answered_by"
    )
    return get_object_or_404(found, pk=pk)


def _thread(
    request: HttpRequest, user: User, found: Objection, refusal: InvalidInput | None = None
) -> HttpResponse:
    names, wanted = body_names(), parse_period(found.period_id)
    stands = stand_of(wanted, reader=user)
    side = speaks_for(user, found)
    thread = found.messages.select_related("by") if side else []
    linked = found.adjustments.select_related("request__case")
    cases = Case.objects.filter(pk__in=[one.request.case_id for one in linked]).visible_to(user)
    taken = ObjectionAdjustment.objects.values("request")
    may_link = stands.may_act and not stands.pending and not stands.published
    free = adjustments_of(wanted).exclude(pk__in=taken).select_related("case") if may_link else []
    said = {
        **_frame(wanted, stands),
        **_objection_words(found, names),
        "side": side,
        "messages_said": [(one, _side_name(one.district, names)) for one in thread],
        "adjustments": [(one, _effect(one.request)) for one in linked],
        "free": [(one, _effect(one)) for one in free],
        "visible": set(cases.values_list("number", flat=True)),
        "has_list": lists_of_run(found.run).filter(body=found.body, count=found.count).exists(),
        "may_answer": found.is_open and stands.may_act and found.raised_by_id != user.pk,
        "may_withdraw": found.is_open and found.district in sides_of(user),
        "now_is": _value_now(found),
        "text_max": TEXT_MAX,
        "posted": request.POST,
        "refusal": refusal,
    }
    return render(request, "scoring/objection.html", said, status=422 if refusal else 200)


def _value_now(found: Objection) -> str | None:
    """Return the number as the newest stored run has it, where that is another."""
    runs = Run.objects.filter(period=found.period_id, scheme=found.run.scheme_id)
    newest = runs.select_related("scheme").order_by("-as_of", "-pk").first()
    value = value_in(newest, found.body, found.count) if newest else None
    return value if value != found.value else None


@require_POST
@login_required
def objection_say(request: HttpRequest, period: str, pk: int) -> HttpResponse:
    """Write in the thread."""
    user, found = require_reader(request), _found(period_of(period), pk)
    try:
        say(objection=found.pk, text=posted_text(request, "text"), actor=user)
    except InvalidInput as refusal:
        return _thread(request, user, found, refusal)
    return redirect("score_objection", period=period, pk=pk)


@require_POST
@login_required
def objection_answer(request: HttpRequest, period: str, pk: int) -> HttpResponse:
    """Uphold or reject it."""
    user, found = require_reader(request), _found(period_of(period), pk)
    try:
        verdict = posted_text(request, "verdict")
        if verdict not in ("upheld", "rejected"):
            raise InvalidInput(
                _("Uphold or reject it."), fields={"verdict": _("choose one of the two")}
            )
        answer_objection(
            objection=found.pk,
            upheld=verdict == "upheld",
            answer=posted_text(request, "answer"),
            actor=user,
        )
    except InvalidInput as refusal:
        return _thread(request, user, found, refusal)
    messages.success(request, _("Answered, for all to read."))
    return redirect("score_objection", period=period, pk=pk)


@require_POST
@login_required
def objection_withdraw(request: HttpRequest, period: str, pk: int) -> HttpResponse:
    """Take it back."""
    user, found = require_reader(request), _found(period_of(period), pk)
    withdraw_objection(objection=found.pk, actor=user)
    messages.success(request, _("Taken back."))
    return redirect("score_objection", period=period, pk=pk)


@require_POST
@login_required
def objection_adjust(request: HttpRequest, period: str, pk: int) -> HttpResponse:
    """Say which adjustment of a case answers it."""
    user, found = require_reader(request), _found(period_of(period), pk)
    asked = _number(posted_text(request, "request"))
    try:
        link_adjustment(objection=found.pk, request=asked, actor=user)
    except InvalidInput as refusal:
        return _thread(request, user, found, refusal)
    return redirect("score_objection", period=period, pk=pk)
