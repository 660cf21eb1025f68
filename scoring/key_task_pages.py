"""The list of key tasks by district with its lights, and a task: its milestones, forms and log."""

import uuid
from collections import defaultdict
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed, PeriodClosed, Refusal
from cases.models import Unit
from cityops.accounts.models import User
from scoring.frame import frame_of, period_of, require_office_reader, require_reader
from scoring.key_tasks import (
    Step,
    add_milestone,
    add_task,
    change_milestone,
    change_task,
    drop_milestone,
    judge_milestone,
    keep_milestone,
    key_task_measures,
    milestones_due,
    report_progress,
)
from scoring.measured import KeyTask, Milestone
from scoring.periods import CITY_TIME
from scoring.posted import day_of, posted_number, posted_text
from scoring.rules import half_up
from scoring.sheet import body_names
from scoring.versions import may_edit
from scoring.words import LIGHTS

NEW_MILESTONES = 6  # lines of the form of a new task
CHANGE_WORDS = {
    "title": gettext_lazy("title"),
    "body": gettext_lazy("district"),
    "unit": gettext_lazy("responsible unit"),
    "about": gettext_lazy("what it is about"),
    "name": gettext_lazy("milestone"),
    "due_on": gettext_lazy("due"),
    "progress": gettext_lazy("progress in %"),
    "evidence": gettext_lazy("evidence"),
    "met_on": gettext_lazy("met on"),
}
NAMED = ("body", "unit")


@require_safe
@login_required
def key_tasks(request: HttpRequest, period: str) -> HttpResponse:
    """List every task by district; what is due in the period and what of it was met on time."""
    user, wanted = require_reader(request), period_of(period)
    start = wanted.wide_start if "three" in request.GET else wanted.start
    now = timezone.now()
    due = set(milestones_due(start, wanted.end, as_of=now).values_list("pk", flat=True))
    measures = key_task_measures(start, wanted.end, now)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    tasks = KeyTask.objects.select_related("unit").prefetch_related("milestones")
    for task in tasks.order_by("body", "pk"):
        rows[task.body].append(
            {
                "task": task,
                "milestones": [
                    milestone_row(one) | {"counts": one.pk in due}
                    for one in task.milestones.all()
                    if one.dropped_at is None
                ],
            }
        )
    names = body_names()
    bodies = []
    for body in DISTRICT_SLUGS:
        measure = measures.get(body)
        bodies.append(
            {
                "body": body,
                "name": names.get(body, body),
                "rows": rows[body],
                "due": measure.groups if measure else 0,
                "met": sum(r["counts"] and r["milestone"].is_on_time
                           for row in rows[body] for r in row["milestones"]),
                "share": half_up(measure.value) if measure and measure.value is not None else None,
            }
        )  # fmt: skip
    said = {"bodies": bodies, "may_enter": may_edit(user)}
    return render(request, "scoring/key_tasks.html", frame_of("key_tasks", wanted) | said)


def milestone_row(one: Milestone) -> dict[str, Any]:
    """Return a milestone with its light in words, as of today."""
    light = one.light(on=timezone.now().astimezone(CITY_TIME).date())
    shape, word = LIGHTS[light]
    return {
        "milestone": one,
        "light": light,
        "shape": shape,
        "word": word,
        "waits": one.met_on is not None and one.confirmed_at is None,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def key_task_add(request: HttpRequest, period: str) -> HttpResponse:
    """List a new task with its milestones."""
    user, wanted = require_office_reader(request), period_of(period)
    refusal = None
    if request.method == "POST":
        try:
            task = add_task(
                title=posted_text(request, "title"),
                body=posted_text(request, "body"),
                unit=posted_text(request, "unit"),
                about=posted_text(request, "about"),
                steps=_steps(request),
                actor=user,
                key=_key(request),
            )
        except (InvalidInput, PeriodClosed) as refused:
            refusal = refused
        else:
            messages.success(request, _("The task is listed."))
            return redirect("score_key_task", pk=task.pk)
    names = body_names()
    said = {
        "refusal": refusal,
        "bodies": [(body, names.get(body, body)) for body in DISTRICT_SLUGS],
        "units": [
            (names.get(body, body), list(those))
            for body, those in groupby(_units(), key=lambda unit: unit[2])
        ],
        "posted": request.POST,
        "key": posted_text(request, "key") or uuid.uuid4(),
        "lines": [
            (number, posted_text(request, f"name{number}"), posted_text(request, f"due{number}"))
            for number in range(1, NEW_MILESTONES + 1)
        ],
    }
    page = frame_of("key_tasks", wanted) | said
    return render(request, "scoring/key_task_add.html", page, status=422 if refusal else 200)


def _key(request: HttpRequest) -> uuid.UUID:
    """Return the key of the form, which makes of a double submit one task; raises InvalidInput."""
    try:
        return uuid.UUID(posted_text(request, "key"))
    except ValueError as error:
        raise InvalidInput(_("Nothing was changed."), fields={"key": "UUID"}) from error


def _steps(request: HttpRequest) -> list[Step]:
    """Return the milestones of the form's lines that are filled in."""
    steps = []
    for number in range(1, NEW_MILESTONES + 1):
        name, due = posted_text(request, f"name{number}"), posted_text(request, f"due{number}")
        if name or due:
            steps.append(Step(name, day_of(due, f"milestones[{number}]")))
    return steps


def _units() -> list[tuple[str, str, str]]:
    """Return (code, name, district) of each unit of a district."""
    units = Unit.objects.filter(is_active=True).exclude(district=None)
    return [(u.pk, u.name, str(u.district_id)) for u in units.order_by("district", "pk")]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def key_task(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a task with its milestones and log; the office changes, reports and confirms."""
    user = require_reader(request)
    get_object_or_404(KeyTask, pk=pk)
    refusal: Refusal | None = None
    if request.method == "POST":
        require_office_reader(request)
        try:
            _act(request, pk, user)
        except (InvalidInput, NotAllowed, PeriodClosed) as refused:
            refusal = refused
        else:
            messages.success(request, _("Kept."))
            return redirect("score_key_task", pk=pk)
    task = KeyTask.objects.select_related("unit").get(pk=pk)
    milestones = task.milestones.select_related("reported_by", "confirmed_by", "drop_asked_by")
    changes = list(task.changes.select_related("by", "milestone").order_by("-pk"))
    named = {one.said["unit"] for one in changes if "unit" in one.said}
    names = body_names() | {unit.pk: unit.name for unit in Unit.objects.filter(pk__in=named)}
    units = [unit for unit in _units() if unit[2] == task.body]
    if task.unit and task.unit_id not in {unit[0] for unit in units}:
        units.insert(0, (task.unit.pk, task.unit.name, task.body))  # whatever became of it since
    rows = [
        milestone_row(one)
        | {"is_own": one.reported_by_id == user.pk, "is_my_drop": one.drop_asked_by_id == user.pk}
        for one in milestones
        if one.dropped_at is None
    ]
    said = {
        "task": task,
        "body_name": names.get(task.body, task.body),
        "rows": rows,
        "dropped": [one for one in milestones if one.dropped_at is not None],
        "changes": [{"change": one, "said": _words_of(one.said, names)} for one in changes],
        "may_enter": may_edit(user),
        "units": units,
        "refusal": refusal,
        "month": f"{timezone.now().astimezone(CITY_TIME):%Y-%m}",
    }
    return render(request, "scoring/key_task.html", said, status=refusal.status if refusal else 200)


def _words_of(said: dict[str, Any], names: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a change set, in words; districts and units by their names."""
    words = []
    for name, label in CHANGE_WORDS.items():
        if name in said:
            value = str(said[name])
            words.append((str(label), names.get(value, value) if name in NAMED else value))
    listed = [f"{name} ({due})" for name, due in said.get("milestones", [])]
    return [*words, *((_("milestone"), one) for one in listed)]


def _act(request: HttpRequest, pk: int, user: User) -> None:
    """Do what the form asks; raises InvalidInput for what is no number and no day."""
    what = posted_text(request, "do")
    common: dict[str, Any] = {"pk": pk, "seen": posted_number(request, "seen"), "actor": user}
    reason: dict[str, Any] = {"reason": posted_text(request, "reason")}
    if what == "change":
        words: dict[str, Any] = {
            name: posted_text(request, name) for name in ("title", "unit", "about")
        }
        change_task(**common, **words, **reason)
    elif what == "add":
        step = Step(posted_text(request, "name"), day_of(posted_text(request, "due_on")))
        add_milestone(**common, step=step, **reason)
    else:
        _act_on_milestone(request, what, common, reason)


def _act_on_milestone(
    request: HttpRequest, what: str, common: dict[str, Any], reason: dict[str, Any]
) -> None:
    common |= {"milestone": posted_number(request, "milestone")}
    if what == "move":
        step = Step(posted_text(request, "name"), day_of(posted_text(request, "due_on")))
        change_milestone(**common, step=step, **reason)
    elif what == "drop":
        drop_milestone(**common, **reason)
    elif what == "keep":
        keep_milestone(**common, **reason)
    elif what == "report":
        met_on = posted_text(request, "met_on")
        report_progress(
            **common,
            progress=posted_number(request, "progress"),
            met_on=day_of(met_on, "met_on") if met_on else None,
            evidence=posted_text(request, "evidence"),
        )
    elif what in ("confirm", "send_back"):
        judge_milestone(**common, is_met=what == "confirm", **reason)
    else:
        raise InvalidInput(_("Nothing was changed."))
