"""The roles of domain.md §2 and the two centres that must stay apart."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Role(TextChoices):
    """What a user does; held within a scope."""

    INSPECTOR = "inspector", _("inspector")
    ACCEPTOR = "acceptor", _("acceptor")
    DUTY_CHIEF = "duty_chief", _("duty chief")
    DISPATCHER = "dispatcher", _("dispatcher")
    OPERATOR = "operator", _("operator")
    UNIT = "unit", _("responsible unit")
    UNIT_HEAD = "unit_head", _("head of unit")
    SUPERVISOR = "supervisor", _("supervisor")
    ASSESSOR = "assessor", _("assessor")
    LEADER = "leader", _("leader")
    ADMIN = "admin", _("administrator")
    SYSTEM = "system", _("system")


class ScopeKind(TextChoices):
    """How far a grant reaches."""

    CITY = "city", _("whole city")
    DISTRICT = "district", _("one district")
    UNIT = "unit", _("one unit")
    GRIDS = "grids", _("own grids")


# Who judges must not dispatch (domain.md §1): no user may hold roles of both centres.
SUPERVISION_CENTRE = frozenset(
    {Role.INSPECTOR, Role.ACCEPTOR, Role.DUTY_CHIEF, Role.OPERATOR, Role.SUPERVISOR, Role.ASSESSOR}
)
COMMAND_CENTRE = frozenset({Role.DISPATCHER})
