"""What does not add up, read set by set: each function returns what is wrong, else nothing.

The caller opens one snapshot, so that like is compared with like (cases/services/reconcile.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from cases.choices import CITY, ENDED_STAGES, OPEN_STAGES, Action, ClockKind, Stage
from cases.models import Alarm, CityOptions

What = Alarm.What
Tally = dict[str, dict[str, int]]  # {scope: {stage: cases}}
NAMED = 1000  # cases a finding names at most; a list of all would help nobody


@dataclass(frozen=True)
class Finding:
    """One thing that does not add up: what, of which log, how many, since when.

    `numbers` are cases concerned; `key` is the unit where it is one unit's, the kind where it is
    work; `words` say more to IT;
    `position` is the last good event of a chain: [dseq, hash].
    """

    what: Alarm.What
    scope: str
    how_many: int
    since: datetime
    numbers: tuple[str, ...] = ()
    key: str = ""
    usual: int | None = None
    words: str = ""
    position: list[Any] | None = None


def database_now() -> datetime:
    """Return the time of the database, the only clock that counts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]  # type: ignore[no-any-return]


# --- every case is somewhere --------------------------------------------------------------------

_OF_LOG = """
    SELECT e.scope, step.stage, sum(step.n)::bigint
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS r(scope, after, upto)
    JOIN cases_event e ON e.scope = r.scope AND e.dseq > r.after AND e.dseq <= r.upto
    CROSS JOIN LATERAL (VALUES
      (e.to_stage, CASE WHEN e.action = 'moved_out' THEN 0 ELSE 1 END),
      (e.from_stage, CASE WHEN e.action = 'moved_in' THEN 0 ELSE -1 END)) AS step(stage, n)
    WHERE e.case_id IS NOT NULL AND step.stage <> ''
    GROUP BY 1, 2
"""


def tally_of_log(before: Tally, ranges: Mapping[str, tuple[int, int]]) -> Tally:
    """Return how many cases each log puts in each stage: `before` and what the ranges add.

    A range is (after, up to) in one log. Each event takes the case out of one stage and puts it
    into another; a move takes it out of one log and puts it into another.
    """
    tally = {scope: dict(before.get(scope, {})) for scope in ranges}
    scopes = list(ranges)
    with connection.cursor() as cursor:
        cursor.execute(
            _OF_LOG,
            [scopes, [ranges[name][0] for name in scopes], [ranges[name][1] for name in scopes]],
        )
        for scope, stage, change in cursor.fetchall():
            tally[scope][stage] = tally[scope].get(stage, 0) + change
    return tally


def tally_of_cases(stages: Iterable[Stage]) -> Tally:
    """Return how many cases stand in each of `stages`, by the log they are written in."""
    tally: Tally = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT scope, stage, count(*) FROM cases_case WHERE {_among(stages)} GROUP BY 1, 2"  # noqa: S608 - our own words
        )
        for scope, stage, count in cursor.fetchall():
            tally.setdefault(scope, {})[stage] = count
    return tally


def _among(stages: Iterable[Stage]) -> str:
    """Return the condition of standing in one of `stages`, as the partial indexes have it."""
    return "stage IN ({})".format(", ".join(f"'{stage}'" for stage in sorted(stages)))


def uncounted(log: Tally, *, stages: frozenset[Stage], at: datetime) -> list[Finding]:
    """Return the logs whose count of cases per stage is not that of the cases themselves."""
    what = What.COUNT if stages == OPEN_STAGES else What.COUNT_ENDED
    rows = tally_of_cases(stages)
    found = []
    for scope in sorted({*log, *rows}):
        told, is_there = log.get(scope, {}), rows.get(scope, {})
        wrong = {
            stage: (told.get(stage, 0), is_there.get(stage, 0))
            for stage in sorted(stages)
            if told.get(stage, 0) != is_there.get(stage, 0)
        }
        if wrong:
            words = ", ".join(f"{s}: log {a}, cases {b}" for s, (a, b) in wrong.items())
            missing, surplus = (
                sum(max(0, sign * (a - b)) for a, b in wrong.values()) for sign in (1, -1)
            )
            how_many = max(missing, surplus)
            found.append(Finding(what, scope, how_many, at, words=words[:300]))
    return found


# --- every filed case is on its way, every clock runs --------------------------------------------


def undispatched(options: CityOptions, *, at: datetime) -> list[Finding]:
    """Return filed cases that no dispatch waits for, and that are not listed as unrouted."""
    return _of_cases(
        What.UNDISPATCHED,
        """
        SELECT c.scope, c.number, max(e.at) AS since FROM cases_case c
        JOIN cases_event e ON e.case_id = c.id AND e.case_seq = c.case_seq
        WHERE c.stage = 'filed' AND NOT c.is_unrouted
          AND e.at < %(at)s - make_interval(secs => %(wait_s)s)
          AND NOT EXISTS (
            SELECT FROM cases_effect f
            WHERE f.case_id = c.id AND f.kind = 'dispatch'
              AND f.state IN ('due', 'dead', 'needs_review'))
        GROUP BY 1, 2
        """,
        {"at": at, "wait_s": options.alarm_wait_s},
    )


def unrouted(options: CityOptions) -> list[Finding]:
    """Return the districts with more filed cases without a unit than the city tolerates."""
    found = _of_cases(
        What.UNROUTED,
        "SELECT scope, number, filed_at AS since FROM cases_case"
        " WHERE stage = 'filed' AND is_unrouted",
        {},
    )
    return [finding for finding in found if finding.how_many > options.alarm_unrouted]


# Which clock must run in a stage (domain.md §4); the others have none of their own.
_CLOCK_OF = {
    Stage.REPORTED: ClockKind.ACCEPT,
    Stage.VERIFYING: ClockKind.VERIFY,
    Stage.ACCEPTED: ClockKind.ACCEPT,
    Stage.FILED: ClockKind.DISPATCH,
    Stage.DISPATCHED: ClockKind.HANDLE,
    Stage.HANDLING: ClockKind.HANDLE,
    Stage.REWORK: ClockKind.HANDLE,
    Stage.CHECKING: ClockKind.CHECK,
    Stage.RETURNED: ClockKind.DISPATCH,
    Stage.DISPUTED: ClockKind.ARBITRATE,
    Stage.SUSPENDED: ClockKind.SUSPEND,
}


def clocks_wrong(*, at: datetime) -> list[Finding]:
    """Return open cases whose stage's clock does not run, or not to the deadline the case shows."""
    return _of_cases(
        What.CLOCK,
        f"""
        SELECT c.scope, c.number, %(at)s::timestamptz AS since FROM cases_case c
        JOIN unnest(%(stages)s::text[], %(kinds)s::text[]) AS w(stage, kind) USING (stage)
        LEFT JOIN cases_stageclock k
          ON k.case_id = c.id AND k.kind = w.kind AND k.ended_at IS NULL
        WHERE c.{_among(OPEN_STAGES)}
          AND (k.id IS NULL OR w.kind = 'handle' AND k.due_at IS DISTINCT FROM c.due_at)
        UNION
        SELECT c.scope, c.number, %(at)s FROM cases_stageclock k
        JOIN cases_case c ON c.id = k.case_id AND c.{_among(ENDED_STAGES)}
        WHERE k.ended_at IS NULL
        """,  # noqa: S608 - our own words
        {"at": at, "stages": list(_CLOCK_OF), "kinds": list(_CLOCK_OF.values())},
    )


def _of_cases(what: Alarm.What, rows: str, parameters: dict[str, Any]) -> list[Finding]:
    """Return a finding for each log from rows of (scope, number, since)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT scope, count(*), min(since), (array_agg(number ORDER BY number))[:{NAMED}]
            FROM ({rows}) AS wrong GROUP BY scope ORDER BY scope
            """,  # noqa: S608 - our own statements
            parameters,
        )
        found = cursor.fetchall()
    return [Finding(what, scope, n, since, tuple(numbers)) for scope, n, since, numbers in found]


# --- work gets done -----------------------------------------------------------------------------


def stuck_work(options: CityOptions, *, at: datetime) -> list[Finding]:
    """Return work that failed for good, that a person must judge, or that no worker takes or knows.

    A tick is made good by a later one of its kind; a canary says nothing of any case.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT what, scope, kind, count(*), min(since),
              coalesce((array_agg(DISTINCT number) FILTER (WHERE number > ''))[:{NAMED}], '{{}}')
            FROM (
              SELECT coalesce(nullif(e.scope, ''), %(city)s) AS scope, e.created_at AS since,
                e.kind, c.number, CASE WHEN e.state <> 'due' THEN e.state
                  WHEN e.parked_at IS NOT NULL THEN 'parked' ELSE 'waiting' END AS what
              FROM cases_effect e LEFT JOIN cases_case c ON c.id = e.case_id
              WHERE e.state <> 'done' AND e.kind <> 'canary' AND (
                e.state IN ('dead', 'needs_review') AND (e.case_id IS NOT NULL OR NOT EXISTS (
                  SELECT FROM cases_effect later
                  WHERE later.kind = e.kind AND later.queue = e.queue AND later.case_id IS NULL
                    AND later.done_at > e.created_at))
                OR e.state = 'due' AND (e.claimed_until IS NULL OR e.claimed_until < %(at)s) AND (
                  e.parked_at < %(at)s - make_interval(secs => %(wait_s)s)
                  OR e.next_at < %(at)s - make_interval(secs => %(wait_s)s)
                  OR e.runs = 0 AND (e.kind = 'dispatch' OR e.published_at IS NOT NULL)
                    AND e.created_at < %(at)s - make_interval(secs => %(wait_s)s)))) AS stuck
            GROUP BY what, scope, kind ORDER BY what, scope, kind
            """,  # noqa: S608 - a number of ours
            {"at": at, "city": CITY, "wait_s": options.alarm_wait_s},
        )
        return [
            Finding(What(what), scope, n, since, tuple(numbers), key=kind)
            for what, scope, kind, n, since, numbers in cursor.fetchall()
        ]


# --- one unit is flooded ------------------------------------------------------------------------

WEEKS = 4  # of its own past that a unit is compared with
_GIVEN = (Action.DISPATCH, Action.REASSIGN, Action.ARBITRATE, Action.REDISPATCH)


def surges(options: CityOptions, *, at: datetime) -> list[Finding]:
    """Return units given far more cases in the last hour than in that hour of the last four weeks.

    Weeks before the log began do not count; without one whole week nothing is usual yet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH hours AS (
              SELECT n, until FROM generate_series(0, %(weeks)s) AS n
              CROSS JOIN LATERAL (SELECT %(at)s - n * interval '7 days' AS until) AS week
              WHERE n = 0
                OR until - interval '1 hour' >= (SELECT min(at) FROM cases_event)),
            known AS (SELECT count(*) AS weeks FROM hours WHERE n > 0),
            given AS (
              SELECT e.unit, count(*) FILTER (WHERE n = 0) AS lately,
                count(*) FILTER (WHERE n > 0) AS before,
                min(e.at) FILTER (WHERE n = 0) AS since
              FROM hours JOIN cases_event e
                ON e.at > until - interval '1 hour' AND e.at <= until AND e.action = ANY(%(given)s)
              GROUP BY e.unit)
            SELECT coalesce(u.district_id, %(city)s), g.unit, lately, since, before / weeks
            FROM given g CROSS JOIN known JOIN cases_unit u ON u.code = g.unit
            WHERE weeks > 0 AND lately >= %(least)s AND lately * weeks > %(factor)s * before
            ORDER BY 1, 2
            """,
            {
                "at": at,
                "weeks": WEEKS,
                "given": [str(action) for action in _GIVEN],
                "city": CITY,
                "least": options.alarm_surge_least,
                "factor": options.alarm_surge_factor,
            },
        )
        return [
            Finding(What.SURGE, scope, lately, since, key=unit, usual=usual)
            for scope, unit, lately, since, usual in cursor.fetchall()
        ]
