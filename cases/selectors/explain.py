"""How a deadline came about, in the words of the reader."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cases.choices import LimitUnit
from cases.clock import SHANGHAI, Explanation, PauseKind, Step, StepKind
from cases.models.area import in_language
from cases.models.category import limit_text

Values = dict[str, Any]


def deadline_lines(explanation: Explanation) -> list[str]:
    """Return one line for each step of an explanation; times are those of Asia/Shanghai."""
    return [_line(step) for step in explanation.steps]


def not_explained() -> str:
    """Return what to say of a deadline that the log does not lead to."""
    return _("The log does not explain this deadline. Please tell the administrator.")


def _line(step: Step) -> str:
    return _WORDS[step.kind](step.values)


def _start(values: Values) -> str:
    return _("The clock started at %(at)s.") % {"at": _moment(values["at"])}


def _outside(values: Values) -> str:
    at = _moment(values["at"])
    return _("That is outside working hours, so time counts from %(at)s.") % {"at": at}


def _limit(values: Values) -> str:
    return _("The limit is %(limit)s.") % {"limit": _limit_words(values)}


def _minutes(values: Values) -> str:
    words = ngettext(
        "The limit is %(minutes)s minute.", "The limit is %(minutes)s minutes.", values["minutes"]
    )
    return words % values


def _named(_values: Values) -> str:
    return _("The time was named then.")


def _continuous(_values: Values) -> str:
    return _("It runs through nights, weekends and holidays.")


def _calendar(values: Values) -> str:
    return _("Timed with working calendar %(version)s.") % values


def _provisional(values: Values) -> str:
    return (
        _("The holidays of %(year)s are not announced yet: only its weekends are left out.")
        % values
    )


def _holiday(values: Values) -> str:
    words = {"name": _name(values), "first": _day(values["first"]), "last": _day(values["last"])}
    if values["first"] == values["last"]:
        return _("Not counted: %(first)s (%(name)s).") % words
    return _("Not counted: %(first)s to %(last)s (%(name)s).") % words


def _makeup(values: Values) -> str:
    words = {"name": _name(values), "day": _day(values["day"])}
    return _("Counted: %(day)s, a make-up workday (%(name)s).") % words


def _weekend(values: Values) -> str:
    return (
        ngettext(
            "Not counted: %(days)s weekend day.",
            "Not counted: %(days)s weekend days.",
            values["days"],
        )
        % values
    )


def _pause(values: Values) -> str:
    since, until = _PAUSES[values["kind"]]
    start = _moment(values["start"])
    if values["end"] is None:
        return str(since) % {"start": start}
    return str(until) % {"start": start, "end": _moment(values["end"])}


def _extension(values: Values) -> str:
    words = {"limit": _limit_words(values), "at": _moment(values["at"])}
    return _("Extended by %(limit)s, approved at %(at)s.") % words


def _shared(values: Values) -> str:
    words = {**values, "at": _moment(values["at"]), "due": _moment(values["due"])}
    return (
        _("At %(at)s case %(number)s was merged into this one: its earlier deadline %(due)s holds.")
        % words
    )


def _due(values: Values) -> str:
    return _("Due at %(at)s.") % {"at": _moment(values["at"])}


_PAUSES = {
    PauseKind.SUSPENDED: (
        gettext_lazy("Suspended since %(start)s."),
        gettext_lazy("Suspended from %(start)s to %(end)s."),
    ),
    PauseKind.CHECKED: (
        gettext_lazy("Paused for the check since %(start)s."),
        gettext_lazy("Paused for the check from %(start)s to %(end)s."),
    ),
    PauseKind.RETURNED: (
        gettext_lazy("Returned: the clock stands still since %(start)s."),
        gettext_lazy(
            "Returned without a reason that held: the clock stood still from %(start)s to "
            "%(end)s, then went on."
        ),
    ),
    PauseKind.MERGED: (
        gettext_lazy("Merged into another case since %(start)s."),
        gettext_lazy("Merged into another case from %(start)s to %(end)s."),
    ),
}

_WORDS: dict[StepKind, Callable[[Values], str]] = {
    StepKind.START: _start,
    StepKind.OUTSIDE: _outside,
    StepKind.LIMIT: _limit,
    StepKind.MINUTES: _minutes,
    StepKind.NAMED: _named,
    StepKind.CONTINUOUS: _continuous,
    StepKind.CALENDAR: _calendar,
    StepKind.PROVISIONAL: _provisional,
    StepKind.HOLIDAY: _holiday,
    StepKind.MAKEUP: _makeup,
    StepKind.WEEKEND: _weekend,
    StepKind.PAUSE: _pause,
    StepKind.EXTENSION: _extension,
    StepKind.SHARED: _shared,
    StepKind.DUE: _due,
}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _day(day: date) -> str:
    return f"{day:%Y-%m-%d}"


def _limit_words(values: Values) -> str:
    return limit_text(values["value"], LimitUnit(values["unit"]))


def _name(values: Values) -> str:
    return in_language(values["name_zh"], values["name_en"])
