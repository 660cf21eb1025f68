"""What no view answers: an expected refusal, and an address the database could not hold."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from cases.errors import Refusal

RETRY_AFTER_S = 5


class RefusalPages(MiddlewareMixin):
    """Catches expected refusals; everything else stays an error."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the page of a refusal, None for any other exception."""
        if not isinstance(exception, Refusal):
            return None
        words = {"sentence": exception.message}
        page = render(request, "refusal.html", words, status=exception.status)
        if exception.status == 503:
            page["Retry-After"] = str(RETRY_AFTER_S)
        return page


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
