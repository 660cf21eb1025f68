"""The page behind the QR code of a component: all for who works here, its name for the street."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import Role, Stage
from cases.models import Attachment, Case, Component
from cases.selectors.row_words import light_of, place_words
from cases.views.words import first_photos
from cityops.accounts.models import User

_NOT_SO = (Stage.DECLINED, Stage.VOIDED)  # what was reported then may not even be this component


@require_safe
def component_page(request: HttpRequest, code: str) -> HttpResponse:
    """Show the component; who holds no role here reads name and code and whom to call."""
    found = Component.objects.select_related("minor", "competent", "owner", "maintainer")
    component = get_object_or_404(found, code=code)
    if not isinstance(request.user, User) or not request.user.roles:
        return render(request, "cases/component/public.html", {"component": component})
    context = _context(request.user, component)
    return render(request, "cases/component/page.html", context)


def _context(user: User, component: Component) -> dict[str, Any]:
    now = timezone.now()
    cases = Case.objects.visible_to(user).open().filter(component=component)
    rows = list(cases.select_related("condition", "unit").order_by("reported_at", "number"))
    photos, others = first_photos(rows), _others(user, component, rows)
    return {
        "component": component,
        "place": place_words(component, at=now),
        "photo": _newest_photo(user, component),
        "cases": [
            {"case": case, "light": light_of(case, at=now), "photo": photos.get(case.pk)}
            for case in rows
        ],
        "others": others,
        "number": len(rows) + len(others),
        "may_report": policy.may_report(user),
    }


def _others(user: User, component: Component, rows: list[Case]) -> list[Case]:
    """Return open cases an inspector is told of so as not to report them again (domain.md §2)."""
    if not user.holds(Role.INSPECTOR):
        return []
    found = Case.objects.open().filter(component=component).exclude(pk__in=[row.pk for row in rows])
    return list(found.select_related("condition").order_by("reported_at", "number"))


def _newest_photo(user: User, component: Component) -> Attachment | None:
    """Return how it was seen last: the newest photo of a case about it that `user` may see."""
    cases = Case.objects.visible_to(user).filter(component=component).exclude(stage__in=_NOT_SO)
    close = (Attachment.Kind.NEAR, Attachment.Kind.AFTER)
    shown = Attachment.objects.filter(case__in=cases, kind__in=close).exclude(stored_sha256="")
    return shown.select_related("case").order_by("-added_at", "-pk").first()
