"""A user whose password was reset goes nowhere before choosing a new one."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

OPEN_PATHS = ("/static/", "/i18n/", "/healthz", "/readyz")


class RequirePasswordChange:
    """Sends a signed-in user with `must_change_password` to the change form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OPEN_PATHS):
            return self.get_response(request)
        must_change = request.user.is_authenticated and request.user.must_change_password
        if must_change and request.path not in (reverse("change_password"), reverse("sign_out")):
            if request.path.startswith("/api/"):
                return HttpResponse(status=403)
            return redirect("change_password")
        return self.get_response(request)
