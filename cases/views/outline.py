"""The outlines every map of ours is drawn from."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from cases.selectors import outline as areas


def _etag(request: HttpRequest) -> str:
    return f'"{areas.outline_version()}"'


@login_required
@require_safe
@cache_control(private=True, no_cache=True)
@condition(etag_func=_etag)
def outline(request: HttpRequest) -> HttpResponse:
    """Return districts and streets as GeoJSON; the browser keeps it until an area changes."""
    return HttpResponse(areas.outline(), content_type="application/geo+json")
