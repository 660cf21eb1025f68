"""The bulletin: its preview and text, the three files, and the office's Word template."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
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
from scoring.bulletin_texts import (
    TEXT_MAX,
    confirm_template,
    content_of,
    keep_template,
    template_of,
    templates_wait,
    texts_of,
    write_texts,
)
from scoring.bulletin_word import TEMPLATE_MAX, printed, require_template
from scoring.frame import frame, period_of, require_reader, run_of
from scoring.lifecycle import edition_of, stand_of
from scoring.models import BulletinTemplate, BulletinText, Run
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
                **_as_written(request, key, written.get(key), (faults or {}).get(key, "")),
            }
            for key, (heading, _is_own) in PARAGRAPHS.items()
        ],
        "template": template_of(edition_of(run)),
        "templates": _templates(user),
        "templates_wait": templates_wait(),
        "template_fault": (faults or {}).get("template", ""),
        "annexes": [(key, name, key in _annexes(request)) for key, name in ANNEXES.items()],
        "late_rulings": LATE_RULINGS in _annexes(request),
        "query": _query(request, run),
        "text_max": TEXT_MAX,
    }
    status = 422 if faults else 200
    page = frame(period, run, user) | said
    return render(request, "scoring/bulletin.html", page, status=status)


def _as_written(
    request: HttpRequest, key: str, last: BulletinText | None, fault: str
) -> dict[str, Any]:
    """Return a field of the text: what was typed, and the row it was typed over."""
    seen = last.pk if last else 0
    if key in request.POST and not fault:
        seen = _number(request.POST.get(f"seen.{key}", ""))
    return {
        "text": request.POST.get(key, last.text if last else ""),
        "seen": seen,
        "fault": fault,
    }


def _templates(user: User) -> list[dict[str, Any]]:
    """Return the templates ever sent, the newest first, and which waits for this assessor."""
    if not may_edit(user):
        return []
    sent = BulletinTemplate.objects.defer("content").select_related("by", "confirmed_by")
    return [
        {
            "template": one,
            "may_confirm": not place and one.confirmed_at is None and one.by_id != user.pk,
        }
        for place, one in enumerate(sent.order_by("-pk"))
    ]


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
        write_texts(
            period=period,
            texts={key: request.POST[key] for key in PARAGRAPHS if key in request.POST},
            seen={key: _number(request.POST.get(f"seen.{key}", "")) for key in PARAGRAPHS},
            actor=user,
        )
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
    run = _run(request, period_of(period))
    template = template_of(edition_of(run))
    with translation.override(PAPER_LANGUAGE):
        made = _made(request, period)
        content, is_its_own = printed(made, content_of(template), content_of(None))
        answer = _file(content, WORD, made.file_name("docx"))
    if not is_its_own:
        messages.warning(
            request,
            _("The template could not be filled in: the file was made with the shipped one."),
        )
    return answer


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
    """Send a Word template, keep the one the office edited after trying it, or confirm one."""
    user = require_reader(request)
    if not may_edit(user):
        raise PermissionDenied
    if request.method == "GET":
        return _file(content_of(_template_asked(request)), WORD, "bulletin.docx")
    wanted = period_of(period)
    run = _run(request, wanted)
    try:
        if "confirm" in request.POST:
            confirm_template(template=_number(request.POST["confirm"]), actor=user)
            messages.success(request, _("Confirmed: it holds from now on."))
        else:
            _send_template(request, run, user)
            messages.success(request, _("The template is kept: it holds once another confirms it."))
    except InvalidInput as error:
        return _shown(request, user, wanted, run, dict(error.fields))
    except PeriodClosed as error:
        messages.error(request, str(error))
    return redirect("score_bulletin", period=wanted.name)


def _template_asked(request: HttpRequest) -> BulletinTemplate | None:
    asked = request.GET.get("id", "")
    if asked == "shipped":
        return None
    return get_object_or_404(BulletinTemplate, pk=_number(asked)) if asked else template_of(None)


def _send_template(request: HttpRequest, run: Run, user: User) -> None:
    sent: Any = request.FILES.get("template")
    if sent is None or sent.size > TEMPLATE_MAX:
        raise InvalidInput(
            _("The template was not kept."), fields={"template": _("choose a Word file")}
        )
    content = sent.read()
    with translation.override(PAPER_LANGUAGE):
        sample = bulletin_of(run, user)
    require_template(content, sample)
    keep_template(content=content, name=sent.name, actor=user)


def _number(text: str) -> int:
    """Return the number of a row as forms and links carry it; 0, which no row has, for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
