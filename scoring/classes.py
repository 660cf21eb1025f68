"""The lists of a run by the class of their cases, as they are classed now."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from cases.models import MinorClass
from cases.models.area import in_language
from scoring.models import Run
from scoring.services import lists_of_run

_CODE = re.compile(r"(component|event)-(\d\d)(\d\d)?", re.ASCII)


@dataclass(frozen=True)
class CaseClass:
    """A major class, `event-01`, or a minor one, `event-0112`."""

    code: str
    name: str


def class_named(code: str) -> CaseClass | None:
    """Return the class of a code, None for none."""
    found = _CODE.fullmatch(code)
    if found is None:
        return None
    among = MinorClass.objects.filter(code__startswith=code).order_by("code")
    first = among.first()
    if first is None:
        return None
    return CaseClass(code, first.name if found[3] else first.major_name)


def major_classes() -> list[CaseClass]:
    """Return the major classes in their order, components first."""
    rows = MinorClass.objects.order_by("kind", "major_code").values_list(
        "kind", "major_code", "major_zh", "major_en"
    )
    return [
        CaseClass(f"{kind}-{major}", in_language(zh, en))
        for kind, major, zh, en in dict.fromkeys(rows)
    ]


def counts_in(run: Run, code: str) -> dict[str, dict[str, int]]:
    """Return the counts of each body among the cases of a class; one query."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    lists_of_run(run)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.body, l.count, count(*)::int
            FROM scoring_runlist l CROSS JOIN unnest(l.numbers) n (number)
            JOIN cases_case c ON c.number = n.number
            WHERE l.run_id = %s AND starts_with(c.minor_id, %s)
            GROUP BY l.body, l.count
            """,
            [run.pk, code],
        )
        for body, count, many in cursor.fetchall():
            counts[body][count] = many
    return dict(counts)


def most_frequent(run: Run, count: str, bodies: Sequence[str]) -> list[tuple[CaseClass, int]]:
    """Return the five minor classes a count has most of, over several bodies, with how many."""
    lists_of_run(run)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.code, m.name_zh, m.name_en, count(*)::int AS many
            FROM scoring_runlist l CROSS JOIN unnest(l.numbers) n (number)
            JOIN cases_case c ON c.number = n.number JOIN cases_minorclass m ON m.code = c.minor_id
            WHERE l.run_id = %s AND l.count = %s AND l.body = ANY(%s)
            GROUP BY m.code ORDER BY many DESC, m.code LIMIT 5
            """,
            [run.pk, count, list(bodies)],
        )
        rows = cursor.fetchall()
    return [(CaseClass(code, in_language(zh, en)), many) for code, zh, en, many in rows]
