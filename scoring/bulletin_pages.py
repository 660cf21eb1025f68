"""The bulletin: its preview and text, the three files, and the office's Word template."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from cases.errors import InvalidInput, PeriodClosed
from cityops.accounts.models import User
from scoring.bulletin import (
    ANNEXES,
    LATE_RULINGS,
    PAPER_LANGUAGE,
    PARAGRAPHS,
    Bulletin,
    bulletin_of,
)
from scoring.bulletin_excel import excel_of
from scoring.bulletin_pdf import pdf_of
from scoring.bulletin_texts import TEXT_MAX, keep_template, template_at, texts_of, write_text
from scoring.bulletin_word import TEMPLATE_MAX, require_template, word_of
from scoring.frame import frame, period_of, require_reader, run_of
from scoring.lifecycle import stand_of
from scoring.models import Run
from scoring.periods import Period
from scoring.services import NotBegun
from scoring.versions import may_edit

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_http_methods(["GET", "POST"])
@login_required
def bulletin(request: HttpRequest, period: str) -> HttpResponse:
    """Show the bulletin as it would be printed; an assessor of the city writes its text."""
    user = require_reader(request)
    wanted = period_of(period)
    if request.method == "POST":
        return _written(request, user, wanted)
    return _shown(request, user, wanted, _run(request, wanted))


def _run(request: HttpRequest, period: Period) -> Run:
    try:
        run = run_of(request, period)
    except NotBegun as error:
        raise Http404(str(error)) from error
    if run.scheme.level != "district":
        raise Http404
    return run


def _shown(
    request: HttpRequest,
    user: User,
    period: Period,
    run: Run,
    faults: dict[str, str] | None = None,
) -> HttpResponse:
    standing = stand_of(period, reader=user)
    with translation.override(PAPER_LANGUAGE):
        made = bulletin_of(run, user, _annexes(request))
    written = texts_of(period)
    generated = {one.key: one for one in made.paragraphs}
    said = {
        "bulletin": made,
        "may_write": may_edit(user) and not standing.pending,
        "may_edit_template": may_edit(user),
        "written": [
            {
                "key": key,
                "heading": heading,
                "generated": generated[key].generated if key in generated else "",
                "text": request.POST.get(key, written.get(key, "")),
                "fault": (faults or {}).get(key, ""),
            }
            for key, (heading, _is_own) in PARAGRAPHS.items()
        ],
        "template_fault": (faults or {}).get("template", ""),
        "annexes": [(key, name, key in _annexes(request)) for key, name in ANNEXES.items()],
        "late_rulings": LATE_RULINGS in _annexes(request),
        "query": _query(request, run),
        "text_max": TEXT_MAX,
    }
    status = 422 if faults else 200
    page = frame(period, run, user) | said
    return render(request, "scoring/bulletin.html", page, status=status)


def _annexes(request: HttpRequest) -> list[str]:
    """Return the annexes asked for: all, unless the form chose."""
    if "choose" not in request.GET:
        return list(ANNEXES)
    return [key for key in request.GET.getlist("annex") if key in (*ANNEXES, LATE_RULINGS)]


def _query(request: HttpRequest, run: Run) -> str:
    query = request.GET.copy()
    query["run"] = str(run.pk)
    return query.urlencode()


def _written(request: HttpRequest, user: User, period: Period) -> HttpResponse:
    if not may_edit(user):
        raise PermissionDenied
    try:
        for key in PARAGRAPHS:
            if key in request.POST:
                write_text(period=period, key=key, text=request.POST[key], actor=user)
    except InvalidInput as error:
        return _shown(request, user, period, _run(request, period), dict(error.fields))
    except PeriodClosed as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The text of the bulletin is kept."))
    return redirect("score_bulletin", period=period.name)


# --- files --------------------------------------------------------------------------------------


def _made(request: HttpRequest, period: str) -> Bulletin:
    user = require_reader(request)
    wanted = period_of(period)
    run = _run(request, wanted)
    return bulletin_of(run, user, _annexes(request))


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    how = content_disposition_header(True, name)  # noqa: FBT003  # Django's own order
    answer["Content-Disposition"] = how or "attachment"
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_GET
@login_required
def bulletin_word(request: HttpRequest, period: str) -> HttpResponse:
    """Send the Word file."""
    with translation.override(PAPER_LANGUAGE):
        made = _made(request, period)
        template = template_at(made.dated if made.edition else None)
        return _file(word_of(made, template), WORD, made.file_name("docx"))


@require_GET
@login_required
def bulletin_pdf(request: HttpRequest, period: str) -> HttpResponse:
    """Send the PDF."""
    with translation.override(PAPER_LANGUAGE):
        made = _made(request, period)
        return _file(pdf_of(made), "application/pdf", made.file_name("pdf"))


@require_GET
@login_required
def bulletin_excel(request: HttpRequest, period: str) -> HttpResponse:
    """Send the Excel file."""
    with translation.override(PAPER_LANGUAGE):
        made = _made(request, period)
        return _file(excel_of(made), EXCEL, made.file_name("xlsx"))


@require_http_methods(["GET", "POST"])
@login_required
def bulletin_template(request: HttpRequest, period: str) -> HttpResponse:
    """Send the Word template, or keep the one the office edited: it is tried first."""
    user = require_reader(request)
    if not may_edit(user):
        raise PermissionDenied
    if request.method == "GET":
        return _file(template_at(None), WORD, "bulletin.docx")
    wanted = period_of(period)
    run = _run(request, wanted)
    sent: Any = request.FILES.get("template")
    try:
        if sent is None or sent.size > TEMPLATE_MAX:
            raise InvalidInput(
                _("The template was not kept."), fields={"template": _("choose a Word file")}
            )
        content = sent.read()
        with translation.override(PAPER_LANGUAGE):
            require_template(content, bulletin_of(run, user))
        keep_template(content=content, name=sent.name, actor=user)
    except InvalidInput as error:
        return _shown(request, user, wanted, run, dict(error.fields))
    messages.success(request, _("The template is kept: the next Word file is printed with it."))
    return redirect("score_bulletin", period=wanted.name)
