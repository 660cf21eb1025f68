"""A refusal no view has answered becomes a page with its sentence and its status."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
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
