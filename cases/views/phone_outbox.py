"""Pages of the phone that need no line: what waits to be sent, and the worker that keeps pages."""

from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import Action, Stage
from cases.models import Unit
from cityops.accounts.http import UserRequest

_WORKER = Path(__file__).parents[1] / "static" / "cases" / "phone_worker.js"


@login_required
@require_safe
def phone_outbox(request: UserRequest) -> HttpResponse:
    """Show the page that lists what waits on the phone; the page itself holds only words."""
    words = {
        "stages": {stage.value: str(stage.label) for stage in Stage},
        "actions": {action.value: str(action.label) for action in Action},
        "units": {unit.pk: unit.name for unit in Unit.objects.all()},
    }
    context = {"words": words, "may_report": policy.may_report(request.user)}
    return render(request, "cases/phone/outbox.html", context)


@require_safe
def phone_worker(request: UserRequest) -> HttpResponse:
    """Return the service worker; its place sets its scope, and it is never taken from a cache."""
    answer = HttpResponse(_WORKER.read_text(), content_type="text/javascript; charset=utf-8")
    answer["Cache-Control"] = "no-cache"
    return answer
