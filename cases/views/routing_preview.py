"""What a draft of routing rules would change, before it goes live; and publishing it."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from cases.errors import Refusal
from cases.forms.routing import PublishForm
from cases.models import RoutingDraft
from cases.selectors.dry_run import Answer, DryRun, Tried, dry_run_kept
from cases.selectors.responsibility import Found
from cases.services.routing import publish_draft
from cases.views.case_list import Select
from cases.views.routing import require_reader
from cases.views.routing_drafts import draft_context, draft_of, require_editor
from cases.views.rule_words import RuleNames
from cityops.accounts.http import UserRequest

SPANS = (7, 30, 90)  # days
USUAL_SPAN = 30
ROWS_SHOWN = 100
_FILTERS = ("was", "goes", "rule", "district", "minor")


@dataclass(frozen=True)
class Moved:
    """A case that would go elsewhere, in the reader's words and by the values it is filtered by."""

    case: Tried
    was: str  # unit codes, empty for none
    goes: str
    was_words: str
    goes_words: str
    rule: str  # the one that decides then, else the one that decided before
    district: str
    minor: str
    condition: str

    def answers_to(self, asked: dict[str, str]) -> bool:
        """Whether it is what the filters ask for; a dash stands for no unit."""
        values = {
            "was": self.was or "-",
            "goes": self.goes or "-",
            "rule": self.rule,
            "district": self.case.question.district,
            "minor": self.case.question.condition.minor_id,
        }
        return all(values[name] == value for name, value in asked.items())


@login_required
@require_safe
def routing_preview(request: UserRequest, draft_id: int) -> HttpResponse:
    """Show exactly the cases of the last days that would go elsewhere, or send them as CSV."""
    require_reader(request.user)
    draft = draft_of(draft_id)
    if not draft.is_open:
        return redirect("routing_draft", draft.pk)
    if request.GET.get("file") == "csv":
        run, names = _run(request, draft), RuleNames(at=timezone.now())
        return _file(draft, _chosen(_rows(run, names), _asked(request)))
    return _page(request, draft)


@login_required
@require_POST
def routing_publish(request: UserRequest, draft_id: int) -> HttpResponse:
    """Make the rules of a draft live, if they are still those whose preview was looked at."""
    require_editor(request.user)
    draft = draft_of(draft_id)
    form = PublishForm(request.POST)
    if not form.is_valid():
        return _page(request, draft, form, status=422)
    try:
        publish_draft(draft_id=draft.pk, **form.cleaned_data, actor=request.user)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return _page(request, draft_of(draft_id), form, status=refusal.status)
    messages.success(request, _("“%(title)s” is live.") % {"title": draft.title})
    return redirect("routing_draft", draft.pk)


def _page(
    request: UserRequest, draft: RoutingDraft, form: PublishForm | None = None, *, status: int = 200
) -> HttpResponse:
    asked = _asked(request)
    context = draft_context(request.user, draft)
    run, names = _run(request, draft), RuleNames(at=timezone.now())
    rows = _rows(run, names)
    chosen = _chosen(rows, asked)
    named = {"days": str(_span(request)), **asked}
    context |= {
        "run": run,
        "days": _span(request),
        "spans": SPANS,
        "asked": asked,
        "address": "?" + urlencode(named),
        "selects": _selects(rows, asked),
        "units": [(one, names.unit(one.unit.code)) for one in run.units],
        "count": len(chosen),
        "page": Paginator(chosen, ROWS_SHOWN).get_page(request.GET.get("page")),
        "form": form or PublishForm(),
    }
    return render(request, "cases/routing/preview.html", context, status=status)


def _run(request: UserRequest, draft: RoutingDraft) -> DryRun:
    return dry_run_kept(draft, days=_span(request), user=request.user)


def _span(request: HttpRequest) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked in map(str, SPANS) else USUAL_SPAN


def _asked(request: HttpRequest) -> dict[str, str]:
    asked = {name: request.GET.get(name, "").strip() for name in _FILTERS}
    return {name: value for name, value in asked.items() if value}


# --- rows ---------------------------------------------------------------------------------------


def _rows(run: DryRun, names: RuleNames) -> list[Moved]:
    return [_row(one, names) for one in run.moved]


def _row(one: Tried, names: RuleNames) -> Moved:
    condition = one.question.condition
    district = names.districts.get(one.question.district)
    return Moved(
        case=one,
        was=_unit_of(one.before),
        goes=_unit_of(one.after),
        was_words=_end_words(one.before, names),
        goes_words=_end_words(one.after, names),
        rule=_rule_of(one.after) or _rule_of(one.before),
        district=district.short_name if district else one.question.district,
        minor=condition.minor.name,
        condition=condition.text,
    )


def _unit_of(answer: Answer) -> str:
    return answer.unit.code if isinstance(answer, Found) else ""


def _rule_of(answer: Answer) -> str:
    return answer.rule if isinstance(answer, Found) else ""


def _end_words(answer: Answer, names: RuleNames) -> str:
    if isinstance(answer, Found):
        return names.unit(answer.unit.code)
    if answer.conflict:
        units = {unit: names.unit(unit) for _rule, unit in answer.conflict}
        return _("no unit: %(units)s disagree") % {"units": " / ".join(units.values())}
    return _("no unit")


def _chosen(rows: Iterable[Moved], asked: dict[str, str]) -> list[Moved]:
    return [row for row in rows if row.answers_to(asked)]


def _selects(rows: list[Moved], asked: dict[str, str]) -> list[Select]:
    """Return the filters: each offers what occurs among the cases, the most frequent first."""
    none = _("no unit")
    values = {
        "was": (_("From unit"), [(r.was or "-", r.was_words if r.was else none) for r in rows]),
        "goes": (_("To unit"), [(r.goes or "-", r.goes_words if r.goes else none) for r in rows]),
        "rule": (_("Rule"), [(r.rule, r.rule) for r in rows]),
        "district": (
            _("District or county"),
            [(r.case.question.district, r.district) for r in rows],
        ),
        "minor": (_("Class"), [(r.case.question.condition.minor_id, r.minor) for r in rows]),
    }
    return [
        Select(name, label, asked.get(name, ""), [("", _counted(held))], _("all"))
        for name, (label, held) in values.items()
    ]


def _counted(held: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(value, f"{words} ({n})") for (value, words), n in Counter(held).most_common()]


def _file(draft: RoutingDraft, rows: Iterable[Moved]) -> HttpResponse:
    """Return the rows as a CSV file a spreadsheet opens right: UTF-8 with a byte order mark."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="routing-draft-{draft.pk}.csv"'
    sheet = csv.writer(response)
    sheet.writerow(
        capfirst(word)
        for word in (
            *(
                _("Case number"),
                _("Filed"),
                _("District or county"),
                _("Class"),
                _("Filing condition"),
            ),
            *(_("From unit"), _("To unit"), _("Rule")),
        )
    )
    for row in rows:
        filed = timezone.localtime(row.case.filed_at)
        sheet.writerow(
            [
                *(row.case.number, f"{filed:%Y-%m-%d %H:%M}", row.district, row.minor),
                *(row.condition, row.was_words, row.goes_words, row.rule),
            ]
        )
    return response
