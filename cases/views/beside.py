"""What a case is beside its stage, in the reader's words: flags on top, and lines of its facts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from cases.choices import OPEN_STAGES, UNIT_STAGES, Action, Stage, Waiting
from cases.guards import is_arbitrated
from cases.models import Assist, Case, CityOptions, District, Request, Supervision
from cases.selectors.beside import Beside
from cases.selectors.place import neighbour_of
from cases.selectors.row_words import contact_words
from cases.views.words import DOUBT_WORDS, EFFECT_WORDS, REASON_WORDS, may_see_people
from cityops.accounts.models import User

APPEAL_WORDS = {
    "asked": gettext_lazy("appeal: the dispatcher is to decide"),
    "endorsed": gettext_lazy("appeal: endorsed, the acceptor is to decide"),
    "upheld": gettext_lazy("appeal upheld: exempt in statistics"),
    "refused": gettext_lazy("appeal refused"),
    "lapsed": gettext_lazy("appeal lapsed: the case was reopened"),
}
_SHAPES = {"late": "■", "soon": "▲", "paused": "◆", "said": "●"}
# Asked for by a request, which tells more than that it is waited for.
_BY_REQUEST = {
    Waiting.EXTENSION_HEAD: Request.Kind.EXTENSION,
    Waiting.EXTENSION: Request.Kind.EXTENSION,
    Waiting.SUSPENSION: Request.Kind.SUSPENSION,
    Waiting.APPEAL: Request.Kind.APPEAL,
    Waiting.APPEAL_ACCEPTOR: Request.Kind.APPEAL,
    Waiting.ADJUST: Request.Kind.ADJUST,
}


@dataclass(frozen=True)
class Flag:
    """Something to know before acting, as shape and words; `key` names its colour."""

    key: str
    words: str

    @property
    def shape(self) -> str:
        """A shape of its own for each colour."""
        return _SHAPES[self.key]


@dataclass(frozen=True)
class Fact:
    """A line of the facts: its name, its words, and cases it points at."""

    name: str
    words: list[str]
    numbers: list[str]


# --- flags ----------------------------------------------------------------------------------------


def flags(case: Case, rows: Beside, options: CityOptions, *, at: datetime) -> list[Flag]:
    """Return what is to be known before acting, the most pressing first."""
    found = [
        *_orders(rows, at=at),
        *_held(case),
        *_asked(case, rows),
        *_of_the_place(case, options),
        *_of_the_way(case),
    ]
    return sorted(found, key=lambda flag: list(_SHAPES).index(flag.key))


def _orders(rows: Beside, *, at: datetime) -> Iterator[Flag]:
    for order in rows.supervisions:
        words = {"kind": order.get_kind_display(), "at": _moment(order.reply_by)}
        key = "late" if order.reply_by < at else "soon"
        yield Flag(key, _("supervised (%(kind)s): reply by %(at)s") % words)


def _held(case: Case) -> Iterator[Flag]:
    if case.suspended_until is not None:
        day = localtime(case.suspended_until - timedelta(seconds=1))
        words = {"day": date_format(day, "Y-m-d")}
        yield Flag(
            "paused",
            _("deferred by a leader until the end of %(day)s") % words
            if case.is_deferred
            else _("suspended until the end of %(day)s") % words,
        )


def _asked(case: Case, rows: Beside) -> Iterator[Flag]:
    """Yield what the case waits for beside its stage; a supervision is a flag of its own."""
    told = {request.kind for request in rows.requests}
    for name in case.waiting_for:
        awaited = Waiting(name)
        if awaited != Waiting.REPLY and _BY_REQUEST.get(awaited) not in told:
            yield Flag("soon", str(awaited.label))
    for request in rows.requests:
        waits = [w for w, kind in _BY_REQUEST.items() if kind == request.kind]
        for awaited in waits:
            if awaited in case.waiting_for:
                yield Flag("soon", f"{awaited.label} · {request_words(request)}")


def request_words(request: Request) -> str:
    """Return what was asked for, why, and until when."""
    asked = {"at": _moment(request.asked_at)}
    said = [str(request.get_kind_display()), _("asked at %(at)s") % asked]
    if request.reason:
        said.append(str(REASON_WORDS.get(request.reason, request.reason)))
    if request.until is not None:
        day = localtime(request.until - timedelta(seconds=1))
        said.append(_("until the end of %(day)s") % {"day": date_format(day, "Y-m-d")})
    if request.effect:
        said.append(f"{request.period} {EFFECT_WORDS[request.effect]}")
    return " · ".join(said)


def _of_the_place(case: Case, options: CityOptions) -> Iterator[Flag]:
    is_near = case.border_m is not None and case.border_m < options.border_warning_m
    if is_near and case.stage in OPEN_STAGES:
        yield Flag("soon", _border(case, options))


def _border(case: Case, options: CityOptions) -> str:
    words = {"metres": case.border_m}
    within_m = options.border_warning_m + 1  # metres were rounded down
    if case.point is not None and case.district:
        across = neighbour_of(case.point, case.district, within_m=within_m)
        if across is not None:
            return _("%(metres)s m from the border, across it %(district)s") % {
                **words,
                "district": across.short_name,
            }
    return _("%(metres)s m from the border of the district") % words


def _of_the_way(case: Case) -> Iterator[Flag]:
    if case.stage in (Stage.RETURNED, Stage.DISPUTED) and case.last_reason:
        reason = REASON_WORDS.get(case.last_reason, case.last_reason)
        yield Flag("soon", _("returned: %(reason)s") % {"reason": reason})
    for code in case.photo_doubts:
        yield Flag("soon", str(DOUBT_WORDS[code]))
    if case.cycle > 1:
        yield Flag("soon", _("reopened: cycle %(cycle)s") % {"cycle": case.cycle})
    if case.appeal:
        yield Flag("said", str(APPEAL_WORDS[case.appeal]))
    if case.is_self_handled:
        yield Flag("said", _("handled by the inspector on the spot"))
    if case.is_fallback and case.unit_id:
        yield Flag("said", _("fallback to the locality: nobody else answers for it"))
    if is_arbitrated(case) and case.stage in UNIT_STAGES:
        yield Flag("said", _("the unit was named by arbitration"))
    if case.exit_confirmed:
        yield Flag("said", _("the late exit is confirmed"))


# --- facts ----------------------------------------------------------------------------------------


def facts(case: Case, rows: Beside, reader: User, *, is_disclosed: bool = False) -> list[Fact]:
    """Return the lines that stand below the facts every case has; only those that say something."""
    said = [
        Fact(_("Merged into"), [], [rows.survivor] if rows.survivor else []),
        Fact(_("Duplicates merged in"), [], rows.merged_in),
        Fact(_("12345 order"), _order(case), []),
        Fact(_("Whom to answer"), _contact(case, reader, is_disclosed=is_disclosed), []),
        Fact(_("Answer owed"), [_reply(row.action, row.reason) for row in rows.replies], []),
        Fact(_("Handler"), _handler(case, reader), []),
        Fact(_("On site"), _task(rows, reader), []),
        Fact(_("Assisting units"), [_assist(row) for row in rows.assists], []),
        Fact(_("Supervised"), _supervised(case), []),
        Fact(_("Had it before"), _districts(case), []),
        Fact(_("So far"), _counts(case), []),
    ]
    return [fact for fact in said if fact.words or fact.numbers]


def _order(case: Case) -> list[str]:
    if not case.order_number:
        return []
    return [" · ".join(filter(None, (case.order_number, case.get_order_kind_display())))]


def _contact(case: Case, reader: User, *, is_disclosed: bool) -> list[str]:
    if not case.contact:
        return []
    return [case.contact if is_disclosed else contact_words(case, reader)]


def _reply(action: str, reason: str) -> str:
    words = [str(Action(action).label), str(REASON_WORDS.get(reason, reason))]
    return _(", ").join(word for word in words if word)


def _handler(case: Case, reader: User) -> list[str]:
    """Name the handler to the centres, and to the people of the unit."""
    mine = {grant.scope_key for grant in reader.grants}
    is_near = may_see_people(reader) or not mine.isdisjoint({case.unit_id, case.parent_unit})
    return [case.handler.name] if case.handler is not None and is_near else []


def _task(rows: Beside, reader: User) -> list[str]:
    task = rows.task
    if task is None:
        return []
    words = [str(task.get_kind_display()), _("due %(at)s") % {"at": _moment(task.due_at)}]
    if may_see_people(reader) or task.assignee_id == reader.pk:
        words.insert(1, task.assignee.name)
    return [" · ".join(words)]


def _assist(row: Assist) -> str:
    state = _("has reported") if row.answered_at else _("asked, not yet reported")
    return f"{row.unit.name} · {state}"


def _supervised(case: Case) -> list[str]:
    kinds = dict(Supervision.Kind.choices)
    said = _(", ").join(str(kinds[Supervision.Kind(kind)]) for kind in case.supervised)
    return [said] if said else []


def _districts(case: Case) -> list[str]:
    """Return the districts the case was moved from; one that only assists never had it."""
    if not case.also_districts:
        return []
    moved = case.event_set.filter(action=Action.MOVED_OUT)
    slugs = set(moved.values_list("data__facts__from_district", flat=True))
    return [row.name for row in District.objects.filter(pk__in=slugs - {case.district})]


def _counts(case: Case) -> list[str]:
    """Return how often it came back, was done again or was given more time."""
    back, again, more = case.return_count, case.rework_count, case.extension_count
    words = (
        (back, ngettext("returned %(n)s time", "returned %(n)s times", back)),
        (again, ngettext("reworked %(n)s time", "reworked %(n)s times", again)),
        (more, ngettext("extended %(n)s time", "extended %(n)s times", more)),
        (int(case.was_late), _("was overdue")),
    )
    said = [word % {"n": count} for count, word in words if count]
    return [_(", ").join(said)] if said else []


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "Y-m-d H:i")
