"""A user whose password was reset goes nowhere before choosing a new one."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

from cityops.accounts.models import User

OPEN_PATHS = ("/static/", "/i18n/", "/healthz", "/readyz")


@sync_and_async_middleware
def require_password_change(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Send a signed-in user with `must_change_password` to the change form.

    Works without a thread of its own in the live process: a long poll must not hold one.
    """
    if iscoroutinefunction(get_response):

        async def wait(request: HttpRequest) -> HttpResponseBase:
            refusal = None
            if not request.path.startswith(OPEN_PATHS):
                refusal = _refusal(request, await request.auser())
            return refusal or await get_response(request)

        return wait

    def run(request: HttpRequest) -> HttpResponseBase:
        refusal = None
        if not request.path.startswith(OPEN_PATHS):
            refusal = _refusal(request, request.user)
        return refusal or get_response(request)

    return run


def _refusal(request: HttpRequest, user: User | AnonymousUser) -> HttpResponse | None:
    if not user.is_authenticated or not user.must_change_password:
        return None
    if request.path in (reverse("change_password"), reverse("sign_out"), reverse("phone_session")):
        return None
    if request.path.startswith(("/api/", "/live/")):
        return HttpResponse(status=403)
    return redirect("change_password")
