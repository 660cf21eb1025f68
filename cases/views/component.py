"""The page behind the QR code of a component: all for who works here, its name for the street."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from cases import policy
from cases.models import Case, Component
from cases.views.words import light_of, place_words
from cityops.accounts.models import User


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
    cases = cases.select_related("condition", "unit").order_by("reported_at", "number")
    return {
        "component": component,
        "place": place_words(component, at=now),
        "cases": [{"case": case, "light": light_of(case, at=now)} for case in cases],
        "may_report": policy.may_report(user),
    }
