"""Points of manual items: entered by an assessor with evidence and a reason; the last counts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed
from cases.ledger import retrying
from cases.models import Area, Unit
from cityops.accounts.models import User
from scoring.lifecycle import TEXT_MAX, require_open
from scoring.models import ManualEntry, Scheme
from scoring.periods import Period
from scoring.rollup import all_items
from scoring.schemes import is_number
from scoring.versions import may_edit


def manual_items(scheme: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of a scheme whose points are entered by hand."""
    return [item for item in all_items(scheme) if item["rule"]["kind"] == "manual"]


def most_of(item: Mapping[str, Any]) -> str:
    """Return the most points an item can have: its weight, or the cap of a deduction or bonus."""
    return str(item.get("weight") or item["rule"]["cap"])


def bodies_to_enter(level: str) -> Sequence[str]:
    """Return whom points are entered for at a level, a case or none."""
    if level in ("district", "post"):
        return DISTRICT_SLUGS
    if level == "unit":
        return list(Unit.objects.filter(is_active=True).values_list("code", flat=True))
    streets = Area.objects.filter(level=Area.Level.STREET)
    return sorted(set(streets.values_list("code", flat=True)))


@retrying
def enter_points(
    *,
    scheme: Scheme,
    period: Period,
    body: str,
    code: str,
    points: str,
    evidence: str,
    reason: str,
    actor: User,
) -> ManualEntry:
    """Enter what a body has of a manual item in a period; what was entered before stays on record.

    Raises NotAllowed, PeriodClosed once the period was submitted, and InvalidInput by field.
    """
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city enters points."))
    item = next((one for one in manual_items(scheme.data) if one["code"] == code), None)
    fields = {}
    if item is None:
        fields["code"] = _("no manual item of this scheme")
    elif not is_number(points) or Fraction(points) > Fraction(most_of(item)):
        fields["points"] = _("a number from 0 to %s") % most_of(item)
    if body not in bodies_to_enter(scheme.level):
        fields["body"] = _("nobody this scheme compares")
    for name, text in (("evidence", evidence), ("reason", reason)):
        if not 0 < len(text.strip()) <= TEXT_MAX:
            fields[name] = _("1 to %d characters") % TEXT_MAX
    if fields:
        raise InvalidInput(_("The points were not entered."), fields=fields)
    require_open(period, actor=actor)
    return ManualEntry.objects.create(
        scheme=scheme,
        period=period.name,
        body=body,
        code=code,
        points=Decimal(points),
        evidence=evidence.strip(),
        reason=reason.strip(),
        by=actor,
    )
