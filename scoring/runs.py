"""The log of one case, read: its runs 承办段 and cycles. Pure; source: assessment.md §2 to §4."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_STARTS = {"dispatch", "reassign", "arbitrate", "rework", "reopen"}
EXITS = {"void", "merge"}
_ENDS = {"finish", "return", "close", "force_close"} | EXITS
# Known by the cut-off, these act as if known at the period's end.
RULINGS = EXITS | {"decide_appeal", "recompute_deadline", "confirm_exit", "adjust"}


@dataclass(frozen=True)
class Row:
    """One event as the ledger holds it; with `sets_clock` the two deadlines are its word."""

    number: str
    seq: int
    action: str
    to_stage: str
    at: datetime
    district: str = ""
    body: str = ""
    unit: str = ""
    sets_clock: bool = False
    due_at: datetime | None = None
    base_due_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the action said beside the columns it changed."""
        said: Mapping[str, Any] = self.data.get("facts", {})
        return said

    @property
    def begins_run(self) -> bool:
        """True when a unit has the case from here on; one reopened may have had none."""
        return self.action in _STARTS and bool(self.unit)

    @property
    def extends(self) -> bool:
        """True for the approval of an extension, the dispatcher's: the unit's head only asks."""
        said = self.facts
        is_final = self.action == "decide_extension" and said["level"] == "dispatcher"
        return is_final and bool(said["approved"])


@dataclass
class Stretch:
    """A run 承办段: one stretch of a case with one unit."""

    start: Row
    unit: str
    body: str
    due_at: datetime | None
    base_due_at: datetime | None
    end_at: datetime | None = None
    end_kind: str = ""
    is_extended: bool = False

    @property
    def main_unit(self) -> str:
        """The unit it was given to, or the parent of that where it is a sub-unit."""
        return str(self.start.facts.get("parent", self.start.unit))

    def late(self, at: datetime) -> bool:
        """True when the run ended, or stands at `at`, after its deadline."""
        return self.due_at is not None and min(self.end_at or at, at) > self.due_at


class CaseLog:
    """What the rows of a case, in their order, say at the moment after the last of them."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: list[Row] = []
        self.state: dict[str, Any] = {}
        self.runs: list[Stretch] = []
        self.cycle = 0  # how often it was reopened
        self._first_of_cycle = 0
        for row in rows:
            self._read(row)

    def _read(self, row: Row) -> None:
        self.rows.append(row)
        self.state |= row.data.get("set", {})
        run = self.open_run
        if run and (row.begins_run or row.action in _ENDS):
            run.end_kind, run.end_at = row.action, row.at
        if row.action == "reopen":
            self.cycle, self._first_of_cycle = self.cycle + 1, len(self.runs)
        if row.begins_run:
            self.runs.append(Stretch(row, row.unit, row.body, row.due_at, row.base_due_at))
        elif row.action == "unmerge" and self.runs and self.runs[-1].end_kind == "merge":
            self.runs[-1].end_kind, self.runs[-1].end_at = "", None
        if self.open_run:
            self._go_on(self.open_run, row)
        self.recompute(row)

    def _go_on(self, run: Stretch, row: Row) -> None:
        """Let an event within a run change its unit or its clock."""
        if row.sets_clock:
            run.due_at, run.base_due_at = row.due_at, row.base_due_at
        if row.action == "redispatch":
            run.unit, run.body = row.unit, row.body
        run.is_extended |= row.extends

    def recompute(self, row: Row) -> None:
        """Put right the deadline of the last run, an ended one too, after the calendar was."""
        if row.action == "recompute_deadline" and row.due_at and self.runs:
            self.runs[-1].due_at, self.runs[-1].base_due_at = row.due_at, row.base_due_at

    @property
    def open_run(self) -> Stretch | None:
        """The run that goes on, if one does."""
        return self.runs[-1] if self.runs and self.runs[-1].end_at is None else None

    @property
    def stage(self) -> str:
        """Where the case stands."""
        return self.rows[-1].to_stage

    @property
    def district(self) -> str:
        """The assessment district; `city` for a case that has no place."""
        return self.rows[-1].district or "city"

    @property
    def body(self) -> str:
        """The body of the last run; before any, the assessment district."""
        return self.runs[-1].body if self.runs else self.district

    @property
    def judged(self) -> list[Stretch]:
        """The runs of the current cycle: what was before a reopening is not judged again."""
        return self.runs[self._first_of_cycle :]

    def late(self, body: str, at: datetime) -> list[Stretch]:
        """Return the runs of the cycle under `body` that are late at `at`."""
        return [run for run in self.judged if run.body == body and run.late(at)]

    def last(self, *actions: str) -> Row | None:
        """Return the last event with one of the actions."""
        return next((row for row in reversed(self.rows) if row.action in actions), None)
