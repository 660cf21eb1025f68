"""The case page: facts, photos, history, and the actions the table allows this reader."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from cases import policy
from cases.choices import Action, Role
from cases.errors import Refusal
from cases.models import Attachment, Case, CityOptions, Event
from cases.selectors.beside import beside
from cases.selectors.duplicates import Candidate, candidates
from cases.selectors.hot_spots import of_case
from cases.selectors.locator import locator
from cases.selectors.recurrence import recurrence
from cases.selectors.row_words import hours_and_minutes, light_of, place_words
from cases.selectors.telephones import mask_telephones, said_to, sees_telephones
from cases.selectors.timeline import events_of
from cases.services.disclosure import disclose
from cases.services.moves import require_may_try, take_action
from cases.services.moves.merging import why_unfit
from cases.views.action_forms import (
    ActionForm,
    action_forms,
    offer_of,
    sent_action,
    sent_inputs,
    sent_key,
    sent_photos,
    sent_version,
    unoffered,
)
from cases.views.beside import facts, flags
from cases.views.case_tabs import tab_context, tab_of
from cases.views.dispatching import (
    After,
    after_giving,
    leads_on,
    lost_words,
    together_rows,
)
from cases.views.timeline import opinion_in, timeline
from cases.views.words import deadline_words, photos_of, rule_words
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

PANEL = "cases/case/_panel.html"
_REFUSALS = {
    "stale_case": gettext_lazy(
        "The case has moved on since you opened it. This is how it stands now."
    ),
    "move_not_allowed": gettext_lazy("This cannot be done to the case as it stands now."),
    "not_allowed": gettext_lazy("You may not do this to this case."),
    "not_found": gettext_lazy("There is no such case that you may see."),
    "busy": gettext_lazy("The system is busy. Nothing has changed; try again shortly."),
    "demo_month_filling": gettext_lazy("The demo data is being written. Try again shortly."),
    "bad_photo": gettext_lazy("The photo could not be stored."),
    "idempotency_key_reused": gettext_lazy("This form was already sent with other contents."),
}
_BEFORE = (Attachment.Kind.NEAR, Attachment.Kind.FAR)
# Whoever decides on a new report, or merges, is shown what may be the same thing.
_COMPARE = frozenset(
    {Action.ACCEPT, Action.DECLINE, Action.FILE, Action.DECLINE_FILING, Action.MERGE}
)


# --- views --------------------------------------------------------------------------------------


@login_required
@require_safe
def case_page(request: UserRequest, number: str) -> HttpResponse:
    """Show a case to those who may see it."""
    return _page(request, visible_case(request.user, number))


@login_required
@require_POST
def case_action(request: UserRequest, number: str) -> HttpResponse:
    """Take an action; a refusal shows the case as it stands, with the reason on top."""
    try:
        rows = together_rows(request)
        action = act_as_sent(request, number)
    except Case.DoesNotExist:
        raise Http404 from None
    except Refusal as refusal:
        return _page(request, visible_case(request.user, number), refusal)
    after = After([])
    if leads_on(action):
        inputs, key = sent_inputs(request, action), sent_key(request)
        after = after_giving(request, number, action, rows, inputs, key)
    told = [(True, done_words(number, action)), *after.told]
    if is_fragment(request):
        return _panel_after(request, number, told, after.next)
    for is_done, words in told:
        messages.add_message(request, messages.SUCCESS if is_done else messages.WARNING, words)
    if after.next is not None and "next" not in request.GET:
        return redirect(after.next)
    return redirect(_next(request, number))


def act_as_sent(request: UserRequest, number: str) -> Action:
    """Take the action of a form, and return it. Raises Case.DoesNotExist and Refusal."""
    user, action, key = request.user, sent_action(request), sent_key(request)
    storing = action if request.FILES else None
    require_may_try(number=number, action=storing, actor=user, key=key)
    take_action(
        number=number,
        action=action,
        actor=user,
        seen_version=sent_version(request),
        inputs=sent_inputs(request, action),
        photos=sent_photos(request, action),
        key=key,
    )
    return action


@login_required
@require_safe
def case_panel(request: UserRequest, number: str) -> HttpResponse:
    """Show a case beside a list: the page's parts without the page around them."""
    return render(request, PANEL, case_context(request, visible_case(request.user, number)))


@login_required
@require_POST
def case_disclose(request: UserRequest, number: str) -> HttpResponse:
    """Show the people of a case in full, once, after writing down who looked."""
    case = visible_case(request.user, number)
    tab_of(request, case)  # 404 before anything is written down
    disclose(case=case, reader=request.user)
    answer = _page(request, case, is_disclosed=True)
    answer["Cache-Control"] = "private, no-store"
    return answer


def is_fragment(request: UserRequest) -> bool:
    """Whether a part of a page was asked for, to stand in the page that is open."""
    return "HX-Request" in request.headers


def visible_case(user: User, number: str) -> Case:
    """Return the case if `user` may see it; else it does not exist."""
    case = case_in_sight(user, number)
    if case is None:
        raise Http404
    return case


def case_in_sight(user: User, number: str) -> Case | None:
    """Return the case with what its page shows, or None where `user` may not see it."""
    found = Case.objects.visible_to(user).select_related(
        "minor", "condition", "unit", "component", "handler"
    )
    return found.filter(number=number).first()


def _panel_after(
    request: UserRequest, number: str, told: list[tuple[bool, str]], following: Case | None
) -> HttpResponse:
    """Return the panel as the case stands after an action; empty once out of one's sight.

    The desk opens the case that follows by itself.
    """
    case = case_in_sight(request.user, number)
    context = case_context(request, case) if case else {}
    answer = render(request, PANEL, {**context, "told": told})
    heard: dict[str, Any] = {"case-changed": None}
    if following is not None:
        heard |= {"desk-next": {"number": following.number}}
    answer["HX-Trigger"] = json.dumps(heard)
    return answer


def _page(
    request: UserRequest,
    case: Case,
    refusal: Refusal | None = None,
    *,
    is_disclosed: bool = False,
) -> HttpResponse:
    status = refusal.status if refusal else 200
    context = case_context(request, case, refusal, is_disclosed=is_disclosed)
    if is_fragment(request):
        return render(request, PANEL, context, status=status)
    address = request.build_absolute_uri(case.get_absolute_url())
    context |= {"locator": locator(case), "address": address, "qr": _qr(address)}
    context |= tab_context(request, case, context)
    return render(request, "cases/case/page.html", context, status=status)


def _qr(address: str) -> SafeString:
    """Return the QR code of an address as an SVG for the printed page."""
    code = segno.make_qr(address, error="m")
    return mark_safe(code.svg_inline(border=0, omitsize=True))  # noqa: S308  # an image of ours


def case_context(
    request: UserRequest,
    case: Case,
    refusal: Refusal | None = None,
    *,
    is_disclosed: bool = False,
) -> dict[str, Any]:
    """Return what the page and the panel show of a case; its people in full once disclosed."""
    now, events, user = timezone.now(), events_of(case), request.user
    said_fully = str if is_disclosed else said_to(user, case)
    options, rows = CityOptions.objects.get(), beside(case, user)
    said = {name: ",".join(request.POST.getlist(name)) for name in request.POST}
    forms = action_forms(
        user,
        case,
        rows=rows,
        said=said if refusal else {},
        hints=refusal.fields if refusal else {},
        events=events,
    )
    return {
        "case": case,
        "light": light_of(case, at=now),
        "flags": flags(case, rows, options, at=now),
        "place": place_words(case, at=now),
        "rule": rule_words(case, events),
        "description": said_fully(case.description),
        "beside": facts(case, rows, user, is_disclosed=is_disclosed),
        "may_disclose": not is_disclosed and _may_disclose(user, case, events),
        "is_disclosed": is_disclosed,
        "supports": sum(event.action == Action.SUPPORT for event in events),
        "photos": _photo_groups(case),
        "duplicates": _duplicates(case, user, forms, options),
        "recurrence": recurrence(case, user, events, at=now),
        "hot_spot": of_case(user, case, today=timezone.localdate(now)),
        "photos_late": case.photos_late(at=now),
        "deadlines": deadline_words(case, events),
        "events": events,
        "now": now,
        "lines": timeline(events, user, said=said_fully),
        "offer": offer_of(forms, case),
        "unoffered": unoffered(user, case, rows),
        "next": request.GET.get("next", ""),
        "refusal": refusal,
        "refusal_words": _refused(request, refusal, case, events) if refusal else "",
        "refusal_hints": _unplaced(refusal, forms) if refusal else [],
    }


def _may_disclose(user: User, case: Case, events: list[Event]) -> bool:
    """Whether something of this case is hidden that `user` may have shown."""
    if sees_telephones(user, case) or policy.discloses_as(user, case) is None:
        return False
    said = [case.description, *(opinion_in(event) for event in events)]
    return bool(case.contact) or any(mask_telephones(text) != text for text in said)


def _photo_groups(case: Case) -> dict[str, Any]:
    """Return the photos before and after handling, and apart from them those of looking at it."""
    photos = photos_of(case)
    return {
        "before": [photo for photo in photos if photo.kind in _BEFORE],
        "after": [photo for photo in photos if photo.kind == Attachment.Kind.AFTER],
        "others": [
            photo for photo in photos if photo.kind not in (*_BEFORE, Attachment.Kind.AFTER)
        ],
    }


@dataclass(frozen=True)
class Twin:
    """A case that may be the same thing, with the form that merges this one into it."""

    candidate: Candidate
    age: str
    key: uuid.UUID | None  # none where the reader may not merge


def _duplicates(
    case: Case, user: User, forms: list[ActionForm], options: CityOptions
) -> list[Twin]:
    offered = {form.action for form in forms}
    if _COMPARE.isdisjoint(offered):
        return []
    may_merge = Action.MERGE in offered
    return [
        Twin(
            candidate,
            hours_and_minutes(int(candidate.age.total_seconds())),
            uuid.uuid4() if may_merge and not why_unfit(case, candidate.case) else None,
        )
        for candidate in candidates(case, user, options)
    ]


def _unplaced(refusal: Refusal, forms: list[ActionForm]) -> list[str]:
    """Return the hints of a refusal that no open field shows."""
    shown = {field.name for form in forms if form.is_open for field in form.fields}
    return [hint for name, hint in refusal.fields.items() if name not in shown]


def done_words(number: str, action: Action) -> str:
    """Return that an action was taken, in the reader's language."""
    return _("%(number)s: %(action)s – done.") % {"number": number, "action": action.label}


def refusal_words(refusal: Refusal) -> str:
    """Return a refusal as one sentence; two are said otherwise to a person than to a program."""
    is_ours = refusal.code in ("stale_case", "idempotency_key_reused")
    return code_words(refusal.code) if is_ours else refusal.message


def _refused(request: UserRequest, refusal: Refusal, case: Case, events: list[Event]) -> str:
    """Return a refusal as one sentence; who was first, where two dispatched at once."""
    is_dispatch = request.POST.get("action") == Action.DISPATCH
    if is_dispatch and refusal.code in ("stale_case", "move_not_allowed"):
        return lost_words(case, events) or refusal_words(refusal)
    return refusal_words(refusal)


def code_words(code: str) -> str:
    """Return what the code of a refusal says to a person."""
    return str(_REFUSALS.get(code, _("Something is missing or wrong in the form.")))


def _next(request: UserRequest, number: str) -> str:
    """Return where to go on: the page asked for, the case, or home when it left one's sight."""
    wanted = request.GET.get("next", "")
    if wanted and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    case = Case.objects.visible_to(request.user).filter(number=number).first()
    if case is not None:
        return case.get_absolute_url()
    return "unit_inbox" if request.user.holds(Role.UNIT, Role.UNIT_HEAD) else "home"
