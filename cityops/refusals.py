"""What no view answers: a refusal, another person's request, an address with a NUL."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import BadRequest
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure

from cases.api.problems import problem_of, retry_headers
from cases.errors import OtherUser, Refusal, TooMany, busy_of
from cityops.accounts.tokens import bearer_of


class RefusalPages(MiddlewareMixin):
    """Catches expected refusals; everything else stays an error."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page of a refusal, None for any other exception."""
        refusal: Exception | None = exception
        if isinstance(exception, OperationalError):
            refusal = busy_of(exception, _("This takes too long now. Try again shortly."))
        return answer_of(request, refusal) if isinstance(refusal, Refusal) else None


def answer_of(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Return a refusal as a page, as problem JSON to a program, as a line to the desk's htmx.

    That line goes beside the form, which keeps what was entered.
    """
    answer: HttpResponse
    if request.path.startswith("/api/"):
        answer = JsonResponse(
            problem_of(refusal), status=refusal.status, content_type="application/problem+json"
        )
    elif "HX-Request" in request.headers:
        line = format_html('<p class="error" role="alert">{}</p>', refusal.message)
        aside = {"HX-Retarget": "#said", "HX-Reswap": "innerHTML"}
        answer = HttpResponse(line, status=refusal.status, headers=aside)
    else:
        may_resend = isinstance(refusal, TooMany) and request.method == "POST"
        words = {"sentence": refusal.message, "may_resend": may_resend}
        answer = render(request, "refusal.html", words, status=refusal.status)
    for name, value in retry_headers(refusal).items():
        answer[name] = value
    return answer


def refuse_old_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer to a form whose token is not that of the present sign-in (CSRF_FAILURE_VIEW).

    The desk's htmx is told beside the form, which keeps what was entered, and renews its tokens.
    """
    if "HX-Request" not in request.headers:
        return csrf_failure(request, reason)
    words = _(
        "You have signed in anew meanwhile, perhaps in another window. What you entered is still"
        " here: send it once more."
    )
    line = format_html('<p class="error" role="alert">{}</p>', words)
    headers = {"HX-Retarget": "#said", "HX-Reswap": "innerHTML", "HX-Trigger": "token-is-old"}
    return HttpResponse(line, status=403, headers=headers)


@sync_and_async_middleware
def refuse_other_user(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Refuse to the API what `For-User` says was made for another than the one signed in.

    A phone passes from hand to hand; what it still has to send is its first owner's. The name is
    percent-encoded. Before the look at a form's origin, which a new sign-in changes. The live
    process has no API.
    """
    if iscoroutinefunction(get_response):

        async def wait(request: HttpRequest) -> HttpResponseBase:
            answer: HttpResponseBase = await get_response(request)
            return answer

        return wait

    def run(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith("/api/") and _is_for_another(request):
            return answer_of(
                request, OtherUser(_("Somebody else is signed in now. Nothing was changed."))
            )
        answer: HttpResponseBase = get_response(request)
        return answer

    return run


def _is_for_another(request: HttpRequest) -> bool:
    name = unquote(request.headers.get("For-User", ""))
    user = (bearer_of(request) or request.user) if name else None
    return user is not None and user.is_authenticated and user.get_username() != name


@sync_and_async_middleware
def refuse_nul(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Answer 400 to an address with a NUL: PostgreSQL holds none, so it names nothing of ours."""
    if iscoroutinefunction(get_response):

        async def wait(request: HttpRequest) -> HttpResponseBase:
            _require_no_nul(request)
            answer: HttpResponseBase = await get_response(request)
            return answer

        return wait

    def run(request: HttpRequest) -> HttpResponseBase:
        _require_no_nul(request)
        answer: HttpResponseBase = get_response(request)
        return answer

    return run


def _require_no_nul(request: HttpRequest) -> None:
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        raise BadRequest("The address holds a NUL character.")
