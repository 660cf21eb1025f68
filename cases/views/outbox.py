"""Work that follows changes and is not done: where it stands, and what is to become of it."""

from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from cases import policy
from cases.choices import CITY
from cases.errors import InvalidInput
from cases.models import District, Effect
from cases.selectors.outbox import STANDINGS, count_open, effects_in, rulings_in
from cases.services.rulings import MOST_ROWS, Ruling, rule
from cityops.accounts.http import UserRequest

RULINGS_SHOWN = 50
STANDING_WORDS = {
    "waiting": gettext_lazy("waiting for a person"),
    "dead": gettext_lazy("given up"),
    "needs_review": gettext_lazy("outcome unknown"),
    "parked": gettext_lazy("parked"),
    "due": gettext_lazy("to be done"),
    "discarded": gettext_lazy("discarded"),
}
KIND_WORDS = {
    "dispatch": gettext_lazy("dispatch a case"),
    "ask_again": gettext_lazy("dispatch by changed rules"),
    "canary": gettext_lazy("sign of life of a queue"),
    "scan_deadlines": gettext_lazy("look at the deadlines"),
    "delete_old_ticks": gettext_lazy("delete what has served its time"),
    "draw_samples": gettext_lazy("weekly draws"),
    "recompute_deadlines": gettext_lazy("recompute deadlines"),
    "task": gettext_lazy("message for a newer version"),
    "notify": gettext_lazy("tell people"),
    "send": gettext_lazy("send a notice out"),
    "send_test": gettext_lazy("send a test"),
    "alarm": gettext_lazy("tell the shift lead of an alarm"),
    "watch_desk": gettext_lazy("look at the alarms of the desk"),
    "reply": gettext_lazy("reply to the hotline"),
    "photo": gettext_lazy("make a photo ready"),
    "screenshot": gettext_lazy("make a screenshot ready"),
    "sweep_photos": gettext_lazy("delete uploads nobody needs"),
    "finding": gettext_lazy("bring in a finding on site"),
    "export": gettext_lazy("write a list as a file"),
    "sweep_exports": gettext_lazy("delete files that are a week old"),
    "reconcile_minute": gettext_lazy("reconcile, each minute"),
    "reconcile_nightly": gettext_lazy("reconcile, nightly"),
    "advance_rollup": gettext_lazy("count for heat and trend"),
    "keep_scores": gettext_lazy("keep scores at hand"),
    "tell_of_closings": gettext_lazy("tell of periods that closed"),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def outbox(request: UserRequest) -> HttpResponse:
    """Show dispatchers and administrators the effects of their scopes, and take their rulings."""
    scopes = policy.outbox_scopes(request.user)
    if not scopes:
        raise Http404
    if request.method == "POST":
        return _rule(request, scopes)
    return _page(request, scopes)


def _page(
    request: UserRequest, scopes: frozenset[str], *, error: str = "", status: int = 200
) -> HttpResponse:
    standing = request.GET.get("standing", "")
    if standing not in STANDINGS:
        standing = next(iter(STANDINGS))
    scope, kind = request.GET.get("scope"), request.GET.get("kind", "")
    wanted = scopes & {scope} if scope is not None else scopes
    names = _scope_names(scopes)
    found = effects_in(wanted, standing=standing, kind=kind)
    chosen = set(request.POST.getlist("rows"))
    context: dict[str, Any] = {
        "lines": [
            {**line, "name": names[line["scope"]], "words": kind_words(line["kind"])}
            for line in count_open(scopes)
        ],
        "rows": [_row(effect, names, chosen) for effect in _listed(found)],
        "count": found.count(),
        "most": MOST_ROWS,
        "is_ruled_on": standing not in ("due", "discarded"),
        "standing": standing,
        "standings": STANDING_WORDS,
        "scope": scope,
        "names": names,
        "kind": kind,
        "narrowed": " · ".join(
            filter(
                None, [names.get(scope or "", "") if scope is not None else "", kind_words(kind)]
            )
        ),
        "rulings": _rulings(scopes, names),
        "reason": request.POST.get("reason", ""),
        "error": error,
        "at": timezone.now(),
    }
    return render(request, "cases/outbox/page.html", context, status=status)


def _narrowed(scope: str | None, kind: str, names: dict[str, str]) -> str:
    """Return in words what the list is narrowed to."""
    parts = [names.get(scope, scope)] if scope is not None else []
    return " · ".join([*parts, *([kind_words(kind)] if kind else [])])


def _listed(found: Any) -> list[Effect]:
    rows = found.select_related("case").prefetch_related("effectruling_set__by")
    return list(rows[:MOST_ROWS])


def _row(effect: Effect, names: dict[str, str], chosen: Collection[str]) -> dict[str, Any]:
    is_parked = effect.state == Effect.State.DUE and effect.parked_at is not None
    key = f"{effect.pk}:{effect.runs}"
    return {
        "effect": effect,
        "key": key,
        "is_chosen": key in chosen,
        "scope": names[effect.scope],
        "kind": kind_words(effect.kind),
        "stands": STANDING_WORDS["parked" if is_parked else effect.state],
        "error": _("No worker in service knows this kind of work.")
        if is_parked
        else effect.last_error,
        "rulings": sorted(effect.effectruling_set.all(), key=lambda ruling: ruling.pk),
    }


def _rulings(scopes: Collection[str], names: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "ruling": ruling,
            "scope": names[ruling.effect.scope],
            "kind": kind_words(ruling.effect.kind),
            "was": STANDING_WORDS["parked" if ruling.state == "due" else ruling.state],
            "now": ruling.effect.get_state_display(),
        }
        for ruling in rulings_in(scopes)[:RULINGS_SHOWN]
    ]


def kind_words(kind: str) -> str:
    """Return what a kind of work is called; one this version does not know as it stands."""
    return str(KIND_WORDS.get(kind, kind))


def _scope_names(scopes: Collection[str]) -> dict[str, str]:
    districts = {district.pk: district.name for district in District.objects.all()}
    names = {**districts, CITY: _("whole city"), "": _("the system itself")}
    return {scope: names.get(scope, scope) for scope in sorted(scopes)}


# --- ruling -------------------------------------------------------------------------------------


def _rule(request: UserRequest, scopes: frozenset[str]) -> HttpResponse:
    name, rows = request.POST.get("ruling", ""), _sent_rows(request)
    if name not in Ruling:
        raise InvalidInput(f"There is no ruling {name!r}.")
    if not rows:
        return _page(request, scopes, error=_("Nothing was chosen."), status=422)
    ruling, reason, by = Ruling(name), request.POST.get("reason", ""), request.user
    try:
        done = sum(
            rule(effect_id=pk, seen_runs=runs, ruling=ruling, reason=reason, actor=by)
            for pk, runs in rows
        )
    except InvalidInput as refusal:  # of the reason, so before anything was done
        return _page(request, scopes, error=refusal.message, status=422)
    _tell(request, ruling, done, len(rows) - done)
    return redirect(request.get_full_path())


def _tell(request: UserRequest, ruling: Ruling, done: int, moved_on: int) -> None:
    if ruling == Ruling.REDRIVE:
        told = ngettext("%(n)d is run again.", "%(n)d are run again.", done)
    else:
        told = ngettext("%(n)d was discarded.", "%(n)d were discarded.", done)
    if done:
        messages.success(request, told % {"n": done})
    if moved_on:
        late = ngettext(
            "%(n)d had moved on and was left alone.",
            "%(n)d had moved on and were left alone.",
            moved_on,
        )
        messages.warning(request, late % {"n": moved_on})


def _sent_rows(request: UserRequest) -> list[tuple[int, int]]:
    """Return the rows, each sent as its key and how often it had run."""
    rows = []
    for text in dict.fromkeys(request.POST.getlist("rows")):
        parts = text.split(":")
        if len(parts) != 2 or not all(p.isascii() and p.isdigit() and len(p) < 10 for p in parts):
            raise InvalidInput("A row is a key and a number of runs.")
        rows.append((int(parts[0]), int(parts[1])))
    if len(rows) > MOST_ROWS:
        raise InvalidInput(f"At most {MOST_ROWS} are ruled on at once.")
    return rows
