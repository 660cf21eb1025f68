"""What a weekly draw draws from, and in which order; the same for everybody who repeats it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from cases.choices import DISTRICT_SLUGS, Action, Source, Stage
from cases.models import Case, Draw, Event
from cityops.accounts.models import User

_ENDINGS = {
    Draw.Kind.CLOSURE: (Action.CLOSE,),
    Draw.Kind.DECLINE: (Action.DECLINE, Action.DECLINE_FILING),
    Draw.Kind.REVISIT: (Action.CLOSE, Action.DECLINE, Action.DECLINE_FILING),
}


def heads_before(end: datetime) -> dict[str, str]:
    """Return the hash of each district's last event before `end`, in hex; zeros for none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT scope, encode(coalesce(e.hash, decode(repeat('00', 32), 'hex')), 'hex')
            FROM unnest(%s::text[]) AS d(scope) LEFT JOIN LATERAL (
              SELECT hash FROM cases_event
              WHERE cases_event.scope = d.scope AND at < %s ORDER BY dseq DESC LIMIT 1) e ON true
            """,
            [list(DISTRICT_SLUGS), end],
        )
        return dict(cursor.fetchall())


def seed_of(heads: dict[str, str], name: str) -> str:
    """Return SHA-256(the four heads in slug order ‖ name) in hex."""
    heads_in_order = b"".join(bytes.fromhex(heads[scope]) for scope in DISTRICT_SLUGS)
    return hashlib.sha256(heads_in_order + name.encode()).hexdigest()


def in_order(seed: str, numbers: Iterable[str]) -> list[str]:
    """Return case numbers by SHA-256(seed ‖ number): nobody can say beforehand who is first."""
    salt = bytes.fromhex(seed)
    return sorted(numbers, key=lambda number: hashlib.sha256(salt + number.encode()).digest())


def drawn_from(kind: str, start: datetime, end: datetime) -> dict[str, set[str]]:
    """Return the case numbers of [start, end) a draw of this kind may take, by body.

    Closings and declined reports as the log has them; to revisit only reporters who are no
    inspectors. A city-wide utility's cases go by their district.
    """
    events = Event.objects.filter(action__in=_ENDINGS[Draw.Kind(kind)], at__gte=start, at__lt=end)
    found: dict[str, set[str]] = defaultdict(set)
    rows = events.exclude(case=None).values_list("district", "case__number", "case__source")
    for district, number, source in rows:
        if district and not (kind == Draw.Kind.REVISIT and source == Source.INSPECTOR):
            found[district].add(number)
    return found


def revisits_due(user: User, draws: Iterable[Draw]) -> list[Case]:
    """Return the drawn cases in sight whose reporters were not asked since the draw.

    Who was asked before it was not asked by lot: that answer is in no score.
    """
    since = {number: draw.end for draw in draws for row in draw.numbers.values() for number in row}
    asked = Event.objects.filter(action=Action.REVISIT, case__number__in=since)
    newest = dict(asked.order_by("at").values_list("case__number", "at"))
    waiting = [n for n, drawn in since.items() if n not in newest or newest[n] < drawn]
    seen = Case.objects.all().visible_to(user).filter(number__in=waiting)
    ended = seen.filter(stage__in=(Stage.CLOSED, Stage.DECLINED))
    return list(ended.select_related("minor").order_by("number"))


def results_of(draws: Iterable[Draw]) -> dict[int, dict[str, int]]:
    """Return for each draw of audits how many were sent, answered, passed and feigned."""
    results: dict[int, dict[str, Any]] = {
        draw.pk: {"sent": 0, "answered": 0, "passed": 0, "falsified": 0} for draw in draws
    }
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT draw_id, count(*), count(*) FILTER (WHERE passed IS NOT NULL),
                   count(*) FILTER (WHERE passed), count(*) FILTER (WHERE falsified)
            FROM cases_task WHERE draw_id = ANY(%s) GROUP BY draw_id
            """,
            [list(results)],
        )
        for pk, *counted in cursor.fetchall():
            results[pk] = dict(zip(results[pk], counted, strict=True))
    return results
