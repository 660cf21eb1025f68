"""What rings at the desk, for whom, and how long its reason stands: one table. Pure.

A reason stands while the case is as it was when it rang: the clock runs on with the same due time,
the order is unanswered, nobody has signed for the emergency. What no longer stands ends by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cases.choices import OPEN_STAGES, Action, ClockKind, LimitUnit, Role, Stage, Waiting


class Ring(TextChoices):
    """Why the desk rings."""

    LATE = "late", _("newly overdue")
    EMERGENCY = "emergency", _("emergency")
    ORDERED = "ordered", _("ordered by a leader")
    LINK = "link", _("the live connection is lost")
    SOON = "soon", _("due soon")
    UNACCEPTED = "unaccepted", _("waits to be accepted")
    UNSIGNED = "unsigned", _("not signed for in time")


class Tier(TextChoices):
    """How loud; the numbers are those of the screens' specification."""

    RINGS = "1", _("1: rings until somebody says that they know")
    SOUNDS = "2", _("2: sounds once")
    SHOWS = "3", _("3: tints the row, no alarm")


# Tier, and after how many seconds what time alone raises; as shipped, for the city edits its own.
DEFAULTS: dict[Ring, tuple[Tier, int]] = {
    Ring.LATE: (Tier.RINGS, 0),
    Ring.EMERGENCY: (Tier.RINGS, 0),
    Ring.ORDERED: (Tier.RINGS, 0),
    Ring.LINK: (Tier.RINGS, 60),
    Ring.SOON: (Tier.SOUNDS, 0),
    Ring.UNACCEPTED: (Tier.SOUNDS, 600),
    Ring.UNSIGNED: (Tier.SOUNDS, 0),
}

_C, _R, _S = ClockKind, Role, Stage

# Who sits where the clock can still be answered for; the duty chief leads the shift.
_OF_CLOCK: dict[ClockKind, tuple[Role, ...]] = {
    _C.ACCEPT: (_R.ACCEPTOR, _R.DUTY_CHIEF),
    _C.VERIFY: (_R.ACCEPTOR, _R.DUTY_CHIEF),
    _C.CHECK: (_R.ACCEPTOR, _R.DUTY_CHIEF),
    _C.HOTLINE: (_R.OPERATOR, _R.DUTY_CHIEF),
    _C.ARBITRATE: (_R.DISPATCHER, _R.DUTY_CHIEF, _R.SUPERVISOR),
}
_CENTRES = (_R.DISPATCHER, _R.DUTY_CHIEF, _R.SUPERVISOR)
_BEFORE_SIGNING = frozenset(
    {
        *(_S.REPORTED, _S.VERIFYING, _S.ACCEPTED, _S.FILED, _S.DISPATCHED),
        *(_S.RETURNED, _S.DISPUTED),
    }
)
_EMERGENCY = (LimitUnit.EMERGENCY_HOUR, LimitUnit.EMERGENCY_DAY)
# After the last three nobody has it any more who had signed.
_MAY_BE_EMERGENCY = (
    *(Action.REPORT, Action.FILE, Action.RECLASSIFY),
    *(Action.RETURN, Action.ANSWER_CHECK, Action.REOPEN),
)
# Kinds of events that may ring; a desk that hears of one looks at its alarms.
RINGING_ACTIONS = (Action.DUE_SOON, Action.OVERDUE, Action.SUPERVISE, *_MAY_BE_EMERGENCY)
SILENT_CLOCKS = frozenset({_C.SUSPEND})  # its end is no lateness

HEARERS = frozenset({*_CENTRES, _R.ACCEPTOR, _R.OPERATOR})  # whoever hears anything at all

SAYS: dict[tuple[Ring, str], Promise] = {
    (Ring.LATE, _C.ACCEPT): _("not accepted and filed in time"),
    (Ring.LATE, _C.DISPATCH): _("not dispatched in time"),
    (Ring.LATE, _C.VERIFY): _("not verified in time"),
    (Ring.LATE, _C.CHECK): _("not checked in time"),
    (Ring.LATE, _C.ARBITRATE): _("not ruled on in time"),
    (Ring.LATE, _C.EXTEND): _("the extension was not decided in time"),
    (Ring.LATE, _C.SUPERVISE): _("not replied to in time"),
    (Ring.LATE, _C.HOTLINE): _("the 12345 order was not answered in time"),
}


class ClockLike(Protocol):
    """What is read of a running clock."""

    pk: int
    kind: str
    due_at: datetime | None
    soon_for: datetime | None
    late_for: datetime | None


class CaseLike(Protocol):
    """What is read of a case."""

    stage: str
    cycle: int
    waiting_for: list[str]
    limit_unit: str | None


@dataclass(frozen=True)
class Reason:
    """One thing to ring for: `key` tells it from every other of its case."""

    ring: Ring
    key: str
    clock: str = ""
    due_at: datetime | None = None

    @property
    def roles(self) -> tuple[Role, ...]:
        """Who hears it, each for the cases of their own district or of the city."""
        return hearers_of(self.ring, self.clock)


def hearers_of(ring: Ring, clock: str) -> tuple[Role, ...]:
    """Return who hears an alarm."""
    if ring == Ring.UNACCEPTED:
        return _OF_CLOCK[_C.ACCEPT]
    return _OF_CLOCK.get(ClockKind(clock), _CENTRES) if clock else _CENTRES


def says(ring: str, clock: str) -> Promise | str:
    """Return an alarm in words."""
    return SAYS.get((Ring(ring), clock)) or Ring(ring).label


def of_clock(running: ClockLike, stage: str) -> Reason | None:
    """Return what a running clock rings for by the signals it has given.

    Of a report nobody has accepted its waiting rings (`unaccepted`), earlier than due soon would.
    """
    if running.due_at is None or running.kind in SILENT_CLOCKS:
        return None
    key = f"{running.pk}:{running.due_at.timestamp():.6f}"
    if running.late_for == running.due_at:
        ring = Ring.UNSIGNED if running.kind == ClockKind.SIGN else Ring.LATE
    elif running.soon_for == running.due_at and not _waits(running, stage):
        ring = Ring.SOON
    else:
        return None
    return Reason(ring, f"{ring}:{key}", running.kind, running.due_at)


def _waits(running: ClockLike, stage: str) -> bool:
    return running.kind == ClockKind.ACCEPT and stage == Stage.REPORTED


def unaccepted(running: ClockLike) -> Reason:
    """Return what an acceptance that lets wait rings for; time alone says when."""
    return Reason(Ring.UNACCEPTED, f"{Ring.UNACCEPTED}:{running.pk}", running.kind, running.due_at)


def ordered(case_seq: int, reply_by: datetime | None) -> Reason:
    """Return what a leader's order rings for: the event that says so."""
    return Reason(Ring.ORDERED, f"{Ring.ORDERED}:{case_seq}", due_at=reply_by)


def emergency(case: CaseLike, expected_unit: str) -> Reason | None:
    """Return what an emergency rings for until a unit has signed; `expected_unit` before filing."""
    is_one = (case.limit_unit or expected_unit) in _EMERGENCY
    if not is_one or case.stage not in _BEFORE_SIGNING:
        return None
    return Reason(Ring.EMERGENCY, f"{Ring.EMERGENCY}:{case.cycle}")


def raised_by(
    action: str,
    facts: Mapping[str, Any],
    case_seq: int,
    case: CaseLike,
    clocks: Mapping[str, ClockLike],
    expected_unit: str,
) -> Reason | None:
    """Return what one event rings for, as the case stands after its transaction."""
    if action in (Action.DUE_SOON, Action.OVERDUE):
        running = clocks.get(str(facts["clock"]))
        return of_clock(running, case.stage) if running else None
    if action == Action.SUPERVISE and facts.get("kind") == "leader":
        by = facts.get("reply_by")
        return ordered(case_seq, datetime.fromisoformat(by) if by else None)
    if action in _MAY_BE_EMERGENCY:
        return emergency(case, expected_unit)
    return None


def standing(
    case: CaseLike, clocks: Iterable[ClockLike], expected_unit: str
) -> tuple[set[str], set[str]]:
    """Return which reasons of a case stand: whole keys, and rings of which every one does."""
    keys, rings = set[str](), set[str]()
    for running in clocks:
        reason = of_clock(running, case.stage)
        if reason:
            keys.add(reason.key)
        if _waits(running, case.stage):
            keys.add(unaccepted(running).key)
    urgent = emergency(case, expected_unit)
    if urgent:
        keys.add(urgent.key)
    if case.stage in OPEN_STAGES and Waiting.REPLY in case.waiting_for:
        rings.add(Ring.ORDERED)
    return keys, rings
