"""What another scheme would change: two results of one period side by side."""

from decimal import Decimal
from typing import Any

from cases.models import Area, District, Unit


def compared(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a body in the order of the new ranks: both totals and ranks, and the move.

    `move` is up, down or same by rank; entered and left where only one of the two ranks it.
    """
    old = {sheet["body"]: sheet for sheet in before}
    rows = []
    for sheet in after:
        was = old.get(sheet["body"], {"rank": None, "total": None, "grade": None})
        both = was["rank"] is not None and sheet["rank"] is not None
        rows.append(
            {
                "body": sheet["body"],
                "rank_before": was["rank"],
                "total_before": was["total"],
                "grade_before": was["grade"],
                "rank": sheet["rank"],
                "total": sheet["total"],
                "grade": sheet["grade"],
                "gain": _gain(was["total"], sheet["total"]),
                "move": _move(was["rank"], sheet["rank"]) if before else "same",
                "steps": abs(was["rank"] - sheet["rank"]) if both else 0,
            }
        )
    return rows


def _gain(was: str | None, now: str | None) -> str | None:
    """Return by how much the total changes, with its sign."""
    if was is None or now is None:
        return None
    return f"{Decimal(now) - Decimal(was):+}".replace("-", "−")


def _move(was: int | None, now: int | None) -> str:
    if was == now:
        return "same"
    if was is None:
        return "entered"
    if now is None:
        return "left"
    return "up" if now < was else "down"


def names_of_bodies(level: str, bodies: list[str]) -> dict[str, str]:
    """Return the names of bodies of a level in the reader's language."""
    if level == "unit":
        return {unit.pk: unit.name for unit in Unit.objects.filter(pk__in=bodies)}
    if level == "street":
        streets = Area.objects.filter(level=Area.Level.STREET, code__in=bodies)
        return {street.code: street.name for street in streets.order_by("valid")}
    return {district.slug: district.short_name for district in District.objects.all()}
