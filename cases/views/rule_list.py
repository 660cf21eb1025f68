"""The rules of routing that hold now, those that conflict, and the open cases without a unit."""

from datetime import datetime
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from cases import policy
from cases.models import Case, District, Rank, Responsibility, RoutingDraft, Unit
from cases.selectors.rule_book import RuleBook, rules_at
from cases.selectors.rule_conflicts import MOST_WAITING, conflicts, count_unrouted, unrouted_cases
from cases.views.case_list import Select, class_options, unit_options
from cases.views.routing import require_reader
from cases.views.rule_words import RuleNames, conflict_rows
from cityops.accounts.http import UserRequest

RULES_SHOWN = 50
MOST_UNROUTED = 50
_MAJOR = 2  # digits of a major class
_FILTERS = ("q", "category", "district", "unit", "rank")


@login_required
@require_safe
def routing(request: UserRequest) -> HttpResponse:
    """Show the rules that hold now, filtered, below what a dispatcher must know of them."""
    require_reader(request.user)
    now = timezone.now()
    asked = asked_of(request)
    names = RuleNames(at=now)
    page = Paginator(matching(asked, at=now), RULES_SHOWN).get_page(request.GET.get("page"))
    book = RuleBook(rules_at(now))
    seen = Case.objects.all().visible_to(request.user)
    unrouted = unrouted_cases(seen, book, at=now)
    context = {
        "tab": "rules",
        "may_read": True,
        "may_edit": policy.may_edit_routing(request.user),
        "page": page,
        "lines": names.lines(page.object_list),
        "selects": _selects(asked),
        "asked": asked,
        "address": "?" + urlencode({k: v for k, v in asked.items() if v}),
        "conflicts": conflict_rows(conflicts(book, unrouted), names),
        "unrouted": [one.case for one in unrouted[:MOST_UNROUTED]],
        "unrouted_count": count_unrouted(seen) if len(unrouted) == MOST_WAITING else len(unrouted),
        "most_asked": MOST_WAITING,
        "drafts": RoutingDraft.objects.open() if policy.may_edit_routing(request.user) else [],
        "at": now,
    }
    return render(request, "cases/routing/rules.html", context)


def asked_of(request: HttpRequest) -> dict[str, str]:
    """Return the filters that are set."""
    asked = {name: request.GET.get(name, "").strip()[:100] for name in _FILTERS}
    return {name: value for name, value in asked.items() if value}


def matching(asked: dict[str, str], *, at: datetime) -> QuerySet[Responsibility]:
    """Return the rules valid at `at` that may apply to what is asked for.

    A wider rule applies to a class or a district too, so it is shown with the narrower ones.
    """
    rules = Responsibility.objects.filter(valid__contains=at).order_by("code")
    if words := asked.get("q"):
        rules = rules.filter(
            Q(code__icontains=words) | Q(reason_zh__contains=words) | Q(reason_en__icontains=words)
        )
    if rank := asked.get("rank"):
        rules = rules.filter(rank=rank)
    if category := asked.get("category"):
        rules = rules.filter(_may_apply_to(category))
    if district := District.objects.filter(slug=asked.get("district", "")).first():
        rules = rules.filter(
            Q(district=None) | Q(district=district), county__in=("", district.county)
        )
    if unit := Unit.objects.filter(code=asked.get("unit", "")).first():
        rules = rules.filter(Q(unit=unit) | Q(unit_kind=unit.kind))
    return rules


def _may_apply_to(category: str) -> Q:
    """Return the condition of applying to a kind, a major class, or a minor class."""
    kind, _dash, code = category.partition("-")
    found = Q(kind__in=("", kind))
    if code:
        found &= Q(major_code__in=("", code[:_MAJOR]))
    if len(code) > _MAJOR:
        found &= Q(minor=None) | Q(minor=category)
    return found


def _selects(asked: dict[str, str]) -> list[Select]:
    districts = {one.slug: one.short_name for one in District.objects.all()}
    options = {
        "category": (_("Class"), class_options(), _("any class")),
        "district": (_("District or county"), [("", [*districts.items()])], _("all districts")),
        "unit": (_("Unit"), unit_options(districts), _("any unit")),
        "rank": (_("Capacity"), [("", [(v, str(w)) for v, w in Rank.choices])], _("any capacity")),
    }
    return [
        Select(name, label, asked.get(name, ""), rows, first)
        for name, (label, rows, first) in options.items()
    ]
