"""The page on which people say what is wrong with the pages, or could be better."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cases import policy
from cases.errors import Refusal
from cases.forms.feedback import FeedbackForm
from cases.services.feedback import leave_feedback
from cityops.accounts.http import UserRequest


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_feedback(request: UserRequest) -> HttpResponse:
    """Show the form; what is said in it is kept, and its sender goes home."""
    if request.method != "POST":
        initial = {"key": uuid.uuid4(), "page": request.GET.get("page", "")[:200]}
        form = FeedbackForm(user=request.user, initial=initial)
        return _shown(request, form)
    form = FeedbackForm(request.POST, request.FILES, user=request.user)
    if not form.is_valid():
        return _shown(request, form, status=422)
    said = form.cleaned_data
    try:
        leave_feedback(
            text=said["text"],
            page=said["page"],
            actor=request.user,
            key=said["key"],
            screenshot=said["screenshot"],
        )
    except Refusal as refusal:
        form.refuse(refusal)
        return _shown(request, form, status=refusal.status)
    messages.success(request, _("Your feedback has arrived and will be read."))
    return redirect("phone_home")


def _shown(request: UserRequest, form: FeedbackForm, *, status: int = 200) -> HttpResponse:
    """Return the page. Whose photos the API does not take posts the form as it stands."""
    shown = {"form": form, "is_queued": policy.may_send_photos(request.user)}
    return render(request, "cases/phone/feedback.html", shown, status=status)
