"""What the story does to cases: the real services, at virtual or at real time."""

from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from cases.choices import Action, Stage
from cases.ledger import open_book, open_folder
from cases.models import Case, CityOptions, Effect, Task
from cases.selectors.inspectors import inspector_for
from cases.services.dispatch import give_to, unit_for
from cases.services.intake import Report, report_case
from cases.services.moves import take_action
from cases.services.photos import StoredPhoto
from cityops.accounts.models import User

Answer = dict[str, Any]  # what the API says of a case: number, version, stage, unit, due_at


class Services:
    """Moves cases by the services; a live run gives them no time and leaves dispatch to workers."""

    def __init__(self, *, is_live: bool = False) -> None:
        self.is_live = is_live

    def _time(self, at: datetime) -> datetime | None:
        return None if self.is_live else at

    def report(
        self, report: Report, actor: User, photos: tuple[StoredPhoto, ...], at: datetime
    ) -> Answer:
        """Bring a case in."""
        return report_case(report=report, actor=actor, photos=photos, at=self._time(at))

    def act(
        self,
        before: Answer,
        action: Action,
        actor: User,
        photos: tuple[StoredPhoto, ...],
        inputs: dict[str, Any],
        at: datetime,
    ) -> Answer:
        """Take an action on a case last seen as `before`."""
        return take_action(
            number=before["number"],
            action=action,
            actor=actor,
            seen_version=before["version"],
            inputs=inputs,
            photos=photos,
            at=self._time(at),
        )

    def dispatch(self, before: Answer, at: datetime) -> Answer | None:
        """Do at virtual time what the worker does; live, look whether it has."""
        if self.is_live:
            case = Case.objects.get(number=before["number"])
            is_waiting = case.stage == Stage.FILED and not case.is_unrouted
            return None if is_waiting else _seen(before, case)
        folder = open_folder(number=before["number"])
        waiting = Effect.objects.filter(case=folder.case, kind="dispatch", done_at=None)
        waiting.update(state=Effect.State.DONE, done_at=Now(), outcome="simulated")
        options = CityOptions.objects.get()
        found = unit_for(folder, options, at=at)
        with open_book(folder.case.scope, at=at) as book:
            give_to(book, folder, found, options)
        return _seen(before, folder.case)

    def assignee(self, before: Answer) -> int | None:
        """Return the id of the inspector who is to answer the case's open task."""
        task = Task.objects.open().filter(case__number=before["number"]).first()
        return task.assignee_id if task else None

    def stranger(self, case: Case) -> int | None:
        """Return the id of an inspector who had nothing to do with a case, if there is one."""
        return inspector_for(case, is_stranger=True)

    def look(self, before: Answer) -> tuple[Case, Answer]:
        """See a case as it stands."""
        case = Case.objects.get(number=before["number"])
        return case, _seen(before, case)


def _seen(before: Answer, case: Case) -> Answer:
    return before | {
        "version": case.version,
        "stage": case.stage,
        "unit": case.unit_id,
        "due_at": case.due_at,
        "district": case.district,
    }
