"""Schemes 考核办法: their versions, one in words, drafting, trying on past months, approving."""

import json
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cases.errors import DraftClosed, InvalidInput, PeriodClosed, StaleRules
from cityops.accounts.models import User
from scoring.entries import bodies_to_enter, enter_points, manual_items, most_of
from scoring.frame import require_reader
from scoring.models import Level, Scheme, State
from scoring.periods import BadPeriod, Period, month_of, months_after, parse_period, periods_between
from scoring.posted import posted_text
from scoring.scheme_form import applied, parts_to_add_to, sections_of
from scoring.scheme_words import INDICATOR_NAMES, KIND_NAMES, general_words, rows_of
from scoring.schemes import BadScheme, parse
from scoring.selectors import log_span
from scoring.services import NotBegun, try_schemes
from scoring.trial import compared, names_of_bodies
from scoring.versions import (
    UnknownScheme,
    approve_scheme,
    draft_scheme,
    drop_scheme,
    edit_scheme,
    may_edit,
    propose_scheme,
    require_as_seen,
    scheme_for,
    scheme_of,
    store_shipped,
    withdraw_scheme,
    writers_of,
)
from scoring.words import names_in, period_words

MONTHS_SHOWN, MONTHS_TRIED, MONTHS_AHEAD = 24, 6, 12


def _editor(request: HttpRequest) -> User:
    user = require_reader(request)
    if not may_edit(user):
        raise PermissionDenied
    return user


def _scheme(version: str) -> Scheme:
    try:
        return scheme_of(version)
    except UnknownScheme as error:
        raise Http404(str(error)) from error


def _draft(version: str) -> Scheme:
    scheme = _scheme(version)
    if not scheme.is_open:
        raise Http404
    return scheme


def _seen(request: HttpRequest) -> dict[str, str]:
    """Return the rules and the proposal that a form was shown with."""
    seen = {"seen_digest": "digest", "seen_proposal": "proposed_at"}
    return {name: posted_text(request, field) for name, field in seen.items()}


@require_GET
@login_required
def schemes(request: HttpRequest) -> HttpResponse:
    """List every version, those in force first at each level."""
    require_reader(request)
    store_shipped()
    now = timezone.now()
    order = sorted(State, key=lambda state: state != State.IN_FORCE)
    rows = [(order.index(s.state(at=now)), s) for s in Scheme.objects.all()]
    rows.sort(key=lambda row: row[0])
    levels = [
        (level, [{"scheme": s, "state": order[n]} for n, s in rows if s.level == level])
        for level in Level
    ]
    said = {"levels": [pair for pair in levels if pair[1]]}
    return render(request, "scoring/schemes.html", said)


@require_GET
@login_required
def scheme(request: HttpRequest, version: str) -> HttpResponse:
    """Show a version as a sheet in words."""
    return _show(request, _scheme(version))


def _show(request: HttpRequest, found: Scheme, refusal: InvalidInput | None = None) -> HttpResponse:
    user, now = require_reader(request), timezone.now()
    base = found.based_on.data if found.based_on and found.is_open else None
    data = found.data
    may = may_edit(user)
    said = {
        "scheme": found,
        "state": found.state(at=now),
        "data": data,
        "rows": rows_of(data, base),
        "sentences": general_words(data),
        "may_edit": may,
        "has_manual": bool(manual_items(data)) and found.dropped_at is None,
        "this_month": month_of(now).name,
        "may_approve": may and found.proposed_at is not None and user.pk not in writers_of(found),
        "months": [(p.name, period_words(p)) for p in months_after(now, MONTHS_AHEAD)],
        "refusal": refusal,
    }
    status = 422 if refusal else 200
    return render(request, "scoring/scheme.html", said, status=status)


@require_POST
@login_required
def scheme_copy(request: HttpRequest, version: str) -> HttpResponse:
    """Begin a draft from a version."""
    user, base = _editor(request), _scheme(version)
    name = posted_text(request, "version")
    try:
        draft_scheme(
            base=base.version, version=name, reason=posted_text(request, "reason"), actor=user
        )
    except InvalidInput as refusal:
        return _show(request, base, refusal)
    messages.success(
        request, _("The draft is yours to change; nothing holds until it is approved.")
    )
    return redirect("score_scheme_edit", version=name)


@require_http_methods(["GET", "POST"])
@login_required
def scheme_edit(request: HttpRequest, version: str) -> HttpResponse:
    """Change a draft, by a field for each number or by its JSON."""
    user, draft = _editor(request), _scheme(version)
    if draft.is_shipped or (request.method == "GET" and not draft.is_open):
        raise Http404
    as_json = "text" in request.POST or request.GET.get("as") == "json"
    if request.method == "GET":
        return _form(request, draft, draft.data, as_json=as_json)
    text, data = request.POST.get("text", ""), draft.data
    seen = posted_text(request, "digest")
    try:
        require_as_seen(draft, seen)
        data = parse(text) if as_json else _entered(draft.data, request)
        edit_scheme(version=version, data=data, actor=user, seen_digest=seen)
    except (StaleRules, DraftClosed) as refusal:
        if not as_json:
            data = _entered(data, request)
        return _form(request, draft, data, as_json=as_json, text=text, refusal=refusal)
    except BadScheme as bad:
        errors = {fault.path: fault.message for fault in bad.faults}
        return _form(request, draft, data, as_json=as_json, errors=errors, text=text)
    except InvalidInput as refusal:
        errors = refusal.fields
        return _form(request, draft, data, as_json=as_json, errors=errors, text=text)
    messages.success(request, _("Saved."))
    return redirect("score_scheme_edit", version=version)


def _entered(data: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    return applied(data, {name: str(value) for name, value in request.POST.items()})


def _form(
    request: HttpRequest,
    draft: Scheme,
    data: dict[str, Any],
    *,
    as_json: bool,
    errors: dict[str, str] | None = None,
    text: str = "",
    refusal: StaleRules | DraftClosed | None = None,
) -> HttpResponse:
    errors = errors or {}
    sections = [] if as_json else sections_of(data, errors)
    shown = {field.path for section in sections for field in section.fields}
    said = {
        "scheme": draft,
        "digest": posted_text(request, "digest") or draft.digest,
        "sections": sections,
        "errors": [(path, message) for path, message in errors.items() if path not in shown],
        "wrong": len(errors),
        "refusal": refusal,
        "where": parts_to_add_to(data) if not as_json else [],
        "kinds": list(KIND_NAMES.items()),
        "indicators": list(INDICATOR_NAMES.items()),
        "as_json": as_json,
        "text": text or json.dumps(data, ensure_ascii=False, indent=2),
    }
    status = 422 if errors else 200
    if refusal:
        status = refusal.status
    return render(request, "scoring/scheme_edit.html", said, status=status)


@require_GET
@login_required
def scheme_trial(request: HttpRequest, version: str) -> HttpResponse:
    """Score past months by a version and by the one in force, side by side; nothing is kept."""
    _editor(request)
    found = _scheme(version)
    span = log_span()
    past = [p for p in periods_between(*span) if p.is_month][:MONTHS_SHOWN] if span else []
    chosen = [p for p in past if p.name in request.GET.getlist("month")][:MONTHS_TRIED]
    said = {
        "scheme": found,
        "months": [(p.name, period_words(p), p in chosen) for p in past],
        "most": MONTHS_TRIED,
        "trials": [_trial(found, period) for period in chosen],
    }
    return render(request, "scoring/scheme_trial.html", said)


def _trial(found: Scheme, period: Period) -> dict[str, Any]:
    """Return a month by the version in force then and by the one tried."""
    try:
        present = scheme_for(period, found.level)
    except UnknownScheme:
        present = None
    by = [present, found] if present is not None else [found]
    try:
        results = try_schemes(period, by)
    except NotBegun:
        return {"words": period_words(period), "rows": [], "present": present}
    before = results[0]["bodies"] if present is not None else []
    rows = compared(before, results[-1]["bodies"])
    names = names_of_bodies(found.level, [row["body"] for row in rows])
    return {
        "words": period_words(period),
        "present": present,
        "rows": [{**row, "name": names.get(row["body"], row["body"])} for row in rows],
        "moved": sum(row["move"] != "same" for row in rows),
    }


@require_http_methods(["GET", "POST"])
@login_required
def scheme_entries(request: HttpRequest, version: str, period: str) -> HttpResponse:
    """Enter the points of manual items for a period, one at a time; all entries are listed."""
    user, found = _editor(request), _scheme(version)
    try:
        wanted = parse_period(period)
    except BadPeriod as error:
        raise Http404(str(error)) from error
    items = manual_items(found.data)
    if not items or found.dropped_at is not None:
        raise Http404
    refusal: InvalidInput | PeriodClosed | None = None
    if request.method == "POST":
        given = {
            n: posted_text(request, n) for n in ("body", "code", "points", "evidence", "reason")
        }
        try:
            enter_points(scheme=found, period=wanted, actor=user, **given)
        except (InvalidInput, PeriodClosed) as refused:
            refusal = refused
        else:
            messages.success(request, _("Entered."))
            return redirect("score_scheme_entries", version=version, period=period)
    bodies = bodies_to_enter(found.level)
    names = names_of_bodies(found.level, list(bodies))
    words = names_in(found.data)
    entries = found.entries.filter(period=wanted.name).select_related("by").order_by("-pk")
    rows, seen = [], set()
    for entry in entries:
        rows.append(
            {
                "entry": entry,
                "body": names.get(entry.body, entry.body),
                "item": words.get(entry.code, ""),
                "points": f"{entry.points.normalize():f}",
                "counts": (entry.body, entry.code) not in seen,
            }
        )
        seen.add((entry.body, entry.code))
    span = log_span()
    said = {
        "scheme": found,
        "period": wanted,
        "period_words": period_words(wanted),
        "periods": [(p.name, period_words(p)) for p in periods_between(*span)] if span else [],
        "bodies": [(body, names.get(body, body)) for body in bodies],
        "items": [(item["code"], words[item["code"]], most_of(item)) for item in items],
        "rows": rows,
        "posted": request.POST,
        "refusal": refusal,
    }
    return render(request, "scoring/scheme_entries.html", said, status=422 if refusal else 200)


@require_POST
@login_required
def scheme_propose(request: HttpRequest, version: str) -> HttpResponse:
    """Ask that a draft be in force from a month on."""
    user, draft = _editor(request), _draft(version)
    try:
        propose_scheme(
            version=version,
            since=_month_start(posted_text(request, "since")),
            reason=posted_text(request, "reason"),
            actor=user,
            **_seen(request),
        )
    except InvalidInput as refusal:
        return _show(request, draft, refusal)
    messages.success(request, _("Proposed. A second assessor approves it."))
    return redirect("score_scheme", version=version)


def _month_start(name: str) -> datetime:
    try:
        period = parse_period(name)
    except BadPeriod as error:
        raise InvalidInput(str(error), fields={"since": _("choose a month")}) from error
    return period.start


@require_POST
@login_required
def scheme_withdraw(request: HttpRequest, version: str) -> HttpResponse:
    """Take a proposal back."""
    user, _found = _editor(request), _draft(version)
    withdraw_scheme(version=version, actor=user, **_seen(request))
    messages.success(request, _("The proposal is taken back."))
    return redirect("score_scheme", version=version)


@require_POST
@login_required
def scheme_approve(request: HttpRequest, version: str) -> HttpResponse:
    """Put a proposed version in force from its month."""
    user, draft = _editor(request), _draft(version)
    try:
        found = approve_scheme(version=version, actor=user, **_seen(request))
    except InvalidInput as refusal:
        return _show(request, draft, refusal)
    assert found.valid is not None
    words = period_words(month_of(found.valid.lower))
    messages.success(request, _("Approved: in force from %s on.") % words)
    return redirect("score_scheme", version=version)


@require_POST
@login_required
def scheme_drop(request: HttpRequest, version: str) -> HttpResponse:
    """Give a draft up."""
    user, _found = _editor(request), _draft(version)
    drop_scheme(version=version, actor=user, **_seen(request))
    messages.success(request, _("The draft is given up; it stays to be read."))
    return redirect("score_schemes")
