"""The phone's page a problem is reported on."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cases import policy
from cases.errors import Refusal
from cases.forms import PHOTO_TYPES, ReportForm
from cases.models import Component, ProblemClass
from cases.selectors.often import often_reported
from cases.services.intake import report_case
from cases.views.phrases import ready_phrases
from cityops.accounts.http import UserRequest


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
        form.refuse(refusal)
        return _report_page(request, form, status=refusal.status)
    messages.success(request, _("Received: %(number)s") % {"number": case["number"]})
    return redirect("phone_home")


def _component(request: UserRequest) -> Component | None:
    """Return the component the address names: the form sends itself there, so it is kept."""
    code = request.GET.get("component", "")
    return get_object_or_404(Component.objects.select_related("minor"), code=code) if code else None


def _report_page(request: UserRequest, form: ReportForm, *, status: int) -> HttpResponse:
    context = {
        "form": form,
        "chosen": form["condition"].value(),
        "photo_types": PHOTO_TYPES,
        "often": " ".join(often_reported(request.user)),
        "own_grids": " ".join(digits for grant in request.user.grants for digits in grant.grids),
        "problems": ProblemClass.objects.all(),
        "phrases": ready_phrases(),
    }
    return render(request, "cases/phone/report.html", context, status=status)
