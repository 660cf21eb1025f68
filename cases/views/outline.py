"""The outlines every map of ours is drawn from."""

from math import isfinite

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from cases.errors import InvalidInput
from cases.selectors import outline as areas
from cases.views.boxes import read_box


def _etag(request: HttpRequest) -> str:
    return f'"{areas.outline_version()}"'


@login_required
@require_safe
@cache_control(private=True, no_cache=True)
@condition(etag_func=_etag)
def outline(request: HttpRequest) -> HttpResponse:
    """Return districts and streets as GeoJSON; the browser keeps it until an area changes."""
    return HttpResponse(areas.outline(), content_type="application/geo+json")


@login_required
@require_safe
@cache_control(private=True, max_age=300)
def outline_near(request: HttpRequest) -> HttpResponse:
    """Return communities and cells around `lon`, `lat`, or in a `box` (WGS-84), as GeoJSON."""
    if "box" in request.GET:
        return _within(request.GET["box"])
    try:
        lon, lat = (float(request.GET.get(name, "")) for name in ("lon", "lat"))
    except ValueError:
        lon = lat = float("nan")
    if not (isfinite(lon) and isfinite(lat)):
        return HttpResponseBadRequest("Give lon and lat in degrees.", content_type="text/plain")
    return HttpResponse(areas.outline_near(lon, lat), content_type="application/geo+json")


def _within(text: str) -> HttpResponse:
    try:
        box = read_box(text)
    except InvalidInput as refusal:
        return HttpResponseBadRequest(refusal.fields["box"], content_type="text/plain")
    return HttpResponse(areas.outline_within(box), content_type="application/geo+json")
