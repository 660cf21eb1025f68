"""An edited calendar reaches the open cases: each deadline is worked out again, and logged."""

import time
import uuid
from collections import Counter
from collections.abc import Callable

from django.db.models import QuerySet

from cases.choices import Role
from cases.errors import Busy, CityFilling, MoveNotAllowed
from cases.ledger import open_book, open_folder, retrying
from cases.models import Case, Effect
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline_moves import timed_by_calendar
from cases.services import filing
from cases.services.moves.recompute import recompute
from cityops.accounts.models import User

SLICE_S = 5.0  # of work an effect does at a time: well within its lease
QUEUE = "scoring"
_OUTCOME = 40  # characters the column holds


def waiting_for(version: int) -> QuerySet[Case]:
    """Return the open cases that an earlier version than this one times."""
    return timed_by_calendar().filter(calendar_version__lt=version)


def recomputations(version: int) -> QuerySet[Effect]:
    """Return what was asked of the workers with a version, the latest first."""
    asked = Effect.objects.filter(kind="recompute_deadlines", payload__version=version)
    return asked.order_by("-pk")


# --- all of them --------------------------------------------------------------------------------


def recompute_all(
    version: int,
    by: filing.By,
    *,
    after: int = 0,
    seconds: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Counter[str], int | None]:
    """Time every waiting case with `version`; return outcomes, and the key to go on after.

    That key is None at the end. Each case is a transaction of its own, and one that is done
    waits no more: repeating this is harmless, and so is another one at the same time. Raises
    CalendarMissing, CityFilling.
    """
    load_calendar(version)  # an unknown one is refused before anything is touched
    done: Counter[str] = Counter()
    until = time.monotonic() + (seconds if seconds is not None else float("inf"))
    waiting = waiting_for(version).filter(pk__gt=after).order_by("pk")
    for key in list(waiting.values_list("pk", flat=True)):
        if time.monotonic() > until:
            return done, after
        try:
            done[recompute_case(key, version, by)] += 1
        except CityFilling:
            raise
        except Busy:
            done["busy"] += 1
        after = key
        progress(sum(done.values()))
    return done, None


def ask_recompute(version: int, *, actor: User) -> Effect:
    """Have a worker recompute the deadlines of open cases; one that is under way goes on."""
    under_way = recomputations(version).filter(state=Effect.State.DUE).first()
    return under_way or _slice(version, actor_id=actor.pk, run=uuid.uuid4().hex, after=0)


def recompute_slice(effect: Effect) -> str:
    """Do a slice of the work, and ask for the next; safe to run twice or late."""
    asked = effect.payload
    actor = User.objects.filter(pk=asked["actor_id"]).first()
    by = filing.By(actor=actor, role=Role.ADMIN if actor else Role.SYSTEM)
    done, after = recompute_all(asked["version"], by, after=asked["after"], seconds=SLICE_S)
    if after is not None:
        _slice(**{**asked, "after": after})
    elif done["busy"]:
        raise Busy(f"{done['busy']} cases were being changed by somebody else.")
    said = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
    return said[:_OUTCOME] or "nothing to do"


def _slice(version: int, *, actor_id: int, run: str, after: int) -> Effect:
    effect, _ = Effect.objects.get_or_create(
        key=f"recompute_deadlines:{version}:{run}:{after}",
        defaults={
            "kind": "recompute_deadlines",
            "queue": QUEUE,
            "payload": {"version": version, "actor_id": actor_id, "run": run, "after": after},
        },
    )
    return effect


# --- one ----------------------------------------------------------------------------------------


@retrying
def recompute_case(case_id: int, version: int, by: filing.By) -> str:
    """Time one case with `version`, under its lock; returns what became of it. Raises Busy."""
    folder = open_folder(pk=case_id)
    case = folder.case
    if not waiting_for(version).filter(pk=case_id).exists():
        return "timed already"  # by another run, or it has ended
    old_due_at = case.due_at
    try:
        with open_book(case.scope) as book:
            recompute(book, folder, version, by)
    except MoveNotAllowed:
        return "not explained"
    return "moved" if case.due_at != old_due_at else "kept"
