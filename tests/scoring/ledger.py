"""The rows of a log put into the ledger's tables and read from them."""

import json

from django.contrib.gis.geos import Point
from django.db import connection

from cases.models import Case, Event, MinorClass
from scoring.runs import Row


def write(rows):
    """Put rows into the ledger's tables; hashes are not the matter here."""
    numbers = sorted({row.number for row in rows})
    first_minor, *others = MinorClass.objects.order_by("code")[:2]
    minors = {"m2": others[0] if others else first_minor}
    said, filed = {}, {}
    for row in rows:
        said[row.number] = said.get(row.number, {}) | row.data["set"]
        if row.action == "file":
            filed.setdefault(row.number, row.at)
    first = {row.number: row for row in reversed(rows)}
    last = {row.number: row for row in rows}
    closed = {n: row.at for n, row in last.items() if row.to_stage == "closed"}
    closed |= {
        row.number: row.at
        for row in rows
        if row.number in closed and row.action in {"close", "force_close"}
    }
    made = Case.objects.bulk_create(
        [
            Case(number=n, scope=first[n].district or "city", district=first[n].district,
                 stage="closed" if n in closed else "reported", closed_at=closed.get(n),
                 source="inspector", minor=minors.get(said[n].get("minor_id"), first_minor),
                 case_seq=last[n].seq,
                 reported_at=first[n].at, filed_at=filed.get(n), point=_point(said[n]),
                 is_self_handled=said[n].get("is_self_handled", False),
                 street=said[n].get("street", ""), grid_cell=said[n].get("grid_cell", ""))
            for n in numbers
        ],
        batch_size=500,
    )  # fmt: skip
    cases = {case.number: case for case in made}
    _copy(
        "cases_event (scope, dseq, case_id, case_seq, action, from_stage, to_stage, at, actor_role,"
        " district, body, unit, clock_kind, sets_clock, due_at, base_due_at, data, header,"
        " body_digest, prev_hash, hash)",
        (
            (row.district or "city", place, cases[row.number].pk, row.seq, row.action,
             _stage_before(rows, place), row.to_stage, row.at, "system", row.district, row.body,
             row.unit, "", row.sets_clock, row.due_at, row.base_due_at, json.dumps(row.data), "",
             b"", b"", b"")
            for place, row in enumerate(rows, 1)
        ),
    )  # fmt: skip


def _point(said):
    if not said.get("point"):
        return None
    return Point(*map(float, said["point"].split(",")), srid=4326)


def read():
    """Return the rows of the ledger's events, as the fold reads them."""
    events = Event.objects.filter(case__isnull=False).select_related("case")
    return [
        Row(e.case.number, e.case_seq, e.action, e.to_stage, e.at, e.district, e.body, e.unit,
            e.sets_clock, e.due_at, e.base_due_at, e.data)
        for e in events.order_by("case_id", "case_seq")
    ]  # fmt: skip


def _copy(table, rows):
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)


def forget_statistics():
    """Leave the planner with the statistics of before, as a large import does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = 3, relpages = 800 WHERE relname = 'cases_event'"
        )


def _stage_before(rows, place):
    row = rows[place - 1]
    return rows[place - 2].to_stage if row.seq > 1 else ""
