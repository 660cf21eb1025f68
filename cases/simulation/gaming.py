"""Moves a district may play to look better than it works; docs/gaming.md says what each wins.

All go through the same services as everything else. What people outside the district do about
them is the model of assessment.md §7: audits find most hollow closings and most wrong refusals,
assessors confirm hardly any late exit, and the city's dispatcher decides what is asked for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.utils import timezone

from cases.choices import DISTRICT_SLUGS, UNIT_STAGES, Action, LimitUnit, Role
from cases.simulation import afterwards, beside, waiting
from cases.simulation.city import CannotSimulateError, Draft
from cases.simulation.life import Chance, Life
from cases.simulation.run import Run


class Move(StrEnum):
    """What a district does; the first two are honest work."""

    CLOSE_LATE = "close-late-ones"
    HALVE_LATENESS = "halve-lateness"
    VOID_LATE = "void-late"
    FINISH_EARLY = "finish-early"
    EXTEND_LATE = "extend-late"
    SUSPEND_LATE = "suspend-late"
    REFUSE_HARD = "refuse-hard"
    EASY_SAME_CELLS = "easy-cases-same-cells"
    EASY_ELSEWHERE = "easy-cases-elsewhere"
    FORCE_CLOSE_LATE = "force-close-late"
    HAND_OVER_LATE = "hand-over-late"


ABOUT: Mapping[Move, str] = {
    Move.CLOSE_LATE: "finishes late what it would have left for weeks",
    Move.HALVE_LATENESS: "has half of what would be late done in time",
    Move.VOID_LATE: "has every case voided when it is late",
    Move.FINISH_EARLY: "says of what will be late that it is done, in time and without work",
    Move.EXTEND_LATE: "asks for more time for all that will be late",
    Move.SUSPEND_LATE: "asks to suspend all that will be late",
    Move.REFUSE_HARD: "refuses half of the works cases reported from outside",
    Move.EASY_SAME_CELLS: "files 30 % more easy cases, ten at a time at one place",
    Move.EASY_ELSEWHERE: "files 30 % more easy cases, wherever there are some",
    Move.FORCE_CLOSE_LATE: "force-closes late cases that nobody would finish for weeks",
    Move.HAND_OVER_LATE: "hands such cases to a city-wide utility",
}

# The model of assessment.md §7.
HOLLOW_PASSES = 0.5  # of hollow closings get through the check
REFUSED = 0.5  # of hard reports
EXIT_CONFIRMED = 0.05  # of late cases that were voided to be rid of them
MORE = 0.3  # easy cases to a report
PILE = 10  # of them are filed at once at one place
WALK = timedelta(minutes=4)  # from one to the next
SOON = timedelta(minutes=15)  # before a deadline there is no time left to pretend
DAY = 24 * 60

Moves = Mapping[str, frozenset[str]]  # by district


def read_moves(texts: Iterable[str]) -> Moves:
    """Read `DISTRICT:NAME` of each; raises CannotSimulateError with the names there are."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        district, _, name = text.partition(":")
        if district not in DISTRICT_SLUGS or name not in list(Move):
            raise CannotSimulateError(
                f"There is no move {text!r}. Write DISTRICT:NAME, of {', '.join(DISTRICT_SLUGS)} "
                f"and of {', '.join(Move)}."
            )
        found[district].add(name)
    return {district: frozenset(names) for district, names in found.items()}


# --- more easy cases ----------------------------------------------------------------------------


class Extra(NamedTuple):
    """A case filed beside the others, how long after them, and the key that names it."""

    draft: Draft
    delay: timedelta
    key: str


def extra_cases(run: Run, draft: Draft, key: str, at: datetime) -> list[Extra]:
    """Return the easy cases the district files beside a report, if it plays that."""
    moves = run.moves.get(draft.district, frozenset())
    luck = run.city.luck(key, "extra")
    if Move.EASY_ELSEWHERE in moves and run.falls_on(MORE, f"more {draft.district}"):
        return [Extra(run.city.small(draft.district, at, luck), WALK, f"{key}+")]
    if Move.EASY_SAME_CELLS in moves and run.falls_on(MORE / PILE, f"piles {draft.district}"):
        small = run.city.small(draft.district, at, luck)
        return [Extra(small, WALK * (n + 1), f"{key}+{n}") for n in range(PILE)]
    return []


# --- before filing, and while a unit works ------------------------------------------------------


def refuses(life: Life) -> bool:
    """Whether the district refuses a true report because it is hard."""
    limit = life.draft.condition
    is_hard = limit.limit_unit == LimitUnit.WORK_DAY and limit.limit_value > 1
    life.is_refused = is_hard and life.plays(Move.REFUSE_HARD) and life.falls_on(REFUSED, "refused")
    return life.is_refused


def in_time(life: Life, odds: float) -> float:
    """Return the odds that a case is finished in time."""
    if life.is_easy:
        return 1.0
    return 1 - (1 - odds) / 2 if life.plays(Move.HALVE_LATENESS) else odds


def is_left(life: Life) -> bool:
    """Whether nobody finishes a late case for weeks."""
    return life.happens(life.profile.left) and not life.plays(Move.CLOSE_LATE)


def when_late(life: Life, at: datetime, *, due: datetime, end: datetime) -> datetime:
    """Plan what the district does about a case that will be late; returns when it says it is done.

    The work itself ends at `end`.
    """
    past = max(due - at, timedelta())
    for move, low, high, step in _ABOUT_LATE:
        if life.plays(move) and (life.is_left or move == Move.VOID_LATE):
            life.aside(at, past + life.draw(low, high), step, by_night=True)
    for move, step in _BEFORE:
        if life.plays(move):
            life.aside(at, life.draw(1, 10), step, by_night=True)
    if life.plays(Move.FINISH_EARLY) and not life.reworks and past > SOON:
        life.is_hollow, life.done_at = True, end
        return at + past * life.random.uniform(0.2, 0.8)
    return end


def void(life: Life, at: datetime) -> None:
    """Have a late case voided; an assessor looks whether that is proper."""
    words = {"reason": "no_longer_there"}
    if _is_late(life, at) and life.ask(at, Action.VOID, Role.DUTY_CHIEF, words=words):
        confirmed = Chance(EXIT_CONFIRMED, DAY, 3 * DAY, afterwards.confirm_exit)
        life.perhaps(at, confirmed)


def force_close(life: Life, at: datetime) -> None:
    """Close a late case that is not done."""
    if _is_late(life, at):
        beside.force_close(life, at)


def hand_over(life: Life, at: datetime) -> None:
    """Give a late case to a city-wide utility, which is another body."""
    utilities = life.city.utilities
    if not utilities or not _is_late(life, at):
        return
    words = {"unit": life.random.choice(utilities), "note": "属市级管线单位职责"}
    if life.ask(at, Action.REASSIGN, Role.DISPATCHER, words=words):
        life.is_handed_over = True
        life.go_on(at)


def _is_late(life: Life, at: datetime) -> bool:
    """Whether a unit still has the case after its deadline, and no duplicate hangs on it."""
    due = life.look().due_at
    return life.stage in UNIT_STAGES and due is not None and at > due and not life.holds_duplicate


def ask_extension(life: Life, at: datetime) -> None:
    """Ask for more time, by the unit; its head endorses."""
    words = {"reason": "coordination"}
    if life.ask(at, Action.REQUEST_EXTENSION, Role.UNIT, words=words):
        life.aside(at, life.draw(1, 10), endorse, by_night=True)


def endorse(life: Life, at: datetime) -> None:
    """The head endorses; then the city's dispatcher decides."""
    words = {"approved": True}
    if life.ask(at, Action.DECIDE_EXTENSION, Role.UNIT_HEAD, words=words):
        life.aside(at, life.draw(5, 40), extend, by_night=True)


def extend(life: Life, at: datetime) -> None:
    """The city's dispatcher decides, not the district's own."""
    words = {"approved": life.happens(waiting.EXTENDED)}
    dispatcher = life.city.people.one(Role.DISPATCHER)
    life.ask(at, Action.DECIDE_EXTENSION, dispatcher, words=words)


def ask_suspension(life: Life, at: datetime) -> None:
    """Ask to have the case suspended for weeks."""
    until = timezone.localtime(at) + timedelta(days=life.random.randint(20, 60))
    words = {"reason": "planned_works", "until": f"{until:%Y-%m-%d}", "note": "需列入施工计划"}
    if life.ask(at, Action.REQUEST_SUSPENSION, Role.UNIT, words=words):
        life.aside(at, life.draw(5, 40), suspend, by_night=True)


def suspend(life: Life, at: datetime) -> None:
    """The city's dispatcher decides, not the district's own."""
    words = {"approved": life.happens(waiting.GRANTED)}
    dispatcher = life.city.people.one(Role.DISPATCHER)
    if life.ask(at, Action.DECIDE_SUSPENSION, dispatcher, words=words):
        waiting.stand_still(life, at)


# Once a case is late, after how many minutes; of what nobody would finish, but for voids.
_ABOUT_LATE = (
    (Move.VOID_LATE, 3, 11, void),
    (Move.FORCE_CLOSE_LATE, 60, 600, force_close),
    (Move.HAND_OVER_LATE, 60, 600, hand_over),
)
_BEFORE = ((Move.EXTEND_LATE, ask_extension), (Move.SUSPEND_LATE, ask_suspension))
