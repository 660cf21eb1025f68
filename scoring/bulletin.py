"""The bulletin 通报 of a period as one structure; Word, PDF and Excel are all made from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from cases.choices import Action
from cases.ledger import canonical
from cases.models import Case
from cityops.accounts.models import User
from scoring.annexes import case_rows
from scoring.bulletin_texts import texts_of
from scoring.changes import annex_of, changes_between
from scoring.exported import heads_of
from scoring.frame import history_of, newest_run
from scoring.lifecycle import edition_of
from scoring.models import Edition, Run
from scoring.periods import CITY_TIME, Period, earlier, parse_period
from scoring.results import rates_of
from scoring.sentence import sentence_of
from scoring.services import lists_of_run
from scoring.sheet import ALL, Number, address_of, body_names, sheet_of
from scoring.words import COUNT_NAMES, LIST_NAMES, names_in, period_words

PAPER_LANGUAGE = "zh-hans"  # it is a paper of the city's, whoever reads it
ANNEXES = {
    "overdue_unhandled": pgettext_lazy("annex", "Overdue cases"),
    "suspended_open": pgettext_lazy("annex", "Suspended cases"),
    "backlog_out": pgettext_lazy("annex", "Cases carried forward"),
}
LATE_RULINGS = "late_rulings"  # grows with each of them, so it is printed on demand alone
RATES = ("closed", "closed_on_time", "overdue", "extended", "rework", "suspended")
HEADS = (
    pgettext_lazy("bulletin", "Rank"),
    pgettext_lazy("bulletin", "Body"),
    pgettext_lazy("bulletin", "Should be closed"),
    pgettext_lazy("bulletin", "Closed"),
    pgettext_lazy("bulletin", "Closed, %"),
    pgettext_lazy("bulletin", "On time, %"),
    pgettext_lazy("bulletin", "Overdue, %"),
    pgettext_lazy("bulletin", "Extended, %"),
    pgettext_lazy("bulletin", "Reworked, %"),
    pgettext_lazy("bulletin", "Suspended, %"),
    pgettext_lazy("bulletin", "System score"),
    pgettext_lazy("bulletin", "Other points"),
    pgettext_lazy("bulletin", "Total"),
)
RULING_HEADS = (
    pgettext_lazy("bulletin", "No."),
    pgettext_lazy("bulletin", "Case"),
    pgettext_lazy("bulletin", "Ruling"),
    pgettext_lazy("bulletin", "When"),
    pgettext_lazy("bulletin", "What it would move"),
)
ANNEX_HEADS = (
    pgettext_lazy("bulletin", "No."),
    pgettext_lazy("bulletin", "Case"),
    pgettext_lazy("bulletin", "Body"),
    pgettext_lazy("bulletin", "Class"),
    pgettext_lazy("bulletin", "Unit"),
    pgettext_lazy("bulletin", "Reported"),
    pgettext_lazy("bulletin", "Due"),
)
# The paragraphs in order: their headings and whether the office writes them alone.
PARAGRAPHS = {
    "overall": (gettext_lazy("Overall"), False),
    "ranks": (gettext_lazy("Scores and ranks"), False),
    "weak": (gettext_lazy("Where points were lost"), False),
    "commended": (gettext_lazy("Commended"), True),
    "next": (gettext_lazy("What is asked for"), False),
}


class Cell(NamedTuple):
    """What stands in a table: its text, the number it is, and the list behind it."""

    text: str
    value: Decimal | int | None = None
    number: Number | None = None


class Origin(NamedTuple):
    """A number of a paragraph and where its cases are listed."""

    no: int
    number: Number


@dataclass(frozen=True)
class Paragraph:
    """One paragraph: generated from the numbers, or as the office wrote it instead."""

    key: str
    heading: str
    generated: str
    written: str
    origins: list[Origin]

    @property
    def text(self) -> str:
        """What is printed."""
        return self.written or self.generated

    @property
    def numbers(self) -> str:
        """The numbers of its sources, as they stand after it."""
        return "".join(f"[{origin.no}]" for origin in self.origins)


@dataclass(frozen=True)
class Annex:
    """A list of cases; of one its reader may not see the header alone."""

    key: str
    name: str
    heads: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Bulletin:
    """Everything the papers say, in their order."""

    period: Period
    period_words: str
    title: str
    edition: int  # 0: not published
    as_of: datetime
    dated: datetime
    scheme: str
    seal: str
    heads: dict[str, str]  # scope: how many events, and how the hash of the last begins
    table_heads: list[str]
    rows: list[list[Cell]]
    notes: list[str]
    paragraphs: list[Paragraph]
    annexes: list[Annex]
    code: str  # what the QR code holds

    @property
    def is_draft(self) -> bool:
        """Whether it is stamped 试算."""
        return not self.edition

    @property
    def stamp(self) -> str:
        """How far the numbers have come, in a word."""
        return pgettext("stamp", "Provisional") if self.is_draft else pgettext("stamp", "Approved")

    @property
    def origins(self) -> list[Origin]:
        """The sources of all paragraphs, in order."""
        return [origin for paragraph in self.paragraphs for origin in paragraph.origins]

    def file_name(self, ending: str) -> str:
        """Return the name of the file: 通报_2026-10_已核定_v3.docx."""
        edition = f"_v{self.edition}" if self.edition else ""
        word = pgettext("file", "bulletin")
        return f"{word}_{self.period.name}_{self.stamp}{edition}.{ending}"


def bulletin_of(run: Run, reader: User, annexes: Sequence[str] = tuple(ANNEXES)) -> Bulletin:
    """Return the bulletin of a run in the language that is active.

    That of a published edition says what the office had written when it was approved, compares
    with what stood when it was submitted, and stays, also once another has taken its place. Any
    other is provisional.
    """
    sealed = edition_of(run)
    published = sealed if sealed and sealed.is_published else None
    at = published.approved_at if published else None
    period = parse_period(run.period)
    before = _before(run, period, sealed)
    said = sheet_of(run, before)
    heads = {scope: f"{h['dseq']}:{str(h['hash'])[:16]}" for scope, h in heads_of(run).items()}
    counts = _sums(said["bodies"])
    every = {name: Number(COUNT_NAMES[name], counts.get(name, 0), address_of(run, ALL, name))
             for name in COUNT_NAMES}  # fmt: skip
    words = period_words(period)
    written = {key: one.text for key, one in texts_of(period, published).items()}
    compared = period_words(parse_period(before.period)) if before else ""
    return Bulletin(
        period=period,
        period_words=words,
        title=_("Bulletin on the urban-management assessment, %s") % words,
        edition=published.number if published else 0,
        as_of=run.as_of,
        dated=at or run.as_of,
        scheme=run.scheme_id,
        seal=run.seal,
        heads=heads,
        table_heads=list(map(str, HEADS)),
        rows=_rows(run, said["bodies"], counts),
        notes=_notes(said),
        paragraphs=_paragraphs(said, every, counts, compared, written, run),
        annexes=[
            *(_annex(run, key, reader) for key in ANNEXES if key in annexes),
            *([_late_rulings(run, period)] if published and LATE_RULINGS in annexes else []),
        ],
        code=canonical({"heads": heads, "period": period.name, "seal": run.seal}),
    )


def _before(run: Run, period: Period, sealed: Edition | None) -> Run | None:
    """Return what a run is compared with: of one that was submitted what stood at that moment."""
    if sealed is None:
        return history_of(run, period, 1).before
    kept = earlier(period, 1)
    return Run(period=kept[-1].name, result=sealed.compared) if kept and sealed.compared else None


def _sums(bodies: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the counts of all bodies together."""
    return {name: sum(body["counts"].get(name, 0) for body in bodies) for name in COUNT_NAMES}


# --- the table ----------------------------------------------------------------------------------


def _rows(
    run: Run, bodies: Sequence[Mapping[str, Any]], counts: Mapping[str, int]
) -> list[list[Cell]]:
    rows = [_row(run, body) for body in bodies]
    together = rates_of(counts)
    dash = Cell("–")
    rows.append(
        [
            dash,
            Cell(_("All four")),
            *(_count(run, ALL, name, counts) for name in ("should_close", "closed")),
            *(_decimal(together[rate]) for rate in RATES),
            dash,
            dash,
            dash,
        ]
    )
    return rows


def _row(run: Run, body: Mapping[str, Any]) -> list[Cell]:
    rank = Cell(_("few cases")) if body["few_cases"] else Cell("–")
    if body["rank"] is not None:
        rank = Cell(str(body["rank"]), body["rank"])
    system, other = split_total(body)
    return [
        rank,
        Cell(body["name"]),
        *(_count(run, body["body"], name, body["counts"]) for name in ("should_close", "closed")),
        *(_decimal(body["rates"][rate]) for rate in RATES),
        _decimal(system),
        _decimal(other),
        _decimal(body["total"]),
    ]


def split_total(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return what the system part brings to a total and what all else does; they add up to it."""
    if body["total"] is None:
        return None, None
    parts = [p for p in body.get("parts", []) if p["part"] == "" and "points" in p]
    system = sum((Decimal(part["points"]) for part in parts), Decimal("0.00"))
    return str(system), str(Decimal(body["total"]) - system)


def _count(run: Run, slug: str, name: str, counts: Mapping[str, int]) -> Cell:
    value = counts.get(name, 0)
    number = Number(COUNT_NAMES[name], value, address_of(run, slug, name))
    return Cell(str(value), value, number)


def _decimal(text: str | None) -> Cell:
    return Cell("–") if text is None else Cell(text.replace("-", "−"), Decimal(text))


def _notes(said: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the table must know."""
    notes = [_("System score and other points add up to the total; points are rounded half up.")]
    if said["missing"]:
        notes.append(
            _("Not collected yet: %s. Their weight is shared out among the items shown.")
            % said["missing"]
        )
    close = [body["name"] for body in said["bodies"] if body["close"]]
    if close:
        notes.append(_("Small gap to the next: %s.") % pgettext("list", ", ").join(close))
    return notes


# --- the paragraphs -----------------------------------------------------------------------------


def _paragraphs(
    said: Mapping[str, Any],
    every: Mapping[str, Number],
    counts: Mapping[str, int],
    compared: str,
    written: Mapping[str, str],
    run: Run,
) -> list[Paragraph]:
    numbered: list[Paragraph] = []
    no = 0
    made: dict[str, tuple[str, list[Number]]] = {
        "overall": _overall(every, counts, run),
        "ranks": _ranks(said, compared),
        "weak": _weak(said["bodies"]),
        "commended": ("", []),
        "next": _next(every),
    }
    for key, (heading, _is_own) in PARAGRAPHS.items():
        text, numbers = made[key]
        origins = [Origin(no + place, number) for place, number in enumerate(numbers, 1)]
        no += len(origins)
        paragraph = Paragraph(key, str(heading), text, written.get(key, ""), origins)
        if paragraph.text or key in written:
            numbered.append(paragraph)
    return numbered


def _overall(
    every: Mapping[str, Number], counts: Mapping[str, int], run: Run
) -> tuple[str, list[Number]]:
    rates = rates_of(counts)
    shown = ("filed", "should_close", "closed", "closed_on_time", "overdue_unhandled")
    words: dict[str, Any] = {name: every[name].value for name in shown}
    words |= {f"{name}_rate": _percent(rates[name]) for name in RATES}
    words["until"] = f"{run.as_of.astimezone(CITY_TIME):%Y-%m-%d %H:%M}"
    text = _(
        "The four filed %(filed)s cases; %(should_close)s should have been closed and"
        " %(closed)s were, %(closed_rate)s, %(closed_on_time)s of them on time,"
        " %(closed_on_time_rate)s of what should have been. Rework: %(rework_rate)s. By the log"
        " as of %(until)s, %(overdue_unhandled)s cases are overdue and open."
    )
    return text % words, [every[name] for name in shown]


def _percent(text: str | None) -> str:
    return "–" if text is None else f"{text}%"


def _ranks(said: Mapping[str, Any], compared: str) -> tuple[str, list[Number]]:
    ranked = [body for body in said["bodies"] if body["rank"] is not None]
    if not ranked:
        return _("Nobody is ranked: too few cases."), []
    listed = [
        _("%(rank)s. %(name)s %(total)s") % {
            "rank": body["rank"], "name": body["name"], "total": body["total"],
        }
        for body in ranked
    ]  # fmt: skip
    text = _("In order: %s.") % pgettext("ranks", "; ").join(listed)
    sentence = sentence_of(said["bodies"], said["was"], compared)
    if sentence is None:
        return text, []
    joined = pgettext("sentences", "%(one)s %(other)s") % {"one": text, "other": sentence.text}
    return joined, [link.number for link in sentence.links]


def _weak(bodies: Sequence[Mapping[str, Any]]) -> tuple[str, list[Number]]:
    parts, numbers = [], []
    for body in bodies:
        why = body["why"]
        if why is None:
            continue
        words = {"name": body["name"], "item": why["name"], "lost": why["lost"]}
        words["full"] = why["full"]
        parts.append(_("%(name)s lost most in “%(item)s”, %(lost)s of %(full)s points") % words)
        if why.get("number"):
            numbers.append(why["number"])
    text = pgettext("ranks", "; ").join(parts)
    return (_("%s.") % text if text else ""), numbers


def _next(every: Mapping[str, Number]) -> tuple[str, list[Number]]:
    late, held = every["overdue_unhandled"], every["suspended_open"]
    if not late.value:
        return "", []
    words = {"late": late.value, "held": held.value}
    text = _(
        "The %(late)s overdue cases of the annex are to be handled one by one, and the grounds of"
        " the %(held)s suspended ones are to be looked at again."
    )
    return text % words, [late, held]


# --- the annexes --------------------------------------------------------------------------------


def _annex(run: Run, key: str, reader: User) -> Annex:
    """Return the cases of a list of all four, each as it stood for the run."""
    bodies = [sheet["body"] for sheet in json.loads(run.result)["bodies"]]
    found = lists_of_run(run).filter(count=key, body__in=bodies).order_by("body")
    listed = [(one.body, number) for one in found for number in one.numbers]
    numbers = {number for _body, number in listed}
    visible = Case.objects.filter(number__in=numbers).visible_to(reader)
    may_see = set(visible.values_list("number", flat=True))
    rows = case_rows(run, listed, may_see)
    numbered = [[str(place), *row] for place, row in enumerate(rows, 1)]
    return Annex(key, str(ANNEXES[key]), list(map(str, ANNEX_HEADS)), numbered)


def _late_rulings(run: Run, period: Period) -> Annex:
    """Return the rulings that came after a published run was read, and what each would move."""
    newer = newest_run(period)
    names = body_names(run)
    counts = LIST_NAMES | names_in(run.scheme.data)
    rows: list[list[str]] = []
    for one in annex_of(run, newer, period, changes_between(run, newer)):
        moves = [
            f"{'+' if enters else '−'} {names.get(body, body)} {counts[count]}"
            for body, count, enters in one.moves
        ]
        when = f"{one.at.astimezone(CITY_TIME):%Y-%m-%d %H:%M}"
        label = str(Action(one.action).label)
        rows.append([str(len(rows) + 1), one.number, label, when, "; ".join(moves)])
    name = pgettext("annex", "Rulings that came after publication")
    return Annex(LATE_RULINGS, name, list(map(str, RULING_HEADS)), rows)
