"""Satisfaction: the answers behind each district's mean, and surveys read, imported, taken back."""

import base64
import zlib
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, PeriodClosed
from cases.models import Case
from cases.views.words import SATISFACTION_WORDS
from cityops.accounts.models import User
from scoring.frame import frame_of, period_of, require_office_reader, require_reader
from scoring.measured import Survey
from scoring.periods import Period
from scoring.rules import Measure, half_up
from scoring.satisfaction import (
    MOST_BYTES,
    import_survey,
    means_of,
    read_survey,
    revisited,
    satisfaction_measures,
    surveyed,
    withdraw_survey,
    worth_of,
)
from scoring.sheet import body_names
from scoring.versions import may_edit

_SIGNER = signing.Signer(salt="scoring.satisfaction_pages")


class SurveyForm(forms.Form):
    """A file of answers, and what it is called."""

    name = forms.CharField(label=gettext_lazy("Name of the survey"), max_length=100)
    file = forms.FileField(label=gettext_lazy("CSV file"))

    def clean_file(self) -> bytes:
        """Return the bytes of the file, one more than are read at most."""
        return bytes(self.cleaned_data["file"].read(MOST_BYTES + 1))


@require_safe
@login_required
def satisfaction(request: HttpRequest, period: str) -> HttpResponse:
    """Show how often each answer was given about each district, by whom, and what it comes to."""
    user, wanted = require_reader(request), period_of(period)
    return _page(request, user, wanted, SurveyForm())


def _page(
    request: HttpRequest, user: User, wanted: Period, form: SurveyForm, **more: Any
) -> HttpResponse:
    start = wanted.wide_start if "three" in request.GET else wanted.start
    now = timezone.now()
    answers = revisited(start, wanted.end, now)
    seen = Case.objects.all().visible_to(user).filter(number__in={a.number for a in answers})
    visible = set(seen.values_list("number", flat=True))
    asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in answers:
        word = SATISFACTION_WORDS[str(one.mark)]
        asked[one.body].append({"answer": one, "word": word, "is_visible": one.number in visible})
    names, told = body_names(), surveyed(start, wanted.end)
    measures, beside = satisfaction_measures(start, wanted.end, now), means_of(told)
    bodies = []
    for body in DISTRICT_SLUGS:
        of_revisits = Counter(row["answer"].mark for row in asked[body])
        measure = measures.get(body)
        bodies.append(
            {
                "body": body,
                "name": names.get(body, body),
                "mean": _rounded(measure),
                "answers": measure.groups if measure else 0,
                "survey_mean": _rounded(beside.get(body)),
                "marks": [
                    (SATISFACTION_WORDS[str(mark)], f"{worth}", of_revisits[mark],
                     told.get((body, mark), 0))
                    for mark, worth in sorted(worth_of().items(), reverse=True)
                ],
                "rows": asked[body],
            }
        )  # fmt: skip
    surveys = Survey.objects.filter(period=wanted.name).select_related("by", "withdrawn_by")
    said = {
        "bodies": bodies,
        "surveys": surveys.order_by("-pk"),
        "may_enter": may_edit(user) and wanted.is_month,
        "form": form,
    }
    status = more.pop("status", 200)
    page = frame_of("satisfaction", wanted) | said | more
    return render(request, "scoring/satisfaction.html", page, status=status)


def _rounded(measure: Measure | None) -> Decimal | None:
    return half_up(measure.value) if measure and measure.value is not None else None


@require_POST
@login_required
def survey_import(request: HttpRequest, period: str) -> HttpResponse:
    """Show what a file holds, or what is wrong in it; import it once that was seen."""
    user, wanted = require_office_reader(request), period_of(period)
    if "seen" in request.POST:
        return _confirm(request, user, wanted)
    form = SurveyForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, user, wanted, form, status=422)
    raw, name = form.cleaned_data["file"], form.cleaned_data["name"]
    read = read_survey(raw, wanted)
    if read.faults:
        return _page(request, user, wanted, form, faults=read.faults, more=read.more, status=422)
    names = body_names()
    counts = Counter(one.body for one in read.answers)
    packed = base64.b64encode(zlib.compress(raw)).decode()
    said = {
        "preview": [(names.get(body, body), counts[body]) for body in DISTRICT_SLUGS],
        "preview_name": name,
        "total": len(read.answers),
        "seen": _SIGNER.sign_object({"file": packed, "name": name, "period": wanted.name}),
    }
    return _page(request, user, wanted, form, **said)


def _confirm(request: HttpRequest, user: User, wanted: Period) -> HttpResponse:
    """Import the file whose answers were seen; read again, for others may have imported since."""
    try:
        seen = _SIGNER.unsign_object(request.POST["seen"])
    except signing.BadSignature:
        messages.error(request, _("Choose the file again."))
        return redirect("score_satisfaction", period=wanted.name)
    if seen["period"] != wanted.name:
        messages.error(request, _("Choose the file again."))
        return redirect("score_satisfaction", period=wanted.name)
    read = read_survey(zlib.decompress(base64.b64decode(seen["file"])), wanted)
    try:
        survey = import_survey(period=wanted, name=seen["name"], read=read, actor=user)
    except (InvalidInput, PeriodClosed) as refusal:
        more = {"refusal": refusal, "faults": read.faults, "more": read.more}
        return _page(request, user, wanted, SurveyForm(), status=422, **more)
    messages.success(request, _("%d answers are imported.") % survey.rows)
    return redirect("score_satisfaction", period=wanted.name)


@require_POST
@login_required
def survey_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an imported file back, with a reason."""
    user = require_office_reader(request)
    survey = get_object_or_404(Survey, pk=pk)
    wanted = period_of(survey.period)
    try:
        withdraw_survey(pk=pk, reason=str(request.POST.get("reason", "")), actor=user)
    except (InvalidInput, PeriodClosed) as refusal:
        return _page(request, user, wanted, SurveyForm(), status=422, refusal=refusal)
    messages.success(request, _("The survey is taken back."))
    return redirect("score_satisfaction", period=wanted.name)
