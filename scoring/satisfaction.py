"""Satisfaction 满意度: answers of random revisits in the log, and of surveys imported from a file.

Five answers are worth 100 to 0; a body's measure is the mean over its revisits (assessment.md §6).
"""

import csv
import hashlib
import io
import json
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path

from django.db import IntegrityError, connection
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput
from cases.ledger import retrying
from cases.models import District
from cityops.accounts.models import User
from scoring.lifecycle import TEXT_MAX, require_begun, require_office, require_open
from scoring.measured import Survey, SurveyAnswer
from scoring.periods import CITY_TIME, Period, parse_period, periods_within
from scoring.rules import Measure

WORTH = "satisfaction-2026-v1"
MOST_BYTES, MOST_ROWS = 1_000_000, 20_000
COLUMNS = {  # names of a column, any of them heads it
    "number": ("编号", "number"),
    "body": ("区县", "district"),
    "mark": ("评价", "answer"),
    "said_on": ("日期", "date"),
}
MARKS = {"非常满意": 5, "满意": 4, "基本满意": 3, "不满意": 2, "非常不满意": 1}
MARKS |= {str(mark): mark for mark in MARKS.values()}
_NUMBER_MAX, _NAME_MAX, _FAULTS_TOLD = 40, 100, 50
_DATA = Path(__file__).parent / "data" / "measured"


@cache
def worth_of(version: str = WORTH) -> dict[int, Fraction]:
    """Return what each answer, 1 to 5, is worth."""
    read = json.loads((_DATA / f"{version}.json").read_text(encoding="utf-8"))
    return {int(mark): Fraction(points) for mark, points in read["worth"].items()}


# --- a survey's file ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A line of the file."""

    line: int
    number: str
    body: str
    mark: int
    said_on: date


@dataclass(frozen=True)
class Fault:
    """What is wrong in the file: the line, from 1, and the column as the file heads it."""

    line: int
    column: str
    message: str


@dataclass(frozen=True)
class Read:
    """A file as it was read: all its answers, or what is wrong with it; more are only counted."""

    sha256: str
    answers: tuple[Answer, ...]
    faults: tuple[Fault, ...]
    more: int = 0


def read_survey(raw: bytes, period: Period | None = None) -> Read:
    """Read a CSV file in UTF-8 or GB 18030; nothing is kept, every fault names line and column.

    With a `period`, days outside it and numbers imported before are faults, too.
    """
    sha256 = hashlib.sha256(raw).hexdigest()
    text = _text_of(raw)
    if isinstance(text, Fault):
        return Read(sha256, (), (text,))
    # Strict: else a quotation mark that is never closed would swallow the lines below it.
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error:
        return Read(sha256, (), (Fault(lines.line_num + 1, "", _("this is no CSV")),))
    if not rows:
        return Read(sha256, (), (Fault(1, "", _("the file is empty")),))
    heads, faults = _heads(rows[0][1])
    if faults:
        return Read(sha256, (), faults)
    if len(rows) - 1 > MOST_ROWS:
        return Read(sha256, (), (Fault(MOST_ROWS + 2, "", _("at most %d lines") % MOST_ROWS),))
    reader = _Lines(heads, rows[0][1], period)
    answers = [reader.read(line, row) for line, row in rows[1:]]
    told, more = reader.faults[:_FAULTS_TOLD], len(reader.faults[_FAULTS_TOLD:])
    if not answers:
        told = [Fault(rows[0][0], "", _("there is no answer below the heads"))]
    kept = tuple(one for one in answers if one is not None)
    return Read(sha256, () if told else kept, tuple(told), more)


def _text_of(raw: bytes) -> str | Fault:
    if len(raw) > MOST_BYTES:
        return Fault(1, "", _("the file is larger than 1 MB"))
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return Fault(1, "", _("this is no text")) if "\0" in text else text
    return Fault(1, "", _("the text is neither UTF-8 nor GB 18030"))


def _heads(row: list[str]) -> tuple[dict[str, int], tuple[Fault, ...]]:
    """Return the place of each column, or what is wrong with the heads."""
    said = [cell.strip().lower() for cell in row]
    places = {
        name: next((said.index(head) for head in heads if head in said), -1)
        for name, heads in COLUMNS.items()
    }
    faults = [
        Fault(1, COLUMNS[name][0], _("this column is missing"))
        for name, place in places.items()
        if place < 0
    ]
    return places, tuple(faults)


class _Lines:
    """Reads line by line and gathers the faults."""

    def __init__(self, places: Mapping[str, int], heads: list[str], period: Period | None) -> None:
        self.places, self.heads, self.period = places, heads, period
        self.faults: list[Fault] = []
        self.seen: dict[str, int] = {}  # number: its line
        self.bodies = _bodies()
        self.today = timezone.now().astimezone(CITY_TIME).date()
        self.known: set[str] = set()
        if period is not None:
            kept = SurveyAnswer.objects.filter(period=period.name, counts=True)
            self.known = set(map(plain_number, kept.values_list("number", flat=True)))

    def read(self, line: int, row: list[str]) -> Answer | None:
        """Return the answer of a line; None where something is wrong with it."""
        said = {
            name: row[place].strip() if place < len(row) else ""
            for name, place in self.places.items()
        }
        before = len(self.faults)
        body = self.bodies.get(said["body"].lower(), "")
        mark = MARKS.get(said["mark"], 0)
        said_on = _day(said["said_on"])
        number = plain_number(said["number"])
        self._check_number(line, number)
        if not body:
            self._fault(line, "body", _("no district of the four: “%s”") % said["body"])
        if not mark:
            self._fault(line, "mark", _("1 to 5, or the answer in words: “%s”") % said["mark"])
        if said_on is None:
            self._fault(line, "said_on", _("a day like 2026-10-31: “%s”") % said["said_on"])
        elif self.period is not None and not _lies_in(said_on, self.period):
            self._fault(line, "said_on", _("this day is not in %s") % self.period.name)
        elif said_on > self.today:
            self._fault(line, "said_on", _("this day is still to come"))
        if len(self.faults) > before or said_on is None:
            return None
        return Answer(line, number, body, mark, said_on)

    def _check_number(self, line: int, number: str) -> None:
        if not 0 < len(number) <= _NUMBER_MAX:
            self._fault(line, "number", _("1 to %d characters") % _NUMBER_MAX)
        elif number in self.seen:
            words = {"number": number, "line": self.seen[number]}
            self._fault(line, "number", _("“%(number)s” stands in line %(line)d, too") % words)
        elif number in self.known:
            self._fault(line, "number", _("“%s” was imported before") % number)
        self.seen.setdefault(number, line)

    def _fault(self, line: int, name: str, message: str) -> None:
        self.faults.append(Fault(line, self.heads[self.places[name]].strip(), message))


def plain_number(text: str) -> str:
    """Return the number of an interview as it is compared: a spreadsheet makes 1 of 001."""
    said = unicodedata.normalize("NFKC", text).strip().casefold()
    return said.lstrip("0") or said[:1]


def _bodies() -> dict[str, str]:
    """Return each district by its slug and its names."""
    found: dict[str, str] = {}
    for district in District.objects.all():
        names = (district.slug, district.code, district.name_zh, district.short_zh,
                 district.name_en, district.short_en)  # fmt: skip
        found |= {name.lower(): district.slug for name in names if name}
    return found


def _day(text: str) -> date | None:
    try:
        return parse_date(text.replace("/", "-"))
    except ValueError:
        return None


def _lies_in(day: date, period: Period) -> bool:
    first, after = (moment.astimezone(CITY_TIME).date() for moment in (period.start, period.end))
    return first <= day < after


# --- keeping it ---------------------------------------------------------------------------------


def import_survey(
    *, period: Period, name: str, read: Read, actor: User, at: datetime | None = None
) -> Survey:
    """Keep the answers of a file that was read without fault; a file counts once.

    Raises NotAllowed, and InvalidInput by field. `at` is given for demonstrations only.
    """
    try:
        return _import_survey(period=period, name=name, read=read, actor=actor, at=at)
    except IntegrityError as error:  # another import of the same answers was there first
        raise InvalidInput(
            _("Nothing was imported."), fields={"file": _("its answers were imported before")}
        ) from error


@retrying
def _import_survey(
    *, period: Period, name: str, read: Read, actor: User, at: datetime | None
) -> Survey:
    require_office(actor)
    require_begun(period)
    require_open(period, actor=actor, at=at)
    fields = {}
    if not period.is_month:
        fields["period"] = _("a month")
    if not 0 < len(name.strip()) <= _NAME_MAX:
        fields["name"] = _("1 to %d characters") % _NAME_MAX
    if read.faults or not read.answers:
        fields["file"] = _("there are faults in it")
    elif Survey.objects.filter(sha256=read.sha256, withdrawn_at=None).exists():
        fields["file"] = _("this very file was imported before")
    if fields:
        raise InvalidInput(_("Nothing was imported."), fields=fields)
    survey = Survey.objects.create(
        period=period.name,
        name=name.strip(),
        sha256=read.sha256,
        rows=len(read.answers),
        by=actor,
        at=at or timezone.now(),
    )
    SurveyAnswer.objects.bulk_create(
        SurveyAnswer(
            survey=survey,
            period=period.name,
            number=one.number,
            body=one.body,
            mark=one.mark,
            said_on=one.said_on,
        )
        for one in read.answers
    )
    return survey


@retrying
def withdraw_survey(*, pk: int, reason: str, actor: User) -> Survey:
    """Take an imported file out of the measure; it stays on record, and may be imported anew.

    Raises NotAllowed, Survey.DoesNotExist, and InvalidInput by field.
    """
    require_office(actor)
    survey = Survey.objects.select_for_update().get(pk=pk)
    require_open(parse_period(survey.period), actor=actor)
    fields = {}
    if survey.withdrawn_at is not None:
        fields["file"] = _("it was taken back before")
    if not 0 < len(reason.strip()) <= TEXT_MAX:
        fields["reason"] = _("1 to %d characters") % TEXT_MAX
    if fields:
        raise InvalidInput(_("Nothing was changed."), fields=fields)
    survey.withdrawn_by, survey.withdrawn_at = actor, timezone.now()
    survey.withdrawn_reason = reason.strip()
    survey.save(update_fields=["withdrawn_by", "withdrawn_at", "withdrawn_reason"])
    survey.answers.update(counts=False)
    return survey


# --- the measure --------------------------------------------------------------------------------

# Of each case a weekly draw took, the first answer since its instant: an operator chooses neither
# whom to ask nor which answer counts, and asks nobody whose case may yet be drawn or not. By the
# body whose draw took it; an answer once.
_REVISITED = """
    SELECT DISTINCT ON (answer.id) drawn.key, c.number, answer.at,
           (answer.data -> 'facts' ->> 'satisfaction')::int
    FROM cases_draw draw
    CROSS JOIN LATERAL jsonb_each(draw.numbers) drawn
    CROSS JOIN LATERAL jsonb_array_elements_text(drawn.value) one (number)
    JOIN cases_case c ON c.number = one.number
    CROSS JOIN LATERAL (
      SELECT e.id, e.at, e.data FROM cases_event e
      WHERE e.case_id = c.id AND e.action = 'revisit' AND e.at >= draw."end"
      ORDER BY e.case_seq LIMIT 1) answer
    WHERE draw.kind = 'revisit' AND draw."end" > %(start)s::timestamptz - interval '90 days'
      AND answer.at >= %(start)s AND answer.at < %(until)s
    ORDER BY answer.id, draw.start
"""


@dataclass(frozen=True)
class Revisited:
    """An answer to a random revisit: about which body, in which case, when, and 1 to 5."""

    body: str
    number: str
    at: datetime
    mark: int


def revisited(start: datetime, end: datetime, as_of: datetime) -> list[Revisited]:
    """Return the answers to random revisits in [start, end), in the order of the log."""
    with connection.cursor() as cursor:
        cursor.execute(_REVISITED, {"start": start, "until": min(end, as_of)})
        found = [Revisited(*row) for row in cursor.fetchall()]
    return sorted(found, key=lambda one: (one.at, one.number))


def surveyed(start: datetime, end: datetime) -> dict[tuple[str, int], int]:
    """Return how many gave each answer about each body in the surveys of the months there."""
    months = [p.name for p in periods_within(start, end) if p.is_month]
    counts: dict[tuple[str, int], int] = defaultdict(int)
    rows = SurveyAnswer.objects.filter(period__in=months, counts=True)
    for body, mark in rows.values_list("body", "mark"):
        counts[body, mark] += 1
    return dict(counts)


def satisfaction_measures(start: datetime, end: datetime, as_of: datetime) -> dict[str, Measure]:
    """Return each body's mean worth over the answers to random revisits in [start, end).

    Surveys are shown beside and are in no count. Source: assessment.md §6.
    """
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for one in revisited(start, end, as_of):
        counts[one.body, one.mark] += 1
    return means_of(counts)


def means_of(counts: Mapping[tuple[str, int], int]) -> dict[str, Measure]:
    """Return the mean worth of each body's answers, of (body, mark) counted."""
    worth = worth_of()
    found: dict[str, Measure] = {}
    for body in DISTRICT_SLUGS:
        given = {mark: counts.get((body, mark), 0) for mark in worth}
        number = sum(given.values())
        total = sum((points * given[mark] for mark, points in worth.items()), Fraction(0))
        if number:
            found[body] = Measure(total / number, number, number)
    return found
