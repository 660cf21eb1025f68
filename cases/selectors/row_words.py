"""A case as a row tells it, on a page and in a file: its time light, its place, whom to answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import OPEN_STAGES, Stage
from cases.errors import CalendarMissing
from cases.models import Area, Case, Component, District
from cases.selectors.deadline import seconds_left
from cases.selectors.telephones import mask_telephones, sees_telephones
from cases.selectors.timeline import shown_due
from cityops.accounts.models import User

LIGHT_WORDS = {
    "normal": ("○", gettext_lazy("on time")),
    "soon": ("▲", gettext_lazy("due soon")),
    "late": ("■", gettext_lazy("overdue")),
    "paused": ("◆", gettext_lazy("paused")),
}
_NO_CLOCK = frozenset(set(Stage) - OPEN_STAGES | {Stage.HANDLED, Stage.CHECKED})


def has_no_clock(stage: str) -> bool:
    """Whether a case at this stage shows the stage instead of a time light."""
    return stage in _NO_CLOCK


@dataclass(frozen=True)
class Light:
    """A time light as shape and word, never as colour alone, with what remains of the time."""

    key: str
    shape: str
    word: str
    remaining: str
    due_at: datetime | None


def light_of(case: Case, *, at: datetime) -> Light | None:
    """Return the time light at `at` in the reader's words; None where no clock runs."""
    if case.stage in _NO_CLOCK:
        return None
    key = case.light(at=at)
    shape, word = LIGHT_WORDS[key]
    due_at = shown_due(case)
    return Light(key, shape, str(word), _remaining(case, due_at, at=at), due_at)


def _remaining(case: Case, due_at: datetime | None, *, at: datetime) -> str:
    """Return hours and minutes left or over, in working time where the limit counts that."""
    if due_at is None or case.stage == Stage.SUSPENDED:
        return ""
    try:
        return left_words(seconds_left(case, due_at, at=at))
    except CalendarMissing:
        return ""


def left_words(left_s: int) -> str:
    """Return what is left of a time, or by how much it is over."""
    words = {"time": hours_and_minutes(abs(left_s))}
    return _("%(time)s left") % words if left_s >= 0 else _("%(time)s over") % words


def hours_and_minutes(seconds: int) -> str:
    """Return a length of time as h:mm."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02}"


def place_words(placed: Case | Component, *, at: datetime) -> str:
    """Return district, street, community and cell, as far as they are known."""
    return words_of_place(placed, place_names([placed], at=at))


def places_of(cases: Iterable[Case], *, at: datetime) -> dict[str, str]:
    """Return the place words of many cases by number, in two statements."""
    rows = list(cases)
    names = place_names(rows, at=at)
    return {case.number: words_of_place(case, names) for case in rows}


def place_names(placed: Sequence[Case | Component], *, at: datetime) -> dict[str, str]:
    """Return the names of the districts, and of the streets and communities of these rows."""
    districts = {one.slug: one.name for one in District.objects.all()}
    codes = {code for row in placed for code in (row.street, row.community)}
    areas = Area.objects.filter(level__in=("street", "community"), code__in=codes)
    return districts | {area.code: area.name for area in areas.filter(valid__contains=at)}


def words_of_place(row: Case | Component, names: dict[str, str]) -> str:
    """Return the place words of a row with names that were read for many."""
    known = (names.get(row.district), names.get(row.street), names.get(row.community))
    return " · ".join(word for word in (*known, row.grid_cell[-3:]) if word)


def contact_words(case: Case, reader: User) -> str:
    """Return whom to answer; in full to its operators, who answer, to others only a hint of it."""
    if sees_telephones(reader, case):
        return case.contact
    words = mask_telephones(case.contact).split()
    return " ".join(word if "*" in word else word[:1] + "**" for word in words)
