"""The download centre: what one asked for as a file, how far it is, and the file itself."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from cases.models import Export
from cases.services.exports import MOST_ROWS, drop_export, may_still_have
from cases.views.case_export import XLSX, attachment
from cityops.accounts.http import UserRequest

SHOWN = 50


@login_required
@require_safe
def downloads(request: UserRequest) -> HttpResponse:
    """List one's own exports, the newest first; htmx asks for the list alone while some run."""
    held = Export.objects.all().of(request.user).select_related("effect").order_by("-pk")
    rows = list(held[:SHOWN])
    context = {
        "rows": [(row, may_still_have(request.user, row)) for row in rows],
        "is_moving": any(row.is_under_way for row in rows),
        "most": MOST_ROWS,
        "at": timezone.now(),
    }
    template = "_rows" if "HX-Request" in request.headers else "page"
    return render(request, f"cases/downloads/{template}.html", context)


@login_required
@require_safe
def download(request: UserRequest, pk: int) -> HttpResponse:
    """Let nginx send the file to its owner, as long as they see as far as when it was written."""
    export = get_object_or_404(Export.objects.all().of(request.user), pk=pk)
    is_over = export.expires_at <= timezone.now()
    if not export.file or is_over or not may_still_have(request.user, export):
        raise Http404
    assert export.as_of is not None  # a constraint of the table
    return HttpResponse(
        content_type=XLSX,
        headers={
            "X-Accel-Redirect": settings.MEDIA_INTERNAL_URL + export.file,
            "Content-Disposition": attachment(f"{timezone.localtime(export.as_of):%Y-%m-%d %H%M}"),
            "Cache-Control": "private, no-store",
        },
    )


@login_required
@require_POST
def download_drop(request: UserRequest, pk: int) -> HttpResponse:
    """Cancel an export, or delete its file."""
    export = get_object_or_404(
        Export.objects.all().of(request.user).select_related("effect"), pk=pk
    )
    said = _("Cancelled.") if export.is_under_way else _("Deleted.")
    drop_export(export)
    messages.success(request, said)
    return redirect("downloads")
