"""Pages of the phone: see what became of my reports, answer what is asked on site."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from cases import policy
from cases.choices import OPEN_STAGES, Action
from cases.errors import Refusal, StaleCase
from cases.forms import AnswerForm
from cases.models import Attachment, Case, Event, Task
from cases.services.moves import take_action
from cases.views.timeline import opinion_of
from cases.views.words import (
    DOUBT_WORDS,
    REASON_WORDS,
    light_of_task,
    photos_of,
    place_words,
    places_of,
)
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MY_REPORTS = 30
_REASONED = (Action.DECLINE, Action.DECLINE_FILING)
_BEFORE = (Attachment.Kind.NEAR, Attachment.Kind.FAR, Attachment.Kind.VERIFY)


@dataclass(frozen=True)
class Asked:
    """What a task of one kind asks, as the phone says it; `sent_by` is how it was asked."""

    sent_by: Action
    action: Action
    verb: str | Promise
    question: str | Promise


_ASKED = {
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
@require_safe
def phone_home(request: UserRequest) -> HttpResponse:
    """Show what is asked of me and what became of my reports, in a fixed number of statements."""
    now = timezone.now()
    visible = Case.objects.visible_to(request.user)
    mine = Task.objects.of(request.user).open().filter(case__in=visible)
    tasks = list(mine.select_related("case__minor", "case__condition").order_by("due_at", "pk"))
    reports = list(_my_reports(request.user))
    places = places_of([*(task.case for task in tasks), *reports], at=now)
    context = {
        "may_report": policy.may_report(request.user),
        "groups": _groups(tasks, places, at=now),
        "reports": [
            {
                "case": case,
                "place": places[case.number],
                "light": case.light(at=now) if case.stage in OPEN_STAGES else "",
                "reason": getattr(case, "reason"),  # noqa: B009  # annotated below
            }
            for case in reports
        ],
    }
    return render(request, "cases/phone/home.html", context)


def _groups(tasks: list[Task], places: dict[str, str], *, at: datetime) -> list[dict[str, Any]]:
    """Return the tasks overdue, due today, and due later, each with its title; none is empty."""
    rows: dict[str, list[dict[str, Any]]] = {"late": [], "today": [], "later": []}
    for task in tasks:
        row = {
            "case": task.case,
            "verb": _ASKED[Task.Kind(task.kind)].verb,
            "place": places[task.case.number],
            "light": light_of_task(task, at=at),
        }
        is_today = localtime(task.due_at).date() == localtime(at).date()
        rows["late" if task.due_at < at else "today" if is_today else "later"].append(row)
    titles = {"late": _("Overdue"), "today": _("Today"), "later": _("Later")}
    return [{"key": k, "title": title, "rows": rows[k]} for k, title in titles.items() if rows[k]]


def _my_reports(user: User) -> QuerySet[Case]:
    """Return the newest reports of `user`, each with the reason it was declined for, if it was."""
    declined = Event.objects.filter(case=OuterRef("pk"), action__in=_REASONED)
    return (
        Case.objects.visible_to(user)
        .filter(reporter=user.pk)
        .select_related("minor", "condition", "unit")
        .annotate(reason=Subquery(declined.order_by("-case_seq").values("data__facts__reason")[:1]))
        .order_by("-reported_at")[:MY_REPORTS]
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_task(request: UserRequest, number: str) -> HttpResponse:
    """Show an inspector what is asked of them at a place; their answer leads home."""
    task = _my_task(request.user, number)
    if task is None:
        return render(request, "cases/phone/no_task.html", status=404)
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
    return AnswerForm(*sent, user=request.user, kind=kind, action=_ASKED[kind].action, **words)


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
            action=_ASKED[Task.Kind(task.kind)].action,
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
    photos = photos_of(case)
    is_handled = kind in (Task.Kind.CHECK, Task.Kind.AUDIT_CLOSURE)
    context = {
        "task": task,
        "case": case,
        "asked": _ASKED[kind],
        "result": form.words[0] if task.passed else form.words[1],
        "is_open": task.answered_at is None and case.stage == Task.STAGES[kind],
        "is_handled": is_handled,
        "light": light_of_task(task, at=now),
        "place": place_words(case, at=now),
        "sent_words": _sent_words(task),
        "declined": _declined_words(case) if kind == Task.Kind.AUDIT_DECLINE else "",
        "before": [photo for photo in photos if photo.kind in _BEFORE],
        "after": [photo for photo in photos if photo.kind == Attachment.Kind.AFTER],
        "doubts": [DOUBT_WORDS[code] for code in case.photo_doubts] if is_handled else [],
        "form": form,
    }
    return render(request, "cases/phone/task.html", context, status=status)


def _sent_words(task: Task) -> str:
    """Return what whoever asked wants looked at."""
    action = _ASKED[Task.Kind(task.kind)].sent_by
    sent = Event.objects.filter(case=task.case_id, action=action).order_by("-case_seq").first()
    return opinion_of(sent) if sent else ""


def _declined_words(case: Case) -> str:
    """Return why the report was declined."""
    last = Event.objects.filter(case=case, action__in=_REASONED).order_by("-case_seq").first()
    code = last.data["facts"]["reason"] if last else ""
    return str(REASON_WORDS.get(code, code))
