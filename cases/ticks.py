"""Celery beat that writes rows: a tick is an effect, so two beats are harmless."""

from datetime import timedelta
from typing import Any

from celery.beat import ScheduleEntry
from celery.beat import Scheduler as BeatScheduler
from django.db import connection

from cases.models.effect import QUEUES

# name: (queue, seconds between ticks); a missed tick is not made up for: each job catches up alone.
TICKS: dict[str, tuple[str, int]] = {
    "scan_deadlines": ("dispatch.city", 10),
    "delete_old_ticks": ("scoring", 3600),
    "draw_samples": ("scoring", 3600),
    **{f"canary.{queue}": (queue, 10) for queue in QUEUES},
}


def write_tick(name: str) -> None:
    """Insert the effect of this tick's time slot unless an older one still waits."""
    queue, every_s = TICKS[name]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cases_effect (key, kind, queue, payload, urgency, runs, max_runs, outcome,
                                      dead, last_error)
            SELECT %(name)s::text || ':' || floor(extract(epoch FROM now()) / %(every)s)::bigint,
                   %(kind)s::text, %(queue)s::text, '{}', 0, 0, 3, '', false, ''
            WHERE NOT EXISTS (
              SELECT FROM cases_effect WHERE queue = %(queue)s::text AND kind = %(kind)s::text
                AND case_id IS NULL AND done_at IS NULL AND NOT dead)
            ON CONFLICT (key) DO NOTHING
            """,
            {"name": name, "every": every_s, "kind": name.split(".")[0], "queue": queue},
        )


class Scheduler(BeatScheduler):
    """Keeps its schedule in memory; instead of publishing it inserts a row for the relay."""

    def setup_schedule(self) -> None:
        """Take the schedule from TICKS."""
        self.update_from_dict(
            {
                name: {"task": name, "schedule": timedelta(seconds=every_s)}
                for name, (_, every_s) in TICKS.items()
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
        write_tick(str(entry.task))
        if advance:
            self.reserve(entry)
