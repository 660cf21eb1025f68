"""The list as a workbook: few rows at once, more by a worker."""

import io
import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cases.errors import InvalidInput, Refusal
from cases.selectors.case_search import read_filters
from cases.selectors.columns import columns_of
from cases.services import bulk
from cases.services.exports import (
    MOST_AT_ONCE,
    Asked,
    count_rows,
    request_export,
    workbook_now,
)
from cases.views.case_list import back_of, filter_words
from cityops.accounts.http import UserRequest

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@login_required
@require_POST
def case_export(request: UserRequest) -> HttpResponse:
    """Give the list, or the rows chosen of it, as a workbook; where it is long, have one written.

    The same form sent twice is one export while that is under way.
    """
    try:
        asked = _asked(request)
        total = count_rows(request.user, asked)
        if total == 0:
            raise InvalidInput(_("There is nothing to export."))
        if total <= MOST_AT_ONCE:
            return _workbook(request, asked)
        request_export(
            owner=request.user,
            asked=asked,
            total=total,
            language=get_language() or "zh-hans",
            key=_key(request),
        )
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect(back_of(request))
    messages.success(
        request, _("The file is being written. It stands here as soon as it is ready.")
    )
    return redirect("downloads")


def _asked(request: UserRequest) -> Asked:
    """Return what is to be exported; raises InvalidInput."""
    try:
        filters = read_filters(QueryDict(request.POST.get("query", "")))
    except InvalidInput:
        raise InvalidInput(_("This list cannot be exported: correct its filters first.")) from None
    numbers = [row.partition(":")[0] for row in request.POST.getlist("rows")]
    if "chosen" in request.POST and not 0 < len(numbers) <= bulk.MOST_ROWS:
        raise InvalidInput(_("Choose at least one case and at most %(n)s.") % {"n": bulk.MOST_ROWS})
    return Asked(
        filters,
        columns_of(request.user),
        filter_words(filters),
        numbers if "chosen" in request.POST else (),
    )


def _key(request: UserRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("export_key", ""))
    except ValueError:
        raise InvalidInput("The key of the form is no UUID.") from None


def _workbook(request: UserRequest, asked: Asked) -> HttpResponse:
    target = io.BytesIO()
    workbook_now(target, reader=request.user, asked=asked)
    return HttpResponse(
        target.getvalue(),
        content_type=XLSX,
        headers={
            "Content-Disposition": attachment(f"{timezone.localtime():%Y-%m-%d %H%M}"),
            "Cache-Control": "private, no-store",
        },
    )


def attachment(when: str) -> str:
    """Return the header that names a workbook of cases for the one who keeps it."""
    return content_disposition_header(True, f"{_('Cases')} {when}.xlsx") or ""  # noqa: FBT003
