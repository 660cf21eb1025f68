"""On-site inspection: the draw with its points and how to repeat it, and the phone's checklist."""

import csv
from collections import defaultdict
from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, PeriodClosed, Refusal
from cases.forms import AlbumInput, RefusableForm
from cases.models import Area, Attachment, Case
from cases.models.area import in_language
from cityops.accounts.models import User
from cityops.accounts.roles import Role, ScopeKind
from scoring.frame import frame_of, period_of, require_reader
from scoring.lifecycle import TEXT_MAX, Stand, stand_of
from scoring.measured import (
    OnsiteAnswer,
    OnsiteDraw,
    OnsiteFinding,
    OnsitePoint,
    OnsiteReplacement,
)
from scoring.onsite import (
    NOTE_MAX,
    Found,
    answer_point,
    cases_of,
    draw_points,
    points_of,
    replace_assessor,
)
from scoring.periods import Period, parse_period, periods_within
from scoring.rules import half_up
from scoring.sheet import body_names
from scoring.versions import may_edit


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def onsite(request: HttpRequest, period: str) -> HttpResponse:
    """Show the points of a period by body, each with what was found; an assessor draws them."""
    user, wanted = require_reader(request), period_of(period)
    refusal = None
    if request.method == "POST":
        if not may_edit(user):
            raise PermissionDenied
        try:
            draw_points(period=wanted, actor=user)
        except (InvalidInput, PeriodClosed) as refused:
            refusal = refused
        else:
            messages.success(request, _("The points are drawn."))
            return redirect("score_onsite", period=wanted.name)
    return _shown(request, user, wanted, refusal)


@require_POST
@login_required
def onsite_replace(request: HttpRequest, period: str) -> HttpResponse:
    """Hand the points of an assessor who left or fell ill on to the next of the draw."""
    user, wanted = require_reader(request), period_of(period)
    if not may_edit(user):
        raise PermissionDenied
    said = {name: str(request.POST.get(name, "")) for name in ("assessor", "reason")}
    try:
        replace_assessor(
            period=wanted, username=said["assessor"], reason=said["reason"], actor=user
        )
    except (InvalidInput, PeriodClosed) as refused:
        return _shown(request, user, wanted, refused)
    messages.success(request, _("The points go to the next of the draw."))
    return redirect("score_onsite", period=wanted.name)


def _shown(
    request: HttpRequest, user: User, wanted: Period, refusal: Refusal | None
) -> HttpResponse:
    draws = list(OnsiteDraw.objects.filter(period__in=_months(wanted, request)).order_by("period"))
    over = {draw.pk for draw in draws if _is_over(draw)}
    told = [draw for draw in draws if draw.pk in over or may_edit(user)]
    replaced = OnsiteReplacement.objects.filter(draw__in=told)
    names = body_names()
    said = {
        "replaced": [
            (names.get(one.body, one.body), one)
            for one in replaced.select_related("before", "after", "by")
        ],
        "replaceable": _waited_for(draws) if may_edit(user) and wanted.is_month else [],
        "text_max": TEXT_MAX,
        "posted": request.POST,
        "draws": [{"draw": draw, "kinds": _kinds(draw), "lots": _lots(draw)} for draw in told],
        "is_drawn": bool(draws),
        "is_told": told == draws,
        "bodies": _bodies(draws, told, over, user),
        "may_draw": may_edit(user) and wanted.is_month and not draws,
        "has_points": bool(points_of(user)),
        "refusal": refusal,
    }
    page = frame_of("onsite", wanted) | said
    return render(request, "scoring/onsite.html", page, status=422 if refusal else 200)


def _waited_for(draws: list[OnsiteDraw]) -> list[tuple[str, str, int]]:
    """Return user name, name and number of points of each assessor whose points wait."""
    waiting = OnsitePoint.objects.filter(draw__in=draws, answer=None)
    counted = waiting.values_list("assessor__username", "assessor__name").annotate(n=Count("pk"))
    return list(counted.order_by("assessor__username"))


def _months(period: Period, request: HttpRequest) -> list[str]:
    """Return the months of a period; `three` takes those the few-cases rule looks at."""
    start = period.wide_start if "three" in request.GET else period.start
    return [one.name for one in periods_within(start, period.end) if one.is_month]


def _is_over(draw: OnsiteDraw) -> bool:
    """Tell whether a month is closed: nothing is inspected any more, so anybody repeats its draw.

    Before that only the office does. Others would sweep the cells, or ring the assessor.
    """
    return stand_of(parse_period(draw.period)).state != Stand.LIVE


def _kinds(draw: OnsiteDraw) -> dict[str, str]:
    return {kind["code"]: in_language(kind["zh"], kind["en"]) for kind in draw.checklist["kinds"]}


def _items(draw: OnsiteDraw) -> dict[str, str]:
    return {item["code"]: in_language(item["zh"], item["en"]) for item in draw.checklist["items"]}


def _lots(draw: OnsiteDraw) -> list[tuple[str, str, str]]:
    """Return of each body: its name, its head before the month, its assessors in their order."""
    names = body_names()
    return [
        (names.get(body, body), draw.heads[body], ", ".join(draw.assessors.get(body, [])))
        for body in DISTRICT_SLUGS
    ]


def _bodies(
    draws: list[OnsiteDraw], told: list[OnsiteDraw], over: set[int], user: User
) -> list[dict[str, Any]]:
    """Return the points of each body in their order, with the mean of those answered.

    Where one that waits lies and who goes there is told of the draws in `told`, and of own points.
    """
    points = list(
        OnsitePoint.objects.filter(draw__in=draws)
        .select_related("answer", "assessor", "draw")
        .prefetch_related("answer__findings")
        .order_by("draw__period", "body", "order")
    )
    places = places_of_cells({point.cell for point in points})
    words = {draw.pk: (_kinds(draw), _items(draw)) for draw in draws}
    open_draws = {draw.pk for draw in told}
    in_sight = _bodies_of(user)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    answered = [p for p in points if hasattr(p, "answer")]
    findings = [one for point in answered for one in point.answer.findings.all()]
    numbers = cases_of(findings)
    seen = Case.objects.all().visible_to(user).filter(number__in=set(numbers.values()))
    visible = set(seen.values_list("number", flat=True))
    for point in points:
        kinds, items = words[point.draw_id]
        answer = getattr(point, "answer", None)
        is_own = point.assessor_id == user.pk
        rows[point.body].append(
            {
                "point": point,
                "is_over": point.draw_id in over,
                "is_told": bool(answer) or is_own or point.draw_id in open_draws,
                "kind": kinds.get(point.kind, point.kind),
                "place": places[point.cell],
                "answer": answer,
                "remark": answer.remark if answer and (is_own or point.body in in_sight) else "",
                "findings": [
                    _finding(one, items, numbers, visible, is_own=is_own)
                    for one in answer.findings.all()
                ]
                if answer
                else [],
            }
        )
    names = body_names()
    return [
        {
            "body": body,
            "name": names.get(body, body),
            "rows": rows[body],
            "answered": (done := [r["answer"].score for r in rows[body] if r["answer"]]),
            "mean": half_up(sum(map(Fraction, done), Fraction(0)) / len(done)) if done else None,
        }
        for body in sorted(rows)
    ]


def _bodies_of(user: User) -> set[str]:
    """Return the districts a reader has a post for: all four with one of the whole city."""
    if any(grant.scope_kind == ScopeKind.CITY for grant in user.grants):
        return set(DISTRICT_SLUGS)
    return {grant.scope_key for grant in user.grants if grant.scope_kind == ScopeKind.DISTRICT}


def _finding(
    one: OnsiteFinding,
    items: dict[str, str],
    numbers: dict[int, str],
    visible: set[str],
    *,
    is_own: bool,
) -> dict[str, Any]:
    """Return a finding in words; its note describes its case, so only who sees that reads it."""
    number = numbers.get(one.pk, "")
    return {
        "name": items.get(one.code, one.code),
        "points": f"{one.points.normalize():f}",
        "note": one.note if is_own or number in visible else "",
        "number": number,
        "is_visible": number in visible,
    }


def places_of_cells(cells: set[str]) -> dict[str, str]:
    """Return street, community and number of each grid cell, in one statement."""
    codes = {cell[:length] for cell in cells for length in (9, 12)}
    areas = Area.objects.filter(level__in=("street", "community"), code__in=codes)
    names = {area.code: area.name for area in areas.order_by("valid")}
    return {
        cell: " · ".join(
            word for word in (names.get(cell[:9]), names.get(cell[:12]), cell[-3:]) if word
        )
        for cell in cells
    }


@require_safe
@login_required
def onsite_pool(request: HttpRequest, period: str) -> HttpResponse:
    """Hand out the cells a month was drawn from, with their kinds: what repeats the draw."""
    user = require_reader(request)
    draw = get_object_or_404(OnsiteDraw, period=period_of(period).name)
    if not may_edit(user) and not _is_over(draw):
        raise Http404
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{draw.name}.csv"'
    rows = csv.writer(answer)
    rows.writerow(["body", "kind", "cell"])
    rows.writerows(
        [body, kind, cell]
        for body, kinds in sorted(draw.pool.items())
        for kind, cells in kinds.items()
        for cell in cells
    )
    return answer


# --- on the phone -------------------------------------------------------------------------------


class InspectionForm(RefusableForm):
    """The checklist of a point: what was found, each with a word, a photo, or its case."""

    refusal_fields = {"invalid_input": "remark"}

    remark = forms.CharField(
        label=gettext_lazy("Remark (optional)"),
        required=False,
        max_length=TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
    )

    def __init__(self, *args: Any, checklist: dict[str, Any], **kwargs: Any) -> None:
        self.items = checklist["items"]
        self.photo_kinds = {f"photo_{i['code']}": Attachment.Kind.NEAR for i in self.items}
        super().__init__(*args, **kwargs)
        del self.fields["key"]  # a point has one answer, whatever the form was sent with
        for item in self.items:
            code = item["code"]
            self.fields |= {
                f"found_{code}": forms.BooleanField(
                    label=in_language(item["zh"], item["en"]), required=False
                ),
                f"photo_{code}": forms.FileField(
                    label=_("Photo"), required=False, widget=AlbumInput()
                ),
                f"note_{code}": forms.CharField(
                    label=_("Note (optional)"), required=False, max_length=NOTE_MAX
                ),
                f"known_{code}": forms.CharField(
                    label=_("Number of its case, if there is one already"),
                    required=False,
                    max_length=20,
                ),
            }

    def clean(self) -> dict[str, Any]:
        """Ask for a photo of each finding: it is what backs the deduction."""
        said = super().clean()
        for item in self.items:
            code = item["code"]
            photo = f"photo_{code}"
            is_found = said.get(f"found_{code}")
            if is_found and said.get(photo) is None and photo not in self.errors:
                self.add_error(photo, _("What is found needs a photo."))
        return said

    def refuse(self, refusal: Refusal) -> None:
        """Show why the answer was not kept at the field it concerns."""
        for name, words in refusal.fields.items():
            self.add_error(name if name in self.fields else None, words)
        if not refusal.fields:
            self.add_error(None, refusal.message)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The items as the page lists them, each with its fields."""
        return [
            {
                "points": item["points"],
                "found": self[f"found_{item['code']}"],
                "kept": f"photo_{item['code']}" in self.kept,
                "more": [self[f"{name}_{item['code']}"] for name in ("photo", "note", "known")],
            }
            for item in self.items
        ]

    def found(self) -> list[Found]:
        """Return what was ticked; the form must be valid."""
        said = self.cleaned_data
        return [
            Found(
                item["code"],
                said[f"note_{item['code']}"],
                photo.as_note() if (photo := said[f"photo_{item['code']}"]) else {},
                said[f"known_{item['code']}"].strip(),
            )
            for item in self.items
            if said[f"found_{item['code']}"]
        ]


def _assessor(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not request.user.holds(Role.ASSESSOR):
        raise Http404
    return request.user


@require_safe
@login_required
def phone_onsite(request: HttpRequest) -> HttpResponse:
    """List the points drawn for me that wait for an answer."""
    points = points_of(_assessor(request))
    places = places_of_cells({point.cell for point in points})
    names = body_names()
    rows = [
        {
            "point": point,
            "place": places[point.cell],
            "kind": _kinds(point.draw).get(point.kind, point.kind),
            "body": names.get(point.body, point.body),
        }
        for point in points
    ]
    return render(request, "scoring/phone_onsite.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def phone_onsite_point(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the checklist of a point to the assessor drawn for it; the answer is given once."""
    user = _assessor(request)
    mine = OnsitePoint.objects.filter(assessor=user).select_related("draw", "answer")
    point = get_object_or_404(mine, pk=pk)
    if request.method == "POST" and hasattr(point, "answer"):
        return _answered_before(request)
    checklist = point.draw.checklist
    if request.method != "POST":
        form = InspectionForm(user=user, checklist=checklist)
        return _point_page(request, point, form, status=200)
    form = InspectionForm(request.POST, request.FILES, user=user, checklist=checklist)
    if not form.is_valid():
        return _point_page(request, point, form, status=422)
    said = {"found": form.found(), "remark": form.cleaned_data["remark"]}
    try:
        answer = answer_point(point=point, actor=user, **said)
    except Refusal as refusal:
        if OnsiteAnswer.objects.filter(point=point).exists():
            return _answered_before(request)
        form.refuse(refusal)
        return _point_page(request, point, form, status=refusal.status)
    messages.success(request, _("Kept: %s points.") % half_up(Fraction(answer.score)))
    return redirect("phone_onsite")


def _answered_before(request: HttpRequest) -> HttpResponse:
    """Lead on who sends an answer again: the phone did not hear that it was kept."""
    messages.info(request, _("You answered this point before."))
    return redirect("phone_onsite")


def _point_page(
    request: HttpRequest, point: OnsitePoint, form: InspectionForm, *, status: int
) -> HttpResponse:
    said = {
        "point": point,
        "form": form,
        "answer": getattr(point, "answer", None),
        "place": places_of_cells({point.cell})[point.cell],
        "kind": _kinds(point.draw).get(point.kind, point.kind),
        "body": body_names().get(point.body, point.body),
    }
    return render(request, "scoring/phone_onsite_point.html", said, status=status)
