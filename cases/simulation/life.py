"""One case, the people who move it, and how chance decides what they do and when."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from cases import policy
from cases.choices import Action, Role
from cases.models import Case
from cases.services.photos import StoredPhoto
from cases.simulation.city import PROFILES, Draft, Profile
from cases.simulation.run import Run
from cases.simulation.services import Answer
from cases.workflow import MOVES
from cityops.accounts.models import User

SLOW_CENTRE = 0.08  # of the centre's stages end after their clock


@dataclass(frozen=True)
class Next:
    """What follows on the main way from a stage: a step, and after how many `unit`s of seconds.

    Where a stage of the centre has a clock, some end after it: `slow`. Without times the step
    itself decides when things happen.
    """

    step: "Step"
    low: int = 0
    high: int = 0
    slow: tuple[int, int] | None = None
    unit: int = 60


@dataclass(frozen=True)
class Chance:
    """What may happen beside the main way: how likely, and after how many minutes."""

    odds: float
    low: int
    high: int
    step: "Step"


class Life:
    """One case and what is planned for it: one next step on its way, and any number beside it.

    Each step has luck of its own: it falls the same way whatever came before it.
    """

    def __init__(self, run: Run, draft: Draft, way: Mapping[str, Next], key: str) -> None:
        self.run, self.city, self.random = run, run.city, run.city.luck(key)
        self.draft, self.way, self.key = draft, way, key
        self._taken: Counter[str] = Counter()  # steps, by name
        self.now: Answer = {}
        self.held_by = ""  # the unit that had the case last
        self.returns = self.reworks = 0
        self.is_ruled = False  # an arbitrated unit may not return the case
        self.is_late = False  # finished after its deadline
        self.is_left = False  # late, and nobody finishes it for weeks
        self.is_easy = False  # small, filed because it is sure to be in time
        self.is_refused = False  # though it was true
        self.is_handed_over = False  # to another body, to be rid of it
        self.is_hollow = False  # said to be done, and not
        self.done_at: datetime | None = None  # when what was said to be done will be
        self.found_true: bool | None = None  # what the verification said, if there was one
        self.is_shared = run.services.is_live  # others may have moved it: look before acting
        self.holds_duplicate = False
        self.survivor: Life | None = None  # the case of the same problem, reported first
        self.helper: User | None = None  # somebody of the unit that assists
        self._turn = 0

    @property
    def stage(self) -> str:
        """Where the case stood when it was last seen; empty before it is reported."""
        return str(self.now.get("stage", ""))

    @property
    def profile(self) -> Profile:
        """How the district works that has the case now."""
        return PROFILES[self.now["district"]]

    def plays(self, move: str) -> bool:
        """Whether the district that has the case plays a move, and has not got rid of it."""
        return not self.is_handed_over and move in self.run.moves.get(self.now["district"], ())

    def due(self, at: datetime) -> datetime:
        """Return the deadline the people go by."""
        due: str | datetime | None = self.now["due_at"]
        if isinstance(due, str):
            return datetime.fromisoformat(due)
        return due or at + timedelta(hours=4)

    # --- planning -------------------------------------------------------------------------------

    def go_on(self, at: datetime) -> None:
        """Plan what follows on the main way from where the case stands."""
        after = self.way.get(self.stage)
        if after is None:
            return
        low, high = after.low, after.high
        if after.slow and self.happens(SLOW_CENTRE):
            low, high = after.slow
        if high:
            self.next(at, self.draw(low, high, unit=after.unit), after.step)
        else:
            self.take(after.step, at)

    def take(self, step: "Step", at: datetime) -> None:
        """Take a step now."""
        name = step.__name__
        self._taken[name] += 1
        before, self.random = self.random, self.city.luck(self.key, name, self._taken[name])
        step(self, at)
        self.random = before

    def next(self, at: datetime, delay: timedelta, step: "Step") -> None:
        """Plan the one next step on the main way a while after `at`."""
        self.next_at(at + delay / self.run.speed, step)

    def next_at(self, moment: datetime, step: "Step") -> None:
        """Plan the one next step on the main way; what was planned before is given up."""
        self._turn += 1
        turn = self._turn

        def go(at: datetime) -> None:
            if turn == self._turn:
                self.take(step, at)

        self.run.plan(moment, go)

    def aside(
        self, at: datetime, delay: timedelta, step: "Step", *, by_night: bool = False
    ) -> None:
        """Plan a step beside the main way; it must find out itself whether it still makes sense.

        Offices do not work by night; the centre does.
        """
        moment = at + delay / self.run.speed
        if not by_night and not self.run.services.is_live:
            moment = self.by_day(moment)
        self.run.plan(moment, lambda now: self.take(step, now))

    def by_day(self, at: datetime) -> datetime:
        """Put off what would come by night to the next morning."""
        local = timezone.localtime(at)
        if 7 <= local.hour < 21:
            return at
        morning = local.replace(hour=7, minute=30, second=0, microsecond=0)
        if local.hour >= 21:
            morning += timedelta(days=1)
        return morning + self.draw(0, 90)

    def perhaps(self, at: datetime, *chances: Chance) -> None:
        """Plan what chance will have beside the main way."""
        for chance in chances:
            if self.happens(chance.odds):
                self.aside(at, self.draw(chance.low, chance.high), chance.step)

    def draw(self, low: float, high: float, *, unit: float = 60) -> timedelta:
        """Return a time between `low` and `high` times `unit` seconds."""
        return timedelta(seconds=round(self.random.uniform(low, high) * unit, 3))

    def happens(self, odds: float) -> bool:
        """Whether something of these odds happens."""
        return self.random.random() < odds

    def falls_on(self, share: float, of: str) -> bool:
        """Whether it is among this share of the cases of its district that this happens to."""
        return self.run.falls_on(share, f"{of} {self.now['district']}")

    # --- acting ---------------------------------------------------------------------------------

    def look(self) -> Case:
        """See the case as it stands now."""
        case, self.now = self.run.services.look(self.now)
        return case

    def act(
        self,
        at: datetime,
        action: Action,
        who: User | Role | None,
        *,
        photos: tuple[StoredPhoto, ...] = (),
        **inputs: Any,
    ) -> bool:
        """Take an action of the main way; False where the case went another way meanwhile."""
        if self.is_shared:
            self.look()
        actor = self._actor(who)
        if actor is None or self.stage not in MOVES[action].sources:
            return False
        self.now = self.run.services.act(self.now, action, actor, photos, inputs, at)
        self.run.done[action] += 1
        return True

    def ask(
        self, at: datetime, action: Action, who: User | Role | None, *, words: dict[str, Any]
    ) -> bool:
        """Take an action if the rules let this person take it now; whether it was taken."""
        case = self.look()
        actor = self._actor(who)
        if actor is None:
            return False
        assignee_id = self.run.services.assignee(self.now)
        if not policy.can(actor, action, case, at=at, assignee_id=assignee_id):
            return False
        return self.act(at, action, actor, **words)

    def assignee(self) -> User | None:
        """Return the inspector who is to answer the open task, if it is one of the demo's."""
        wanted = self.run.services.assignee(self.now)
        return self.city.people.by_id.get(wanted) if wanted is not None else None

    def _actor(self, who: User | Role | None) -> User | None:
        if who is None or isinstance(who, User):
            return who
        people = self.city.people
        if who == Role.UNIT:
            return people.of_unit.get(self.now["unit"])
        if who == Role.UNIT_HEAD:
            return people.head_of(self.now["unit"])
        return people.find(Role(who), self.now["district"] or "")


Step = Callable[[Life, datetime], None]
