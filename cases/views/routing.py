"""Routing in the browser: the rules that hold now, and why a unit answers for a case."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import Action
from cases.errors import Refusal
from cases.forms.routing import ExplainForm
from cases.models import Case
from cases.selectors.place import locate
from cases.selectors.routing import Explanation, Standing, explain_case, explain_place
from cases.views.case import case_in_sight
from cases.views.rule_words import RuleLine, RuleNames
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User


def require_reader(user: User) -> None:
    """Answer that there is no such page to whoever may not read it."""
    if not policy.may_read_routing(user):
        raise Http404


# --- why this unit ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reason:
    """A rule that was considered, in the reader's words."""

    line: RuleLine
    standing: Standing
    units: str  # where it leads at this place
    words: str


@login_required
@require_safe
def routing_explain(request: UserRequest) -> HttpResponse:
    """Explain which unit answers for a case, or for a problem at a place, and why no other."""
    if not request.user.roles:
        raise Http404
    may_read = policy.may_read_routing(request.user)
    form = ExplainForm(request.GET or None, of_places=may_read)
    context: dict[str, Any] = {"form": form, "tab": "explain", "may_read": may_read}
    if form.is_bound and form.is_valid():
        context |= _explained(form, request.user)
    if may_read:
        context |= _asked_of_place(form, context.get("case"))
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "cases/routing/explain.html", context, status=status)


def _asked_of_place(form: ExplainForm, case: Case | None) -> dict[str, Any]:
    """Return the form that asks about a place: as it was sent, or filled from the case."""
    if case is not None and case.point is not None:
        asked: dict[str, Any] = {"lon": case.point.x, "lat": case.point.y}
        asked |= {"condition": case.condition_id, "source": case.source}
        form = ExplainForm(initial=asked, of_places=True)
    return {"place_form": form, "conditions": form.fields["condition"].queryset}  # type: ignore[attr-defined]  # a model's choice


def _explained(form: ExplainForm, user: User) -> dict[str, Any]:
    said = form.cleaned_data
    if said["case"]:
        return _explained_case(form, user)
    at = said["at"] or timezone.now()
    try:
        place = locate(said["lon"], said["lat"], at)
    except Refusal as refusal:
        form.add_error("lat", refusal.message)
        return {}
    condition = said["condition"]
    found = explain_place(place, condition, source=said["source"], at=at)
    return {"place": place, "condition": condition, **_told(found)}


def _explained_case(form: ExplainForm, user: User) -> dict[str, Any]:
    case = case_in_sight(user, form.cleaned_data["case"].strip().upper())
    if case is None:
        form.add_error("case", _("There is no such case that you may see."))
        return {}
    found = explain_case(case, at=form.cleaned_data["at"])
    if found is None:
        form.add_error("case", _("This case was not filed yet: no rule has been asked."))
        return {}
    return {"case": case, "condition": found.question.condition, **_told(found)}


def _told(found: Explanation) -> dict[str, Any]:
    """Return an explanation in words: the rules that match first, the deciding one on top."""
    names = RuleNames(at=found.at)
    reasons = [
        Reason(
            names.line(one.rule),
            one.standing,
            ", ".join(unit.name for unit in one.units),
            one.words,
        )
        for one in found.considered
    ]
    recorded = found.recorded
    return {
        "explanation": found,
        "matching": [one for one in reasons if one.standing != Standing.UNMATCHED],
        "others": [one for one in reasons if one.standing == Standing.UNMATCHED],
        "loads": [(unit, load, float(load.per_handler)) for unit, load in found.loads],
        "given": (names.unit(recorded.unit), Action(recorded.action).label) if recorded else None,
        "now": timezone.now(),
    }
