"""What a unit asks for while it works, who decides, and how a suspended case goes on."""

from datetime import datetime, timedelta

from django.utils import timezone

from cases.choices import Action, Role, Stage
from cases.models import Kind
from cases.simulation import beside
from cases.simulation.life import Chance, Life

# All ours; at 3 % and less of borrowed time a district loses nothing (assessment.md §6, A8).
EXTENDED_LATE_WORKS = 0.3  # of works that will be late: the unit asks for an extension
EXTENDED_LATE = 0.05  # of quick cases that will be late
EXTENDED_EARLY = 0.01  # of works that would be in time all the same
ENDORSED = 0.9  # by the head of unit
UNDECIDED = 0.1  # of endorsed requests the dispatcher does not get to before they lapse
EXTENDED = 0.85  # of decided requests
SUSPENDED = 0.03  # of works on components: planned works, a budget, the season
DEFERRED = 0.008  # of works on components: a leader decides
GRANTED = 0.75  # of requests for suspension
SHORT = 0.6  # of suspensions last days, the others weeks
RESUMED_EARLY = 0.2  # of suspensions
REPLIED_OVERDUE = 0.7  # of the timer's supervision orders
VOIDED_LATE = 0.02  # of late cases: a few leave by the back door
FORCED = 0.2  # of cases left for weeks
AFTER_SCAN = timedelta(minutes=15)  # a scan has seen what ended before


def while_worked_on(
    life: Life, at: datetime, *, due: datetime, end: datetime, is_works: bool
) -> None:
    """Plan what is asked for and said until the unit finishes."""
    will_be_late = end > due
    left, minutes = due - at, (due - at).total_seconds() / 60
    if will_be_late:
        _when_late(life, at, left)
    odds = EXTENDED_EARLY if is_works else 0.0
    if will_be_late:
        odds = EXTENDED_LATE_WORKS if is_works else EXTENDED_LATE
    if minutes > 60 and life.happens(odds):
        life.aside(at, left - life.draw(20, min(minutes * 0.8, 900)), ask_extension)
    elif is_works and life.draft.condition.minor.kind == Kind.COMPONENT:
        middle = minutes * 0.3
        suspended = Chance(SUSPENDED, 20, max(21, int(middle)), ask_suspension)
        life.perhaps(at, suspended, Chance(DEFERRED, 20, max(21, int(middle)), defer))


def _when_late(life: Life, at: datetime, left: timedelta) -> None:
    """Plan what follows from the lateness: the timer's order is replied to, some leave."""
    past = max(left, timedelta())
    if life.happens(REPLIED_OVERDUE):
        life.aside(at, past + life.draw(15, 360), beside.reply)
    if life.happens(VOIDED_LATE):
        life.aside(at, past + life.draw(30, 2000), beside.void)
    if life.is_left and life.happens(FORCED):
        life.aside(at, past + life.draw(3000, 10000), beside.force_close)


# --- extension ----------------------------------------------------------------------------------


def ask_extension(life: Life, at: datetime) -> None:
    """Ask for one more limit; nobody asks where there is no head to decide first."""
    if life.city.people.head_of(life.look().unit_id or "") is None:
        return
    reason = life.random.choice(("weather", "material", "coordination"))
    if life.ask(at, Action.REQUEST_EXTENSION, Role.UNIT, words={"reason": reason}):
        life.aside(at, life.draw(5, 60), endorse)


def endorse(life: Life, at: datetime) -> None:
    """The head of unit endorses or refuses; too late, the request has lapsed."""
    approved = life.happens(ENDORSED)
    words = {"approved": approved, "note": "" if approved else "可按期完成"}
    if life.ask(at, Action.DECIDE_EXTENSION, Role.UNIT_HEAD, words=words) and approved:
        life.perhaps(at, Chance(1 - UNDECIDED, 5, 100, extend))


def extend(life: Life, at: datetime) -> None:
    """The dispatcher approves or refuses."""
    words = {"approved": life.happens(EXTENDED)}
    life.ask(at, Action.DECIDE_EXTENSION, Role.DISPATCHER, words=words)


# --- suspension ---------------------------------------------------------------------------------


def ask_suspension(life: Life, at: datetime) -> None:
    """Ask for the clock to stand still."""
    reason = life.random.choice(("planned_works", "budget", "season"))
    words = {"reason": reason, "until": _some_day(life, at), "note": "需列入施工计划"}
    if life.ask(at, Action.REQUEST_SUSPENSION, Role.UNIT, words=words):
        life.aside(at, life.draw(10, 150), suspend)


def suspend(life: Life, at: datetime) -> None:
    """The dispatcher decides."""
    words = {"approved": life.happens(GRANTED)}
    if life.ask(at, Action.DECIDE_SUSPENSION, Role.DISPATCHER, words=words):
        stand_still(life, at)


def defer(life: Life, at: datetime) -> None:
    """A leader defers it."""
    words = {"reason": "budget", "until": _some_day(life, at), "note": "纳入年度改造计划统筹"}
    if life.ask(at, Action.DEFER, Role.LEADER, words=words):
        stand_still(life, at)


def _some_day(life: Life, at: datetime) -> str:
    low, high = (2, 9) if life.happens(SHORT) else (20, 90)
    return f"{timezone.localtime(at) + timedelta(days=life.random.randint(low, high)):%Y-%m-%d}"


def stand_still(life: Life, at: datetime) -> None:
    """Where the case is suspended now: a few go on early, the others when the time is over."""
    if life.stage != Stage.SUSPENDED:
        return
    life.is_shared = True  # a scan resumes it
    life.perhaps(at, Chance(RESUMED_EARLY, 1500, 7000, resume))
    life.go_on(at)


def wait_for_the_end(life: Life, at: datetime) -> None:
    """Plan to look again when the scan has resumed it."""
    until = life.look().suspended_until
    if until is not None:
        life.next_at(until + AFTER_SCAN, resumed)


def resumed(life: Life, at: datetime) -> None:
    """Go on where a scan has resumed the case."""
    if life.look().stage in (Stage.HANDLING, Stage.REWORK):
        life.go_on(at)


def resume(life: Life, at: datetime) -> None:
    """Go on before the day: the material has come."""
    if life.ask(at, Action.RESUME, Role.DISPATCHER, words={"note": "条件已具备，恢复处置"}):
        life.go_on(at)
