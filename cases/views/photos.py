"""Photos of a case, for those who may see the case, or were told of it as a duplicate."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from cases.models import Attachment, Case
from cases.selectors.duplicates import is_hint
from cityops.accounts.http import UserRequest


@login_required
@require_safe
def photo(request: UserRequest, pk: int) -> HttpResponse:
    """Serve a photo as stored."""
    return send_photo(_visible_photo(request, pk).path)


@login_required
@require_safe
def photo_small(request: UserRequest, pk: int) -> HttpResponse:
    """Serve a photo's 320 px thumbnail."""
    return send_photo(_visible_photo(request, pk).thumbnail_path)


def _visible_photo(request: UserRequest, pk: int) -> Attachment:
    cases, user, hint = Case.objects.all(), request.user, request.GET.get("hint", "")
    allowed = Q(case__in=cases.visible_to(user).values("pk"))
    if hint and is_hint(hint, pk, user):
        allowed |= Q(case__in=cases.hinted_to(user).values("pk"))
    return get_object_or_404(Attachment.objects.filter(allowed).exclude(stored_sha256=""), pk=pk)


def send_photo(path: str) -> HttpResponse:
    """Let nginx send the file, so that no worker is held by a slow phone."""
    return HttpResponse(
        content_type="image/jpeg",
        headers={
            "X-Accel-Redirect": settings.MEDIA_INTERNAL_URL + path,
            "Cache-Control": "private, max-age=3600",
        },
    )
