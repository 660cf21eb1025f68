"""The inbox of a unit: which cases each of its views holds, how many, and the first of them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from cases.choices import OPEN_STAGES, UNIT_STAGES, Action, Role, Stage, Waiting
from cases.models import Assist, Case, Event
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

RECENT = timedelta(days=7)
APPEALS = timedelta(days=60)  # closed late before that is found by the search
MOST_SHOWN = 200
ASSIST, RETURNED = "assist", "returned"
TO_HANDLE = (Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK)
_FINISHED = (Stage.HANDLED, Stage.CHECKING, Stage.CHECKED, Stage.CLOSED)


@dataclass(frozen=True)
class Inbox:
    """What the units of `user` have to do at `at`; with `is_mine` only what `user` handles.

    A unit's inbox holds the cases of its sub-units too.
    """

    user: User
    at: datetime
    is_mine: bool = False

    def units(self, *roles: Role) -> list[str]:
        """Return the codes of the units `user` belongs to in one of `roles`."""
        wanted = roles or (Role.UNIT, Role.UNIT_HEAD)
        return sorted(
            {
                grant.scope_key
                for grant in self.user.grants
                if grant.role in wanted and grant.scope_kind == ScopeKind.UNIT
            }
        )

    def counts(self) -> dict[str, int]:
        """Return how many cases each view holds, in three statements."""
        counted = {name: Count("pk", filter=where) for name, where in self._views().items()}
        lately = Q(stage__in=sorted(OPEN_STAGES)) | Q(closed_at__gte=self.at - APPEALS)
        held = self._held().filter(lately).aggregate(**counted)
        return {**held, ASSIST: self._assisting().count(), RETURNED: self._returns().count()}

    def cases(self, view: str) -> QuerySet[Case]:
        """Return the cases of a view, the first due first, at most `MOST_SHOWN`."""
        found = self._assisting() if view == ASSIST else self._held().filter(self._views()[view])
        order = ("-handled_at",) if view in ("finished", "appeal") else ("due_at",)
        rows = found.select_related("minor", "condition", "unit", "handler")
        return rows.order_by(*order, "number")[:MOST_SHOWN]

    def to_handle(self) -> QuerySet[Case]:
        """Return what these units themselves have to do, the first due first."""
        mine = Case.objects.all().visible_to(self.user).filter(unit__in=self.units())
        found = mine.filter(stage__in=TO_HANDLE).select_related("minor", "condition")
        return found.order_by("due_at", "number")[:MOST_SHOWN]

    def returned(self) -> list[Event]:
        """Return what these units gave back lately: their own acts, the last first."""
        return list(self._returns().select_related("case").order_by("-at", "pk")[:MOST_SHOWN])

    def _views(self) -> dict[str, Q]:
        waits = ~Q(waiting_for=[])
        return {
            "decide": waits
            & Q(waiting_for__contains=[Waiting.EXTENSION_HEAD])
            & _held_by(self.units(Role.UNIT_HEAD)),
            "extension": waits
            & Q(waiting_for__overlap=[Waiting.EXTENSION_HEAD, Waiting.EXTENSION]),
            "sign": Q(stage=Stage.DISPATCHED),
            "rework": Q(stage=Stage.REWORK),
            "handling": Q(stage=Stage.HANDLING),
            "reply": waits
            & Q(waiting_for__contains=[Waiting.REPLY], stage__in=sorted(OPEN_STAGES)),
            "suspended": Q(stage=Stage.SUSPENDED),
            "finished": Q(stage__in=_FINISHED, handled_at__gte=self.at - RECENT),
            "appeal": Q(stage=Stage.CLOSED, was_late=True, closed_at__gte=self.at - APPEALS),
        }

    def _held(self) -> QuerySet[Case]:
        held = Case.objects.all().visible_to(self.user).filter(_held_by(self.units()))
        return held.filter(handler=self.user.pk) if self.is_mine else held

    def _assisting(self) -> QuerySet[Case]:
        """Keep the cases whose lead unit waits for one of these to report."""
        units = self.units()
        asked = Assist.objects.filter(case=OuterRef("pk"), unit__in=units, answered_at=None)
        return (
            Case.objects.all()
            .visible_to(self.user)
            .filter(
                ~Q(assist_units=[]),
                Exists(asked),
                assist_units__overlap=units,
                waiting_for__contains=[Waiting.ASSIST],
                stage__in=sorted(UNIT_STAGES),
            )
        )

    def _returns(self) -> QuerySet[Event]:
        since = self.at - RECENT
        return Event.objects.filter(action=Action.RETURN, unit__in=self.units(), at__gte=since)


def _held_by(units: list[str]) -> Q:
    return Q(unit__in=units) | (~Q(parent_unit="") & Q(parent_unit__in=units))
