"""The timeline of a case: every event in the reader's words, nothing as a code."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cases.choices import Action, ClockKind, LimitUnit, Role, Stage
from cases.models import Condition, District, Event, Responsibility, Supervision, Unit
from cases.models.category import limit_text
from cases.selectors.responsibility import REGISTER
from cases.selectors.row_words import hours_and_minutes
from cases.views.words import (
    DOUBT_WORDS,
    EFFECT_WORDS,
    REASON_WORDS,
    RULING_WORDS,
    SATISFACTION_WORDS,
    may_see_people,
)
from cityops.accounts.models import User


@dataclass(frozen=True)
class Line:
    """One event of the timeline in the reader's words; `used` is time on the clock it ended."""

    event: Event
    action: str
    source: str
    target: str
    by: str
    opinion: str
    facts: list[str]
    used: str


@dataclass(frozen=True)
class _Names:
    """What the codes of all events stand for, read once for the whole timeline."""

    units: dict[str, str]
    districts: dict[str, str]
    conditions: dict[str, str]
    people: dict[int, str]  # empty where the reader may not see names
    rules: list[Responsibility]  # every version


def timeline(events: list[Event], reader: User, *, said: Callable[[str], str]) -> list[Line]:
    """Return the lines of a case's history, oldest first; `said` tells what people said."""
    secrets = [json.loads(event.private) if event.private else {} for event in events]
    names = _names(events, secrets, reader)
    return [
        _line(event, secret, names, said(secret.get("opinion") or ""))
        for event, secret in zip(events, secrets, strict=True)
    ]


def opinion_in(event: Event) -> str:
    """Return what was said with an event, in full; empty once erased."""
    secret = json.loads(event.private) if event.private else {}
    return str(secret.get("opinion") or "")


def _line(event: Event, secret: dict[str, Any], names: _Names, opinion: str) -> Line:
    stages = dict(Stage.choices)
    return Line(
        event=event,
        action=event.get_action_display(),
        source=str(stages[Stage(event.from_stage)]) if event.from_stage else "",
        target=event.get_to_stage_display(),
        by=_by(event, names),
        opinion=opinion,
        facts=_fact_words(event, secret, names),
        used=_("%(time)s used") % {"time": hours_and_minutes(event.used_s)}
        if event.used_s is not None
        else "",
    )


def _by(event: Event, names: _Names) -> str:
    """Return the role that acted, of which unit, and who where the reader may see names."""
    role = str(dict(Role.choices).get(Role(event.actor_role), event.actor_role))
    is_unit = event.actor_role in (Role.UNIT, Role.UNIT_HEAD)
    unit = names.units.get(event.unit, "") if is_unit else ""
    person = names.people.get(event.actor_id or 0, "")
    said = dict.fromkeys(word for word in (role, unit, person) if word)  # a name once
    return " · ".join(said)


# --- names ----------------------------------------------------------------------------------------


def _names(events: list[Event], secrets: list[dict[str, Any]], reader: User) -> _Names:
    facts = [event.data.get("facts") or {} for event in events]
    codes = {event.unit for event in events if event.unit}
    for said in facts:
        codes |= {said[name] for name in ("from_unit", "parent", "assist_unit") if said.get(name)}
        codes |= set(said.get("assist_units", ()))
    rules = {said["rule"] for said in facts if said.get("rule")}
    conditions = {_set(event, "condition_id") for event in events} - {None}
    ids = {event.actor_id for event in events} | {_person_named(secret) for secret in secrets}
    known = [pk for pk in ids if pk is not None]
    people = User.objects.filter(pk__in=known) if may_see_people(reader) else []
    return _Names(
        units={unit.pk: unit.name for unit in Unit.objects.filter(pk__in=codes)},
        districts={row.slug: row.name for row in District.objects.all()},
        conditions={row.code: row.text for row in Condition.objects.filter(pk__in=conditions)},
        people={person.pk: person.name for person in people},
        rules=list(Responsibility.objects.filter(code__in=rules)) if rules else [],
    )


def _set(event: Event, name: str) -> Any:
    """Return what an event set a column to, if it did."""
    return (event.data.get("set") or {}).get(name)


def _person_named(secret: dict[str, Any]) -> int | None:
    """Return whom an event is about: who was sent, or who handles the case from then on."""
    found = secret.get("assignee") or (secret.get("set") or {}).get("handler_id")
    return int(found) if found else None


# --- facts ----------------------------------------------------------------------------------------


def _fact_words(event: Event, secret: dict[str, Any], names: _Names) -> list[str]:
    """Return what an event says beside its action, in the reader's words."""
    facts = event.data.get("facts") or {}
    said = [words(event, facts, names) for words in _FACTS]
    if (person := names.people.get(_person_named(secret) or 0)) is not None:
        said.append("→ " + person)
    if event.sets_clock and event.due_at is not None:
        said.append(_("due %(at)s") % {"at": _moment(event.due_at)})
    return [word for word in said if word]


def _moment(value: str | datetime) -> str:
    at = parse_datetime(value) if isinstance(value, str) else value
    return date_format(localtime(at), "Y-m-d H:i") if at else str(value)


def _known(words: dict[str, Any], name: str) -> Callable[[Event, dict[str, Any], _Names], str]:
    """Return a function that looks the fact `name` up in a list of words."""

    def known(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
        code = facts.get(name)
        return "" if code in (None, "") else str(words.get(str(code), code))

    return known


def _result(event: Event, facts: dict[str, Any], _names: _Names) -> str:
    if "passed" in facts:
        if event.action == Action.ANSWER_VERIFY:
            return _("it is so") if facts["passed"] else _("it is not so")
        return _("passed") if facts["passed"] else _("failed")
    verdict = facts.get("approved", facts.get("upheld"))
    return "" if verdict is None else _("approved") if verdict else _("refused")


def _marks(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    """Return the facts that are either so or not worth a word."""
    marks = {
        "falsified": _("the closing was feigned"),
        "fallback": _("fallback to the locality"),
        "goes_on": _("goes on with the time that was left"),
        "near_border": _("near the border of the district"),
    }
    return " · ".join(word for name, word in marks.items() if facts.get(name))


def _time(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    if facts.get("until"):
        last = parse_datetime(facts["until"])
        assert last is not None  # the ledger wrote it
        day = localtime(last - timedelta(seconds=1))  # a suspension ends with a day
        return _("until the end of %(day)s") % {"day": date_format(day, "Y-m-d")}
    if facts.get("reply_by"):
        return _("reply by %(at)s") % {"at": _moment(facts["reply_by"])}
    if facts.get("promised_at"):
        return _("promised for %(at)s") % {"at": _moment(facts["promised_at"])}
    if facts.get("own_due_at"):
        return _("instead of its own deadline %(at)s") % {"at": _moment(facts["own_due_at"])}
    return ""


def _clock(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    if not facts.get("clock"):
        return ""
    kind = dict(ClockKind.choices)[ClockKind(facts["clock"])]
    return f"{kind}: " + _("due %(at)s") % {"at": _moment(facts["clock_due_at"])}


def _limit(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    if "value" in facts:
        return "+ " + limit_text(facts["value"], LimitUnit(facts["unit"]))
    if "limit_value" in facts:
        return limit_text(facts["limit_value"], LimitUnit(facts["limit_unit"]))
    return ""


def _condition(event: Event, _facts: dict[str, Any], names: _Names) -> str:
    return names.conditions.get(_set(event, "condition_id") or "", "")


def _units(event: Event, facts: dict[str, Any], names: _Names) -> str:
    """Return the units an event names: from whom, to whom, who assists."""
    to = _set(event, "unit_id") if event.to_stage == Stage.DISPATCHED else facts.get("assist_unit")
    if event.action == Action.REDISPATCH:
        to = event.unit
    unit = names.units.get
    said = [unit(facts["from_unit"], "")] if facts.get("from_unit") else []
    said += ["→ " + unit(to, "")] if to else []
    said += [_list(unit(code, "") for code in facts.get("assist_units", ()))]
    return " ".join(word for word in said if word)


def _districts(_event: Event, facts: dict[str, Any], names: _Names) -> str:
    if not facts.get("to_district"):
        return ""
    district = names.districts.get
    said = f"{district(facts.get('from_district', ''), '')} → {district(facts['to_district'], '')}"
    return f"{said} ({Action(facts['by']).label})" if facts.get("by") else said


def _rule(event: Event, facts: dict[str, Any], names: _Names) -> str:
    """Return why the unit answers for the case, by the rule valid at that time."""
    if "conflict" in facts:
        return _("the rules contradict each other") if facts["conflict"] else _("no unit found")
    if facts.get("rule") == REGISTER:
        return _("The component register names this unit.")
    versions = [row for row in names.rules if row.code == facts.get("rule")]
    valid = [row for row in versions if event.at in row.valid] or versions
    return valid[0].reason if valid else ""


def _numbers(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    if facts.get("into"):
        return f"→ {facts['into']}"
    said = str(facts.get("number", ""))
    if facts.get("calendar_version"):
        said = _("calendar version %(version)s") % {"version": facts["calendar_version"]}
    return said


def _photos(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    count = len(facts.get("photos") or ())
    return ngettext("%(n)s photo", "%(n)s photos", count) % {"n": count} if count else ""


def _doubts(_event: Event, facts: dict[str, Any], _names: _Names) -> str:
    return _list(str(DOUBT_WORDS[code]) for code in facts.get("doubts") or ())


def _list(words: Iterable[str]) -> str:
    return _(", ").join(words)


_FACTS: tuple[Callable[[Event, dict[str, Any], _Names], str], ...] = (
    _known(REASON_WORDS, "reason"),
    _known(RULING_WORDS, "ruling"),
    _result,
    _known({str(value): words for value, words in Supervision.Kind.choices}, "kind"),
    _known(SATISFACTION_WORDS, "satisfaction"),
    _known({}, "period"),
    _known(EFFECT_WORDS, "effect"),
    _condition,
    _limit,
    _units,
    _districts,
    _rule,
    _marks,
    _numbers,
    _time,
    _clock,
    _photos,
    _doubts,
)
