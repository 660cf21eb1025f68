"""What happens once a week: audits are drawn by lot, and answered."""

import itertools
from datetime import datetime, timedelta

from django.utils import timezone

from cases.models import Draw, Task
from cases.services.draws import draw_samples
from cases.simulation import afterwards
from cases.simulation.run import Run

AFTER_MIDNIGHT = timedelta(minutes=20)


def plan_weeks(run: Run, start: datetime, days: int) -> None:
    """Plan the draws after each Sunday of `days` from `start` on."""
    midnight = timezone.localtime(start).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(1, days + 1):
        morning = midnight + timedelta(days=day)
        if morning.weekday() == 0:
            run.plan(morning + AFTER_MIDNIGHT, lambda at: draw(run, at))


def draw(run: Run, at: datetime) -> None:
    """Draw from the week that ended: audits are answered, most reporters drawn are asked."""
    draw_samples(at=at)
    sent = Task.objects.open().filter(draw__in=Draw.objects.filter(drawn_at=at)).order_by("pk")
    for number in sent.values_list("case__number", flat=True):
        if number in run.lives:
            run.lives[number].take(afterwards.expect_answer, at)
    for drawn in Draw.objects.filter(drawn_at=at, kind=Draw.Kind.REVISIT):
        for number in itertools.chain.from_iterable(drawn.numbers.values()):
            if number in run.lives:
                run.lives[number].take(afterwards.perhaps_revisit, at)
