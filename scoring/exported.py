"""The exported log of a run: what whoever doubts a score needs to compute it again.

Headers only: they hold all that a score reads and no person. The form: docs/export.md.
"""

import json
from collections.abc import Iterator

from django.db import connection, transaction

from cases.ledger import canonical, stamp
from scoring.models import Run
from scoring.periods import parse_period, periods_within

FORM = 1
_CHUNK = 5_000


def exported_lines(run: Run) -> Iterator[str]:
    """Yield the lines of a run's log without their ends: what it is, then event by event.

    Every log from its first event to where the run read it, in the order of its numbers. Reads in
    one transaction of its own; the log only grows, so its past is the same at any moment.
    """
    yield canonical(_about(run))
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        for scope, dseq in sorted(run.heads.items()):
            cursor.execute(
                """
                SELECT header, encode(body_digest, 'hex'), encode(hash, 'hex')
                FROM cases_event WHERE scope = %s AND dseq <= %s ORDER BY dseq
                """,
                [scope, dseq],
            )
            while rows := cursor.fetchmany(_CHUNK):
                for header, digest, hash_ in rows:
                    row = {"scope": scope, "header": header, "body": digest, "hash": hash_}
                    yield canonical(row)


def _about(run: Run) -> dict[str, object]:
    period = parse_period(run.period)
    return {
        "cityops_log": FORM,
        "period": run.period,
        "start": stamp(period.start),
        "end": stamp(period.end),
        "as_of": stamp(run.as_of),
        "names": [one.name for one in periods_within(period.start, period.end)],
        "wide_start": stamp(period.wide_start),
        "wide_names": [one.name for one in periods_within(period.wide_start, period.end)],
        "months": period.months,
        "heads": heads_of(run),
        "scheme": run.scheme.data,
        "beside": json.loads(run.beside),
        "result": run.result,
        "seal": run.seal,
    }


def heads_of(run: Run) -> dict[str, dict[str, object]]:
    """Return where the run read each log, with the hash of the last event it read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.scope, h.dseq, coalesce(encode(e.hash, 'hex'), repeat('0', 64))
            FROM (SELECT key AS scope, value::bigint AS dseq FROM json_each_text(%s)) h
            LEFT JOIN cases_event e USING (scope, dseq) ORDER BY h.scope
            """,
            [json.dumps(run.heads)],
        )
        return {scope: {"dseq": dseq, "hash": hash_} for scope, dseq, hash_ in cursor.fetchall()}
