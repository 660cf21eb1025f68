"""What every page knows."""

from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cityops.accounts.models import User
from cityops.accounts.roles import Role


class Page(NamedTuple):
    """An entry of the main navigation."""

    address: str
    name: str | Promise
    roles: frozenset[Role]


_DESK = {Role.ACCEPTOR, Role.DUTY_CHIEF, Role.DISPATCHER, Role.SUPERVISOR}
_ROUTING = {Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER}
_DECIDE = frozenset({Role.DISPATCHER, Role.DUTY_CHIEF, Role.SUPERVISOR, Role.LEADER, Role.ADMIN})
PAGES = (
    Page("/m/", _("Tasks"), frozenset({Role.INSPECTOR})),
    Page("/m/report/", _("Report a problem"), frozenset({Role.INSPECTOR, Role.OPERATOR})),
    Page("/unit/", _("Inbox"), frozenset({Role.UNIT, Role.UNIT_HEAD})),
    Page("/m/", _("Tasks"), frozenset({Role.UNIT, Role.UNIT_HEAD})),
    Page("/score/meetings/items/", _("Action items"), frozenset({Role.UNIT, Role.UNIT_HEAD})),
    Page("/score/leader/", _("Overview"), frozenset({Role.LEADER})),
    Page("/score/", _("Ranking"), frozenset({Role.LEADER, Role.ASSESSOR})),
    Page("/desk/", _("Desk"), frozenset({*_DESK, Role.OPERATOR, Role.LEADER, Role.ADMIN})),
    Page("/cases/", _("Cases"), frozenset(set(Role) - {Role.INSPECTOR, Role.SYSTEM})),
    Page("/downloads/", _("Downloads"), frozenset(set(Role) - {Role.INSPECTOR, Role.SYSTEM})),
    Page("/score/", _("Ranking"), frozenset({*_DESK, Role.ADMIN})),
    Page("/desk/routing/", _("Routing"), frozenset({*_ROUTING, Role.ADMIN})),
    Page("/replies/", _("Answers and revisits"), frozenset({Role.OPERATOR})),
    Page("/refusals/", _("Refusal ledger"), frozenset({Role.SUPERVISOR, Role.ASSESSOR})),
    Page("/draws/", _("Draws"), frozenset({Role.SUPERVISOR, Role.ASSESSOR})),
    Page("/desk/effects/", _("Follow-up work"), frozenset({Role.DISPATCHER, Role.ADMIN})),
    Page("/desk/handover/", _("Hand-over"), frozenset({*_DESK, Role.OPERATOR})),
    Page("/desk/health/", _("Alarms"), _DECIDE),
    Page("/admin/", _("Administration"), frozenset({Role.ADMIN})),
    Page("/health/", _("Health"), frozenset({Role.ADMIN})),
)


def pages_of(user: Any) -> list[Page]:
    """Return the pages `user` may open, the one they start at first."""
    if not isinstance(user, User):
        return []
    held = [page for page in PAGES if user.holds(*page.roles)]
    return list({page.address: page for page in reversed(held)}.values())[::-1]


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the navigation and whether this is a demo city."""
    return {"is_demo": settings.DEMO, "pages": pages_of(getattr(request, "user", None))}
