"""What is known of earlier periods: the runs that stand for them."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from scoring.models import Edition, Run
from scoring.periods import Period


def kept_runs(periods: Sequence[Period], level: str) -> dict[str, Run]:
    """Return the run that stands for each period that has ended, by name.

    It is that of the edition in force, else the newest by the scheme that was in force, computed
    after the period's end. A period nobody looked at since has none here (frame.history_of).
    """
    wanted = {period.name: period for period in periods}
    stored = (
        Run.objects.filter(period__in=wanted, scheme__level=level, scheme__valid__isnull=False)
        .order_by("as_of", "pk")
        .values_list("pk", "period", "as_of", "scheme__valid")
    )
    newest = {
        name: pk
        for pk, name, as_of, valid in stored
        if as_of >= wanted[name].end and _holds(valid, wanted[name])
    }
    if level == "district":
        editions = Edition.objects.filter(period__in=wanted, approved_at__isnull=False)
        newest |= dict(editions.order_by("number").values_list("period", "run_id"))
    runs = Run.objects.filter(pk__in=newest.values()).select_related("scheme")
    return {run.period: run for run in runs}


def _holds(valid: Any, period: Period) -> bool:
    return valid.lower <= period.start and (valid.upper is None or period.start < valid.upper)


def sheets_of(run: Run | None) -> dict[str, dict[str, Any]]:
    """Return the sealed sheets of a run by body; none of none."""
    if run is None:
        return {}
    return {sheet["body"]: sheet for sheet in json.loads(run.result)["bodies"]}


def totals_of(sheets: Sequence[Mapping[str, Mapping[str, Any]]], body: str) -> list[Decimal | None]:
    """Return a body's totals, period by period; None where it has none."""
    found = (one.get(body, {}).get("total") for one in sheets)
    return [None if total is None else Decimal(total) for total in found]
