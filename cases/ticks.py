"""Celery beat that writes rows: a tick is an effect, so two beats are harmless."""

from datetime import timedelta
from typing import Any, NamedTuple

from celery.beat import ScheduleEntry
from celery.beat import Scheduler as BeatScheduler
from django.db import Error, connection

from cases.models.effect import QUEUES

LOOK_S = 60  # how often at least a beat looks whether the row of a slot is there


class Tick(NamedTuple):
    """A job done again and again: one row for each slot of time.

    A slot nobody saw is not made up for, since every job does all that waits whenever it runs
    (docs/effects.md says how each). The row of a slot is written as soon as a beat looks, so a
    nightly job whose hour was missed is done in the morning.
    """

    queue: str
    every_s: int  # between two slots
    at: timedelta = timedelta()  # from midnight, Asia/Shanghai, to the first slot of a day


TICKS: dict[str, Tick] = {
    "scan_deadlines": Tick("dispatch.city", 10),
    "watch_desk": Tick("notify", 10),
    "delete_old_ticks": Tick("scoring", 3600),
    "draw_samples": Tick("scoring", 3600),
    "reconcile_minute": Tick("scoring", 50),  # an alarm stands within the minute
    "reconcile_nightly": Tick("scoring", 20),  # a slice each, when a night's run is due
    "advance_rollup": Tick("scoring", 15),
    "sweep_photos": Tick("media", 600),
    "sweep_exports": Tick("report", 3600),
    "keep_scores": Tick("report", 600),
    "tell_of_closings": Tick("scoring", 600),
    **{f"canary.{queue}": Tick(queue, 10) for queue in QUEUES},
}


def write_tick(name: str) -> None:
    """Insert the effect of the present slot, if it is not there and no older one waits."""
    tick = TICKS[name]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cases_effect (key, kind, queue, scope, payload, urgency, state, runs,
                                      max_runs, outcome, last_error)
            SELECT %(name)s::text || ':' || floor(
                     (extract(epoch FROM now() AT TIME ZONE 'Asia/Shanghai') - %(at)s) / %(every)s
                   )::bigint,
                   %(kind)s::text, %(queue)s::text, '', '{}', 0, 'due', 0, 3, '', ''
            WHERE NOT EXISTS (
              SELECT FROM cases_effect
              WHERE queue = %(queue)s::text AND scope = '' AND state = 'due'
                AND kind = %(kind)s::text AND case_id IS NULL)
            ON CONFLICT (key) DO NOTHING
            """,
            {
                "name": name,
                "at": int(tick.at.total_seconds()),
                "every": tick.every_s,
                "kind": name.split(".")[0],
                "queue": tick.queue,
            },
        )


class Scheduler(BeatScheduler):
    """Keeps its schedule in memory; instead of publishing it inserts a row for the relay."""

    producer = None  # type: ignore[assignment]  # so it asks no broker, which may be away

    def setup_schedule(self) -> None:
        """Take the schedule from TICKS; each is due at once, for a beat may have been away."""
        long_ago = self.app.now() - timedelta(seconds=2 * LOOK_S)
        self.update_from_dict(
            {
                name: {
                    "task": name,
                    "schedule": timedelta(seconds=min(tick.every_s, LOOK_S)),
                    "last_run_at": long_ago,
                }
                for name, tick in TICKS.items()
            }
        )

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: Any = None,
        advance: bool = True,  # noqa: FBT001, FBT002  # Celery's signature
        **kwargs: Any,
    ) -> None:
        """Write the tick of `entry`."""
        try:
            write_tick(str(entry.task))
        except Error:
            connection.close()  # it may be broken; the next look opens another
            raise
        if advance:
            self.reserve(entry)
