"""Pages of the phone: report a problem, see what became of it, answer a check."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from cases import policy
from cases.choices import OPEN_STAGES, Action, Stage
from cases.errors import KeyReused, Refusal, StaleCase
from cases.forms import CheckForm, RefusableForm, ReportForm
from cases.models import Attachment, Case, Component, Event, Task
from cases.services.intake import report_case
from cases.services.moves import take_action
from cases.views.words import light_of, photos_of, place_words, places_of
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MY_REPORTS = 30
_REASONED = (Action.DECLINE, Action.DECLINE_FILING)


@login_required
@require_safe
def phone_home(request: UserRequest) -> HttpResponse:
    """Show what is asked of me and what became of my reports, in a fixed number of statements."""
    now = timezone.now()
    visible = Case.objects.visible_to(request.user)
    mine = Task.objects.of(request.user).open().filter(kind=Task.Kind.CHECK, case__in=visible)
    tasks = list(mine.select_related("case__minor", "case__condition").order_by("due_at"))
    reports = list(_my_reports(request.user))
    places = places_of([*(task.case for task in tasks), *reports], at=now)
    context = {
        "may_report": policy.may_report(request.user),
        "tasks": [
            {
                "case": task.case,
                "place": places[task.case.number],
                "due_at": task.due_at,
                "is_late": task.due_at < now,
            }
            for task in tasks
        ],
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
def phone_report(request: UserRequest) -> HttpResponse:
    """Show the report form; a good report becomes a case and leads home."""
    if not policy.may_report(request.user):
        raise PermissionDenied
    component = _component(request)
    if request.method != "POST":
        form = ReportForm(user=request.user, component=component, initial={"key": uuid.uuid4()})
        return _report_page(request, form, status=200)
    form = ReportForm(request.POST, request.FILES, user=request.user, component=component)
    if not form.is_valid():
        return _report_page(request, form, status=422)
    try:
        case = report_case(
            report=form.report(),
            actor=request.user,
            key=form.cleaned_data["key"],
            photos=form.photos,
        )
    except Refusal as refusal:
        _show_refusal(form, refusal)
        return _report_page(request, form, status=refusal.status)
    messages.success(request, _("Received: %(number)s") % {"number": case["number"]})
    return redirect("phone_home")


def _component(request: UserRequest) -> Component | None:
    """Return the component the address names: the form sends itself there, so it is kept."""
    code = request.GET.get("component", "")
    return get_object_or_404(Component.objects.select_related("minor"), code=code) if code else None


def _report_page(request: UserRequest, form: ReportForm, *, status: int) -> HttpResponse:
    context = {"form": form, "chosen": form["condition"].value()}
    return render(request, "cases/phone/report.html", context, status=status)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_task(request: UserRequest, number: str) -> HttpResponse:
    """Show an inspector the check asked of them; their answer leads home."""
    task = _my_check(request.user, number)
    if task is None:
        return render(request, "cases/phone/no_task.html", status=404)
    if request.method == "POST":
        return _answer(request, task)
    initial = {"key": uuid.uuid4(), "seen_version": task.case.version}
    return _task_page(request, task, CheckForm(user=request.user, initial=initial), status=200)


def _my_check(user: User, number: str) -> Task | None:
    """Return the last check of this case that was sent to `user`, answered or not."""
    tasks = Task.objects.of(user).filter(kind=Task.Kind.CHECK, case__number=number)
    seen = tasks.filter(case__in=Case.objects.visible_to(user))
    seen = seen.select_related("case__minor", "case__condition", "case__unit")
    return seen.order_by("-sent_at").first()


def _answer(request: UserRequest, task: Task) -> HttpResponse:
    """Answer the check; one sent twice is answered once, whatever became of the case since."""
    number = task.case.number
    form = CheckForm(request.POST, request.FILES, user=request.user)
    if not form.is_valid():
        return _task_page(request, task, form, status=422)
    said = form.cleaned_data
    try:
        take_action(
            number=number,
            action=Action.ANSWER_CHECK,
            actor=request.user,
            seen_version=said["seen_version"],
            inputs={"passed": said["passed"], "note": said["note"]},
            photos=form.photos,
            key=said["key"],
        )
    except Refusal as refusal:
        now = _my_check(request.user, number) or task
        if isinstance(refusal, StaleCase):
            form.say("seen_version", now.case.version)
        _show_refusal(form, refusal)
        return _task_page(request, now, form, status=refusal.status)
    result = _("passed") if said["passed"] else _("failed")
    messages.success(
        request, _("%(number)s: check answered, %(result)s.") % {"number": number, "result": result}
    )
    return redirect("phone_home")


def _task_page(request: UserRequest, task: Task, form: CheckForm, *, status: int) -> HttpResponse:
    """Show the task; one that is over says so and asks nothing."""
    now, case = timezone.now(), task.case
    photos = photos_of(case)
    before = (Attachment.Kind.NEAR, Attachment.Kind.FAR)
    context = {
        "task": task,
        "case": case,
        "result": _("passed") if task.passed else _("failed"),
        "is_open": task.answered_at is None and case.stage == Stage.CHECKING,
        "light": light_of(case, at=now),
        "place": place_words(case, at=now),
        "before": [photo for photo in photos if photo.kind in before],
        "after": [photo for photo in photos if photo.kind == Attachment.Kind.AFTER],
        "form": form,
    }
    return render(request, "cases/phone/task.html", context, status=status)


def _show_refusal(form: RefusableForm, refusal: Refusal) -> None:
    """Show why nothing was done; content that changed under its key gets a new key."""
    form.refuse(refusal)
    if isinstance(refusal, KeyReused):
        form.say("key", uuid.uuid4())
