"""The weekly draws: by lot, once, and the audits they send out (assessment.md §6)."""

from datetime import datetime, time, timedelta

from django.utils import timezone

from cases.choices import Action, Waiting
from cases.errors import CityFilling
from cases.ledger import open_book, open_folder, retrying
from cases.models import CityOptions, Draw, Task
from cases.selectors.draws import drawn_from, heads_before, in_order, seed_of
from cases.selectors.inspectors import inspector_for
from cases.services import filing
from cases.services.moves.site import ask_to_look

WEEK = timedelta(days=7)
_AUDITS = {
    Draw.Kind.CLOSURE: (Action.AUDIT_CLOSURE, Task.Kind.AUDIT_CLOSURE),
    Draw.Kind.DECLINE: (Action.AUDIT_DECLINE, Task.Kind.AUDIT_DECLINE),
}


def draw_samples(*, at: datetime | None = None) -> str:
    """Make the draws of each week that ended since the last, and send the audits they are owed.

    Safe to run twice or late: a draw is one row, of a week that is over and so the same whenever
    it is made; an audit is one task of its draw. `at` is given by simulate only.
    """
    last = _monday(at or timezone.now())
    try:
        draws = [make_draw(kind, end, at=at) for kind in Draw.Kind for end in _ends(kind, last)]
        sent = sum(_send(draw, at=at) for draw in draws if draw.kind in _AUDITS)
    except CityFilling:
        return "stands aside"
    return f"{sent} audits sent"


def _monday(at: datetime) -> datetime:
    """Return the last midnight before a Monday, Asia/Shanghai."""
    today = timezone.localtime(at).date()
    return timezone.make_aware(datetime.combine(today - timedelta(days=today.weekday()), time()))


def _ends(kind: Draw.Kind, last: datetime) -> list[datetime]:
    """Return the ends of the weeks to be drawn: the last, and those nobody drew in time."""
    made = Draw.objects.filter(kind=kind, end__lt=last).order_by("-end").first()
    ends = [last]
    while made is not None and ends[0] - WEEK > made.end:
        ends.insert(0, ends[0] - WEEK)
    return ends


def make_draw(kind: Draw.Kind, end: datetime, *, at: datetime | None = None) -> Draw:
    """Return the draw of the week before `end`; made now if it was not yet.

    The same number for each body: as many as the city wants, or all there are.
    """
    year, week, _ = (timezone.localtime(end) - timedelta(days=1)).isocalendar()
    name = f"{kind}-{year}-W{week:02}"
    heads = heads_before(end)
    seed = seed_of(heads, name)
    wanted = _wanted(kind)
    numbers = {
        body: in_order(seed, found)[:wanted]
        for body, found in sorted(drawn_from(kind, end - WEEK, end).items())
    }
    words = {"kind": kind, "start": end - WEEK, "end": end, "heads": heads, "seed": seed}
    words |= {"drawn_at": at or timezone.now(), "numbers": numbers}
    draw, _made = Draw.objects.get_or_create(name=name, defaults=words)
    return draw


def _wanted(kind: Draw.Kind) -> int:
    options = CityOptions.objects.get()
    return {
        Draw.Kind.CLOSURE: options.audits_a_week,
        Draw.Kind.DECLINE: options.decline_audits_a_week,
        Draw.Kind.REVISIT: options.revisits_a_week,
    }[kind]


def _send(draw: Draw, *, at: datetime | None) -> int:
    """Send the audits of a draw that were not sent yet; returns how many."""
    sent = set(draw.task_set.values_list("case__number", flat=True))
    waiting = [n for numbers in draw.numbers.values() for n in numbers if n not in sent]
    return sum(send_audit(number, draw, at=at) for number in waiting)


@retrying
def send_audit(number: str, draw: Draw, *, at: datetime | None = None) -> int:
    """Ask an inspector who was not involved; returns 1, or 0 where nobody need or can be asked.

    A case that was reopened meanwhile is not asked about.
    """
    action, kind = _AUDITS[Draw.Kind(draw.kind)]
    folder = open_folder(number=number)
    case = folder.case
    waits = Waiting.AUDIT in case.waiting_for or draw.task_set.filter(case=case).exists()
    if waits or case.stage != Task.STAGES[kind]:
        return 0
    assignee_id = inspector_for(case, is_stranger=True)
    if assignee_id is None:
        return 0
    minutes = CityOptions.objects.get().audit_min
    with open_book(case.scope, at=at) as book:
        filing.wait_for(folder, Waiting.AUDIT)
        facts = {"draw": draw.name}
        task = ask_to_look(book, folder, action, kind, assignee_id, minutes=minutes, facts=facts)
    task.draw = draw
    task.save()
    return 1
