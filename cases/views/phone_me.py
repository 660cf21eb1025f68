"""My own page on the phone: who I am, what is open with me, settings; and the self-check."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from cases import policy
from cases.choices import Role
from cases.models import Area, Case, District, Task, Unit
from cases.views.preferences import keep_preferences
from cityops.accounts.http import UserRequest
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_me(request: UserRequest) -> HttpResponse:
    """Show who I am and what is open with me; a POST keeps the settings in this browser."""
    if request.method == "POST":
        response = redirect("phone_me")
        keep_preferences(response, request.POST.dict())
        messages.success(request, _("Kept on this phone."))
        return response
    context = {
        "posts": _posts(request.user, at=timezone.now()),
        "counts": _open_counts(request.user),
        "may_report": policy.may_report(request.user),
    }
    return render(request, "cases/phone/me.html", context)


@login_required
@require_safe
def phone_selfcheck(request: UserRequest) -> HttpResponse:
    """Let the phone try by itself what reporting needs of it."""
    return render(request, "cases/phone/selfcheck.html", {"key": uuid.uuid4()})


def _posts(user: User, *, at: datetime) -> list[dict[str, Any]]:
    """Return every role of `user` with the names of where it is held; none for the whole city."""
    codes = [code for grant in user.grants for code in grant.grids]
    areas = Area.objects.filter(code__in=codes, valid__contains=at).exclude(name_zh="")
    names = {area.code: area.name for area in areas}
    return [
        {"role": grant.get_role_display(), "where": _where(grant, names)} for grant in user.grants
    ]


def _where(grant: Grant, names: dict[str, str]) -> list[str]:
    """Return the names of the unit, the district or the responsibility grids of a role."""
    if grant.scope_kind == ScopeKind.GRIDS:
        return [names.get(code, code) for code in grant.grids]
    if grant.scope_kind == ScopeKind.UNIT:
        return [unit.name for unit in Unit.objects.filter(pk=grant.scope_key)]
    return [district.name for district in District.objects.filter(pk=grant.scope_key)]


def _open_counts(user: User) -> dict[str, int]:
    """Count what is open with `user`: asked of them, reported by them, to be done by their unit."""
    visible = Case.objects.visible_to(user)
    return {
        "tasks": Task.objects.of(user).open().filter(case__in=visible).count(),
        "reports": visible.open().filter(reporter=user.pk).count(),
        "cases": visible.with_unit().count() if user.holds(Role.UNIT, Role.UNIT_HEAD) else 0,
    }
