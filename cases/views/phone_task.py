"""One task on the phone: what to look at or to handle, where, and the answer to it."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from cases.choices import Action, Role
from cases.errors import Refusal, StaleCase
from cases.forms import AnswerForm
from cases.models import Attachment, Case, Event, Task
from cases.selectors.locator import locator
from cases.selectors.recurrence import recurrence
from cases.selectors.row_words import place_words
from cases.selectors.telephones import said_to
from cases.selectors.timeline import events_of
from cases.services.moves import take_action
from cases.views.case import act_as_sent, case_context, case_in_sight, done_words
from cases.views.timeline import opinion_in, timeline
from cases.views.words import DOUBT_WORDS, REASON_WORDS, light_of_task, photos_of
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

REASONED = (Action.DECLINE, Action.DECLINE_FILING)
_BEFORE = (Attachment.Kind.NEAR, Attachment.Kind.FAR, Attachment.Kind.VERIFY)
_UNIT_ROLES = (Role.UNIT, Role.UNIT_HEAD)


@dataclass(frozen=True)
class Asked:
    """What a task of one kind asks, as the phone says it; `sent_by` is how it was asked."""

    sent_by: Action
    action: Action
    verb: str | Promise
    question: str | Promise


ASKED = {
    Task.Kind.VERIFY: Asked(
        Action.SEND_VERIFY,
        Action.ANSWER_VERIFY,
        gettext_lazy("Verify"),
        gettext_lazy("Is it so on site?"),
    ),
    Task.Kind.CHECK: Asked(
        Action.SEND_CHECK,
        Action.ANSWER_CHECK,
        gettext_lazy("Check"),
        gettext_lazy("Was it handled as it should be?"),
    ),
    Task.Kind.AUDIT_CLOSURE: Asked(
        Action.AUDIT_CLOSURE,
        Action.ANSWER_AUDIT,
        gettext_lazy("Audit"),
        gettext_lazy("Was it closed rightly?"),
    ),
    Task.Kind.AUDIT_DECLINE: Asked(
        Action.AUDIT_DECLINE,
        Action.ANSWER_AUDIT,
        gettext_lazy("Audit"),
        gettext_lazy("Was it declined rightly?"),
    ),
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_task(request: UserRequest, number: str) -> HttpResponse:
    """Show what is asked of an inspector at a place, or a case to those who handle it.

    What they answer leads home.
    """
    task = _my_task(request.user, number)
    if task is not None and task.answered_at is None:
        return _asked(request, task)
    if request.user.holds(*_UNIT_ROLES) and case_in_sight(request.user, number):
        return _held(request, number)
    if task is not None:
        return _asked(request, task)
    return render(request, "cases/phone/no_task.html", status=404)


# --- what an inspector is asked -----------------------------------------------------------------


def _asked(request: UserRequest, task: Task) -> HttpResponse:
    if request.method == "POST":
        return _answer(request, task)
    initial = {"key": uuid.uuid4(), "seen_version": task.case.version}
    return _task_page(request, task, _form(request, task, initial=initial), status=200)


def _my_task(user: User, number: str) -> Task | None:
    """Return the last task about this case that was sent to `user`, answered or not."""
    tasks = Task.objects.of(user).filter(case__number=number)
    seen = tasks.filter(case__in=Case.objects.visible_to(user))
    seen = seen.select_related("case__minor", "case__condition", "case__unit")
    return seen.order_by("-sent_at", "-pk").first()


def _form(request: UserRequest, task: Task, *sent: Any, **words: Any) -> AnswerForm:
    kind = Task.Kind(task.kind)
    return AnswerForm(*sent, user=request.user, kind=kind, action=ASKED[kind].action, **words)


def _answer(request: UserRequest, task: Task) -> HttpResponse:
    """Answer the task; one sent twice is answered once, whatever became of the case since."""
    number = task.case.number
    form = _form(request, task, request.POST, request.FILES)
    if not form.is_valid():
        return _task_page(request, task, form, status=422)
    said = form.cleaned_data
    try:
        take_action(
            number=number,
            action=ASKED[Task.Kind(task.kind)].action,
            actor=request.user,
            seen_version=said["seen_version"],
            inputs=form.inputs(),
            photos=form.photos,
            key=said["key"],
        )
    except Refusal as refusal:
        now = _my_task(request.user, number) or task
        if isinstance(refusal, StaleCase):
            form.say("seen_version", now.case.version)
        form.refuse(refusal)
        return _task_page(request, now, form, status=refusal.status)
    result = form.words[0] if said["passed"] else form.words[1]
    messages.success(
        request, _("%(number)s: answered “%(result)s”.") % {"number": number, "result": result}
    )
    return redirect("phone_home")


def _task_page(request: UserRequest, task: Task, form: AnswerForm, *, status: int) -> HttpResponse:
    """Show the task; one that is over says so and asks nothing."""
    now, case, kind = timezone.now(), task.case, Task.Kind(task.kind)
    photos, events = photos_of(case), events_of(case)
    said = said_to(request.user, case)
    is_handled = kind in (Task.Kind.CHECK, Task.Kind.AUDIT_CLOSURE)
    context = {
        "task": task,
        "case": case,
        "asked": ASKED[kind],
        "result": form.words[0] if task.passed else form.words[1],
        "is_open": task.answered_at is None and case.stage == Task.STAGES[kind],
        "is_handled": is_handled,
        "light": light_of_task(task, at=now),
        "place": place_words(case, at=now),
        "sent_words": said(_sent_words(task)),
        "description": said(case.description),
        "declined": _declined_words(case) if kind == Task.Kind.AUDIT_DECLINE else "",
        "before": [photo for photo in photos if photo.kind in _BEFORE],
        "after": [photo for photo in photos if photo.kind == Attachment.Kind.AFTER],
        "recurrence": recurrence(case, request.user, events, at=now),
        "doubts": [DOUBT_WORDS[code] for code in case.photo_doubts] if is_handled else [],
        "lines": timeline(events, request.user, said=said),
        "locator": locator(case),
        "form": form,
    }
    return render(request, "cases/phone/task.html", context, status=status)


def _sent_words(task: Task) -> str:
    """Return what whoever asked wants looked at."""
    action = ASKED[Task.Kind(task.kind)].sent_by
    sent = Event.objects.filter(case=task.case_id, action=action).order_by("-case_seq").first()
    return opinion_in(sent) if sent else ""


def _declined_words(case: Case) -> str:
    """Return why the report was declined."""
    last = Event.objects.filter(case=case, action__in=REASONED).order_by("-case_seq").first()
    code = last.data["facts"]["reason"] if last else ""
    return str(REASON_WORDS.get(code, code))


# --- what a unit handles ------------------------------------------------------------------------


def _held(request: UserRequest, number: str) -> HttpResponse:
    """Show a case to its unit; what was sent is done, or shown again with the reason it was not."""
    if request.method != "POST":
        return _held_page(request, number)
    try:
        action = act_as_sent(request, number)
    except Case.DoesNotExist:
        raise Http404 from None
    except Refusal as refusal:
        return _held_page(request, number, refusal)
    messages.success(request, done_words(number, action))
    return redirect("phone_home")


def _held_page(request: UserRequest, number: str, refusal: Refusal | None = None) -> HttpResponse:
    case = case_in_sight(request.user, number)
    if case is None:
        return render(request, "cases/phone/no_task.html", status=404)
    context = case_context(request, case, refusal) | {"locator": locator(case)}
    status = refusal.status if refusal else 200
    return render(request, "cases/phone/unit_task.html", context, status=status)
