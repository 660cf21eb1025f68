"""One action on one locked case: what was read for it before the heads are locked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Model

from cases.choices import Action
from cases.ledger import Folder
from cases.models import CityOptions, Condition, Request, Task, Unit
from cases.selectors.place import Place
from cases.services.filing import By
from cases.services.photos import StoredPhoto
from cases.workflow import Input
from cityops.accounts.models import User


@dataclass
class Step:
    """What an action works with. It changes the case in the folder and puts other rows in `rows`.

    `scopes` are the logs it writes in. `at` is a moment shortly before the heads are locked, for
    checks of inputs; the action itself goes by the book's time.
    """

    folder: Folder
    action: Action
    by: By
    inputs: dict[str, Any]
    options: CityOptions
    at: datetime
    photos: tuple[StoredPhoto, ...] = ()
    task: Task | None = None  # the open one
    request: Request | None = None  # the open one this action decides
    other: Folder | None = None  # the survivor of a merge
    condition: Condition | None = None
    calendar_version: int = 0
    cell: Place | None = None
    district: str = ""
    unit: Unit | None = None
    assisting: list[Unit] = field(default_factory=list)
    handler: User | None = None
    assignee_id: int | None = None
    until: datetime | None = None
    reply_by: datetime | None = None
    promised_at: datetime | None = None
    scopes: set[str] = field(default_factory=set)
    photo_place: tuple[float, float] | None = None  # lon, lat, as claimed for the photos
    rows: list[Model] = field(default_factory=list)  # written when the book is closed

    @property
    def approved(self) -> bool:
        """Whether a decision grants what was asked."""
        return bool(self.inputs[Input.APPROVED])

    @property
    def passed(self) -> bool:
        """Whether what was looked at is as it should be."""
        return bool(self.inputs[Input.PASSED])

    @property
    def reason(self) -> str:
        """The code of the reason given."""
        return str(self.inputs[Input.REASON])
