"""Drafts of routing rules: list, change, look at what would go elsewhere, publish, drop."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cases import policy
from cases.choices import LimitUnit, Source
from cases.errors import Refusal
from cases.forms.routing import DraftForm, RuleForm, said_of
from cases.models import (
    Change,
    Condition,
    DraftRule,
    Responsibility,
    RoutingDraft,
    UnitKind,
    WorkingTime,
)
from cases.selectors.rule_book import RuleBook, rules_at, rules_with
from cases.selectors.rule_conflicts import conflicts
from cases.services.routing import drop_draft, open_draft, put_rule, remove_rule, take_back
from cases.views.case_list import Options, class_options, unit_options
from cases.views.routing import require_reader
from cases.views.rule_words import RuleLine, RuleNames, conflict_rows
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

ENDED_SHOWN = 100


def require_editor(user: User) -> None:
    """Refuse who may not change rules; to who may not read them there is no such page."""
    require_reader(user)
    if not policy.may_edit_routing(user):
        raise PermissionDenied


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def routing_drafts(request: UserRequest) -> HttpResponse:
    """List the drafts, the open ones first; an administrator opens another."""
    require_reader(request.user)
    form = DraftForm()
    if request.method == "POST":
        require_editor(request.user)
        form = DraftForm(request.POST)
        if form.is_valid():
            draft = open_draft(**form.cleaned_data, actor=request.user)
            return redirect("routing_draft", draft.pk)
    drafts = RoutingDraft.objects.annotate(changes=Count("rules")).select_related("author")
    ended = drafts.exclude(published_at=None, dropped_at=None)
    context = {
        **page_of(request.user),
        "form": form,
        "open": drafts.open(),
        "ended": ended[:ENDED_SHOWN],
    }
    status = 422 if form.errors else 200
    return render(request, "cases/routing/drafts.html", context, status=status)


def page_of(user: User) -> dict[str, Any]:
    """Return what every page of drafts shows."""
    return {"tab": "drafts", "may_read": True, "may_edit": policy.may_edit_routing(user)}


# --- a draft ------------------------------------------------------------------------------------


@login_required
@require_safe
def routing_draft(request: UserRequest, draft_id: int) -> HttpResponse:
    """Show a draft: what it changes, each rule before and after, and what became of it."""
    require_reader(request.user)
    draft = draft_of(draft_id)
    return render(request, "cases/routing/draft.html", draft_context(request.user, draft))


def draft_of(pk: int) -> RoutingDraft:
    """Return a draft with those who wrote and ended it; else there is no such page."""
    people = ("author", "published_by", "dropped_by")
    return get_object_or_404(RoutingDraft.objects.select_related(*people), pk=pk)


def draft_context(user: User, draft: RoutingDraft) -> dict[str, Any]:
    """Return what the pages of one draft show."""
    now = timezone.now()
    names = RuleNames(at=now)
    changes = list(draft.rules.select_related("base"))
    found = conflicts(RuleBook(rules_with(draft, rules_at(now)))) if draft.is_open else []
    return {
        **page_of(user),
        "draft": draft,
        "may_change": policy.may_edit_routing(user) and draft.is_open,
        "changes": [change_row(change, names) for change in changes],
        "conflicts": conflict_rows(found, names),
    }


def change_row(change: DraftRule, names: RuleNames) -> dict[str, Any]:
    """Return a change in words: each part of the rule as it is and as it would be."""
    before = names.line(change.base) if change.base else None
    after = None if change.change == Change.REMOVE else names.line(change)
    return {"change": change, "parts": _parts(before, after)}


def _parts(before: RuleLine | None, after: RuleLine | None) -> list[tuple[str, str, str]]:
    """Return (what, as it is, as it would be) for each part that is said."""
    told: dict[str, Callable[[RuleLine], str]] = {
        _("Unit"): lambda line: line.unit,
        _("Class"): lambda line: line.category,
        _("Area"): lambda line: line.area,
        _("Further"): lambda line: ", ".join(line.further),
        _("Capacity"): lambda line: line.rank,
        _("Reason"): lambda line: line.rule.reason,
    }
    rows = [
        (what, say(before) if before else "", say(after) if after else "")
        for what, say in told.items()
    ]
    return [row for row in rows if row[1] or row[2]]


@login_required
@require_POST
def routing_drop(request: UserRequest, draft_id: int) -> HttpResponse:
    """Drop a draft; it stays readable, and the rules stay as they are."""
    require_editor(request.user)
    draft = draft_of(draft_id)
    try:
        drop_draft(draft_id=draft.pk, actor=request.user)
    except Refusal as refusal:
        return refused(request, draft, refusal)
    messages.success(request, _("The draft “%(title)s” is dropped.") % {"title": draft.title})
    return redirect("routing_drafts")


def refused(request: UserRequest, draft: RoutingDraft, refusal: Refusal) -> HttpResponse:
    """Show the draft as it stands now, with the reason on top."""
    context = draft_context(request.user, draft_of(draft.pk))
    context["refusal"] = refusal.message
    return render(request, "cases/routing/draft.html", context, status=refusal.status)


# --- a rule of it -------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def routing_rule(request: UserRequest, draft_id: int) -> HttpResponse:
    """Show a rule as a draft would have it, in a form; add, replace or remove it, or undo that."""
    require_editor(request.user)
    draft = draft_of(draft_id)
    code = request.GET.get("rule", "")
    change = draft.rules.filter(code=code).first()
    live = Responsibility.objects.filter(code=code, valid__contains=timezone.now()).first()
    if code and change is None and live is None:
        raise Http404
    conditions = list(
        Condition.objects.filter(is_active=True, minor__is_active=True)
        .select_related("minor")
        .order_by("minor__order", "no")
    )
    choices = rule_choices(conditions)
    form = RuleForm(initial=_initial(change, live), choices=choices, is_new=not code)
    refusal = None
    if request.method == "POST":
        form = RuleForm(request.POST, choices=choices, is_new=not code)
        try:
            if done := _change(request, draft, code, form):
                messages.success(request, done)
                return redirect("routing_draft", draft.pk)
        except Refusal as refused_:
            refusal = refused_
            if form.is_valid():
                form.refuse(refusal)
    context = {
        **page_of(request.user),
        "draft": draft,
        "form": form,
        "code": code,
        "change": change,
        "live": live,
        "refusal": refusal,
        "conditions": conditions,
    }
    status = refusal.status if refusal else 422 if form.errors else 200
    return render(request, "cases/routing/rule.html", context, status=status)


def _initial(change: DraftRule | None, live: Responsibility | None) -> dict[str, Any]:
    rule = change or live
    return said_of(rule) if rule else {}


def _change(request: UserRequest, draft: RoutingDraft, code: str, form: RuleForm) -> str:
    """Do what the pressed button says; returns what was done, empty where the form is wrong."""
    here: dict[str, Any] = {"draft_id": draft.pk, "actor": request.user}
    if "forget" in request.POST:
        take_back(code=code, **here)
        return _("%(rule)s stays as it is.") % {"rule": code}
    if "remove" in request.POST:
        remove_rule(code=code, **here)
        return _("%(rule)s is removed in this draft.") % {"rule": code}
    if not form.is_valid():
        return ""
    if not code and _is_known(form.cleaned_data["code"], draft):
        form.add_error("code", _("There is a rule of this code. Choose it to change it."))
        return ""
    code = code or form.cleaned_data["code"]
    put_rule(code=code, terms=form.terms(), **here)
    return _("%(rule)s is changed in this draft.") % {"rule": code}


def _is_known(code: str, draft: RoutingDraft) -> bool:
    """Whether a rule of this code is live, or stands in the draft."""
    live = Responsibility.objects.filter(code=code, valid__contains=timezone.now())
    return live.exists() or draft.rules.filter(code=code).exists()


def rule_choices(conditions: Iterable[Condition]) -> dict[str, Sequence[tuple[str, Any]]]:
    """Return what a rule's fields are chosen from, in the reader's words."""
    names = RuleNames(at=timezone.now())
    districts = {slug: one.short_name for slug, one in names.districts.items()}
    streets: dict[str, list[tuple[str, str]]] = {}
    for code, name in sorted(names.streets.items()):
        streets.setdefault(names.counties.get(code[:6], code[:6]), []).append((code, name))
    return {
        "category": _grouped(class_options(), _("every class")),
        "condition": [("", _("any condition")), *((one.code, one.text) for one in conditions)],
        "problem_class": [("", _("any problem")), *names.problems.items()],
        "severity": [("", _("any limit")), *LimitUnit.choices],
        "county": [("", _("any county")), *names.counties.items()],
        "district": [("", _("any district")), *districts.items()],
        "street_code": [("", _("any street")), *streets.items()],
        "source": [("", _("any source")), *Source.choices],
        "working_time": [("", _("any time")), *WorkingTime.choices],
        "unit_kind": [("", _("no kind: one unit")), *UnitKind.choices],
        "unit": _grouped(unit_options(districts), _("no one unit: by kind")),
    }


def _grouped(options: Options, first: str) -> list[tuple[str, Any]]:
    """Return options as a form field takes them, led by what says nothing."""
    rows: list[tuple[str, Any]] = [("", first)]
    for group, held in options:
        rows.extend([(group, held)] if group else held)
    return rows
