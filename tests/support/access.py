"""A small city with one person of each kind and a case at each stage, mine and somebody else's.

`Mine` is hecheng, the unit `office` and the inspector `ins`; `other` is landport, `zone-office`
and an inspector none of the actors is. Used by tests/test_permissions.py.
"""

import hashlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.utils import timezone
from PIL import Image
from rest_framework.test import force_authenticate

from cases.api.views import CaseActions
from cases.choices import Action, ClockKind, Role, Stage
from cases.models import (
    Attachment,
    Case,
    Channel,
    CityOptions,
    DeskAlarm,
    Event,
    Export,
    Feedback,
    Notice,
    Reply,
    Request,
    RoutingDraft,
    SavedSearch,
    StageClock,
)
from cases.ringing import Reason, Ring, Tier
from cases.selectors.calendars import current_version
from cases.selectors.dry_run import edition_of
from cases.selectors.rule_book import rules_at
from cases.services.city import load_city
from cases.services.handover import give_over, keep_paper, take_over
from cases.services.intake import Report, report_case
from cases.services.routing import open_draft, put_rule
from cityops.accounts.models import ApiToken, SignInLock, User
from scoring.bulletin_texts import SHIPPED_TEMPLATE
from scoring.key_tasks import Step as Milestone
from scoring.key_tasks import add_task
from scoring.measured import KeyTask
from scoring.meetings import finish_meeting, prepare_meeting, record_item
from scoring.models import Edition, Run, Scheme, ScoredPeriod
from scoring.objections import raise_objection
from scoring.onsite import draw_points
from scoring.periods import Period, month_of, months_after
from scoring.satisfaction import import_survey, read_survey
from scoring.versions import draft_scheme, propose_scheme, scheme_of, store_shipped
from tests.support.city import SmallCity, open_logs
from tests.support.components import component, register
from tests.support.people import person
from tests.support.scores import score_now
from tests.support.spine import act, photo, run_dispatch
from tests.support.walls import a_wall

BLANK = re.compile(r"<\w+:(?P<name>\w+)>")
PASSWORD = "an-old-password"
CONDITION = {"category": "event-0112", "condition": "event-0112-1"}
COMPONENT = {  # registered in the small city, whose one class of components it is
    "标识码": "4312020112000001",
    "经度": "110.015",
    "纬度": "27.515",
    "主管部门": "office",
    "权属单位": "",
    "养护单位": "",
}
PLACES = {"mine": {"lon": 110.015, "lat": 27.515}, "other": {"lon": 110.08, "lat": 27.55}}
LAST_MONTH = month_of(month_of(timezone.now()).start - timedelta(days=1))
DISTRICTS = {"mine": "hecheng", "other": "landport"}
UNITS = {"mine": "office", "other": "zone-office"}
BRIGADES = {"mine": "brigade", "other": "zone-brigade"}  # another unit of the same district
SQUADS = {"mine": "squad", "other": "zone-squad"}  # its sub-unit
ELSEWHERE = {"mine": "other", "other": "mine"}

# Looked at by tests/test_permissions_live.py: they need a database other threads can see.
LIVE = {"live/events", "ws/live/"}

# Posts of the centres, which are held for one district or the whole city.
POSTS = {
    "acc": Role.ACCEPTOR,
    "chi": Role.DUTY_CHIEF,
    "dis": Role.DISPATCHER,
    "ope": Role.OPERATOR,
    "sup": Role.SUPERVISOR,
    "ass": Role.ASSESSOR,
    "lea": Role.LEADER,
    "adm": Role.ADMIN,
}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "green").save(out, "JPEG")
    return out.getvalue()


SHA256 = hashlib.sha256(jpeg()).hexdigest()


def load_table_city(folder: Path) -> None:
    """Load the small city with a class of components, a second condition, and more units."""
    city = SmallCity(folder)
    first = city.categories[0]
    city.categories.append(first | {"condition_no": "2", "text_zh": "污水", "text_en": "Sewage"})
    city.categories.append(first | {"kind": "component"})
    brigade = next(unit for unit in city.units if unit["code"] == "brigade")
    city.units += [
        brigade | {"code": "zone-brigade", "district": "landport"},
        brigade | {"code": "squad", "parent": "office"},
        brigade | {"code": "zone-squad", "district": "landport", "parent": "zone-office"},
    ]
    open_logs()
    load_city(city.write(), since=None, progress=lambda line: None)


class World:
    """Actors by their column in the table, and cases by stage and owner."""

    NAMES = (
        *("ano", "ins", "uni", "hea"),
        *POSTS,
        *(name.upper() for name in POSTS),
        *("non", "sta", "roo", "off", "new"),
    )

    def __init__(self) -> None:
        self.actors: dict[str, User | None] = {"ano": None}
        self.cases: dict[tuple[str, str], str] = {}
        self.photos: dict[str, int] = {}
        self.inspectors: dict[str, User] = {}
        self._people()
        ApiToken.issue(self.fresh("lea"))
        SignInLock.objects.create(username="somebody", tries=1)
        Group.objects.create(name="a group")
        CityOptions.objects.update(auto_check=False)
        for whose in PLACES:
            self._cases_of(whose)
        self.searches = {
            "mine": SavedSearch.objects.create(
                user=self.fresh("dis"), name="a", query="q=a", is_shared=True
            ),
            "other": SavedSearch.objects.create(user=self.inspectors["other"], name="a", query="q"),
        }
        self.exports = {
            "mine": _export(self.fresh("dis")),
            "other": _export(self.inspectors["other"]),
        }
        self.notices = {whose: self._notice(whose) for whose in PLACES}
        self.alarms = {whose: self._alarm(whose) for whose in PLACES}
        Channel.objects.create(name="a group", kind=Channel.Kind.WECOM)
        self.feedback = self._feedback()
        self.component = component(**COMPONENT).pk
        self.draft = self._draft()
        self.wall = a_wall().token
        self.handovers = {whose: self._handover(whose) for whose in PLACES}
        self.scheme = self._scheme()
        self.periods = self._periods()
        self.points = self._points()
        self.tasks = {whose: self._key_task(whose) for whose in PLACES}
        self.surveys = {whose: self._survey(whose) for whose in PLACES}
        self.items = self._action_items()
        self.before = fingerprint()
        self.cookies = {name: _cookie(user) for name, user in self.actors.items() if user}
        User.objects.filter(username="off").update(is_active=False)

    def _alarm(self, whose: str) -> int:
        """Let the desk ring for the handling of a case."""
        reason = Reason(Ring.LATE, "late:1", ClockKind.HANDLE)
        alarm = DeskAlarm.objects.create(
            case=Case.objects.get(number=self.cases["checking", whose]),
            ring=reason.ring,
            key=reason.key,
            clock=reason.clock,
            tier=Tier.RINGS,
            roles=list(reason.roles),
            raised_at=timezone.now(),
        )
        return int(alarm.pk)

    def _people(self) -> None:
        made = {
            "ins": person("ins", Role.INSPECTOR, grids=("431202",)),
            "uni": person("uni", Role.UNIT, "office"),
            "hea": person("hea", Role.UNIT_HEAD, "office"),
            **{name: person(name, role, "hecheng") for name, role in POSTS.items()},
            **{name.upper(): person(name.upper(), role) for name, role in POSTS.items()},
            "non": User.objects.create_user("non", name="non"),
            "sta": User.objects.create_user("sta", name="sta", is_staff=True),
            "roo": User.objects.create_superuser("roo", name="roo"),
            "off": person("off", Role.DISPATCHER),
            "new": person("new", Role.DISPATCHER),
        }
        User.objects.filter(username="new").update(must_change_password=True)
        for user in made.values():
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
        self.actors |= made
        stranger = person("stranger", Role.INSPECTOR, grids=("431202",))
        self.inspectors = {"mine": made["ins"], "other": stranger}
        checker = person("checker", Role.INSPECTOR, grids=("431202",))
        assessor = person("as2", Role.ASSESSOR)
        units = {
            "mine": (made["uni"], made["hea"]),
            "other": (
                person("other-unit", Role.UNIT, "zone-office"),
                person("other-head", Role.UNIT_HEAD, "zone-office"),
            ),
        }
        self.workers = {
            whose: {
                "unit": unit,
                "head": head,
                "brigade": person(BRIGADES[whose], Role.UNIT, BRIGADES[whose]),
                "squad": person(SQUADS[whose], Role.UNIT, SQUADS[whose]),
                "inspector": self.inspectors[whose],
                "checker": checker,
                "assessor": assessor,
            }
            for whose, (unit, head) in units.items()
        }

    def _feedback(self) -> int:
        """Keep what somebody said, with a screenshot that is prepared."""
        shown = {"sha256": SHA256, "stored_sha256": SHA256}
        return Feedback.objects.create(key=uuid.uuid4(), by=self.fresh("ins"), text="a", **shown).pk

    def _draft(self) -> RoutingDraft:
        """Open a draft with one rule, ready to be published."""
        admin = self.fresh("ADM")
        draft = open_draft(title="a", reason="a", actor=admin)
        words = {"rank": "owner", "unit_kind": "urban_management", "reason_zh": "a"}
        put_rule(draft_id=draft.pk, code="a", terms={**words, "reason_en": "a"}, actor=admin)
        return draft

    def _scheme(self) -> Scheme:
        """Let one assessor draft and propose a scheme, for another to approve."""
        store_shipped()
        author = self.workers["mine"]["assessor"]
        draft = draft_scheme(base="2026-v1", version="2099-v1", reason="a", actor=author)
        return propose_scheme(
            version=draft.version,
            since=months_after(timezone.now(), 1)[0].start,
            reason="a",
            actor=author,
            seen_digest=draft.digest,
        )

    def _periods(self) -> "Periods":
        """Let past months stand at each step of the life of a period, by an assessor of the city.

        The one open to objections has one of each district and an adjustment to name.
        """
        assessor, now = self.workers["mine"]["assessor"], timezone.now()
        months, runs = {}, {}
        month = month_of(now)
        for state in ("over", "objections", "closed", "submitted", "published"):
            month = month_of(month.start - timedelta(days=1))
            months[state], runs[state] = month, score_now(month, scheme_of())
            closed, window = {"over": (9, 20), "objections": (-3, 20)}.get(state, (0, 0))
            ScoredPeriod.objects.create(
                name=month.name,
                ends_at=month.end,
                closes_at=now + timedelta(days=closed) if closed else month.end,
                window_until=now + timedelta(days=window) if window else month.end,
            )
        for state in ("submitted", "published"):
            edition = Edition.objects.create(
                period_id=months[state].name,
                number=1,
                run=runs[state],
                submitted_by=assessor,
                submitted_at=now,
            )
        Edition.objects.filter(pk=edition.pk).update(approved_by=self.fresh("ASS"), approved_at=now)
        objections = {
            whose: raise_objection(
                period=months["objections"],
                seen_run=runs["objections"].pk,
                body=DISTRICTS[whose],
                count="filed",
                text="a",
                actor=person(f"objects-{whose}", Role.LEADER, DISTRICTS[whose]),
            ).pk
            for whose in PLACES
        }
        adjustment = Request.objects.create(
            case=Case.objects.get(number=self.cases["closed", "mine"]),
            kind=Request.Kind.ADJUST,
            state=Request.State.APPROVED,
            period=months["objections"].name,
            effect="exempt",
            asked_by=assessor,
            asked_at=now,
            decided_by=assessor,
            decided_at=now,
        )
        return Periods(months, runs, objections, adjustment.pk)

    def _points(self) -> dict[str, int]:
        """Draw the points of last month; of one's cells the whole city's assessors get one each."""
        draw = draw_points(period=LAST_MONTH, actor=self.fresh("ASS"))
        names = {"mine": "ASS", "other": "as2"}
        return {whose: draw.points.get(assessor__username=name).pk for whose, name in names.items()}

    def _key_task(self, whose: str) -> int:
        """List a task of the district with one milestone."""
        step = Milestone("a", timezone.localdate())
        words = {"title": "a", "body": DISTRICTS[whose], "unit": UNITS[whose], "about": ""}
        return int(add_task(**words, steps=[step], actor=self.fresh("ASS")).pk)

    def _action_items(self) -> dict[str, int]:
        """Let last month's meeting decide something for a unit of each district, and finish it."""
        office, today = self.fresh("ASS"), timezone.localdate()
        meeting = prepare_meeting(period=LAST_MONTH, actor=office)
        items = {}
        for seen, (whose, unit) in enumerate(UNITS.items(), start=1):
            words = {"line": None, "text": "a", "unit": unit, "due_on": today}
            made = record_item(period=meeting.period, seen=seen, **words, actor=office)
            items[whose] = int(made.pk)
        finish_meeting(period=meeting.period, seen=len(UNITS) + 1, held_on=today, actor=office)
        return items

    def _survey(self, whose: str) -> int:
        """Import a file of one answer about the district."""
        read = read_survey(survey(f"{whose}-1,{DISTRICTS[whose]},5,{timezone.localdate()}"))
        month = month_of(timezone.now())
        kept = import_survey(period=month, name="a", read=read, actor=self.fresh("ASS"))
        return int(kept.pk)

    def _cases_of(self, whose: str) -> None:
        for name, way in WAYS.items():
            number = self._report(whose, way)
            self.cases[name, whose] = number
            for step in way.steps:
                self._step(number, whose, step)
            shown = "reported" if name == "awaiting" else name.partition("-")[0]
            assert Case.objects.get(number=number).stage == shown, name
        attachment = Attachment.objects.filter(case__number=self.cases["handled", whose])
        self.photos[whose] = attachment.get().pk

    def _handover(self, whose: str) -> int:
        """Keep a hand-over of the district that was taken over, with its paper."""
        giver, taker = (
            person(f"{one}-{whose}", Role.DISPATCHER, DISTRICTS[whose]) for one in ("gave", "took")
        )
        given = give_over(scope=DISTRICTS[whose], desk="command", notes="", actor=giver)
        take_over(pk=given.pk, actor=taker)
        keep_paper(given, b"%PDF-")
        return given.pk

    def _notice(self, whose: str) -> int:
        event = Event.objects.get(case__number=self.cases["dispatched", whose], action="dispatch")
        told = {"user": self.workers[whose]["unit"], "case": event.case, "event": event}
        return Notice.objects.create(**told).pk

    def _report(self, whose: str, way: "Way") -> str:
        place = PLACES[ELSEWHERE[whose] if way.comes_from_elsewhere else whose]
        report = Report(**place, **{**CONDITION, **way.words})
        is_own = report.source == "inspector"
        actor = self.inspectors[whose] if is_own else self.fresh("OPE")
        return str(report_case(report=report, actor=actor, key=uuid.uuid4())["number"])

    def _step(self, number: str, whose: str, step: "Step") -> None:
        if step.action == Action.OVERDUE:
            late = timezone.now() - timedelta(hours=1)
            handling = StageClock.objects.filter(case__number=number, kind=ClockKind.HANDLE)
            handling.update(due_at=late)
        elif step.worker == "system":
            assert run_dispatch(number) == "dispatched"
        else:
            actor = self.workers[whose].get(step.worker) or self.fresh(step.worker)
            photos = (photo(),) if step.action == Action.FINISH else ()
            inputs = self.words(step.inputs, whose)
            act(number, step.action, actor, photos=photos, **inputs)

    def words(self, inputs: dict[str, Any], whose: str) -> dict[str, Any]:
        """Fill in what differs between mine and other, and from day to day."""
        now = timezone.localtime()
        words = {
            "UNIT": UNITS[whose],
            "BRIGADE": BRIGADES[whose],
            "SQUAD": SQUADS[whose],
            "DISTRICT": DISTRICTS[whose],
            "UNIT-ELSEWHERE": UNITS[ELSEWHERE[whose]],
            "DISTRICT-ELSEWHERE": DISTRICTS[ELSEWHERE[whose]],
            "INSPECTOR": self.inspectors[whose].username,
            "CHECKER": "checker",
            "PLACE": "{lon},{lat}".format(**PLACES[whose]),
            "WORKER": self.workers[whose]["unit"].username,
            "SQUAD-WORKER": self.workers[whose]["squad"].username,
            "FILED-BEFORE": self.cases.get(("filed", whose), ""),
            "TOMORROW": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M}",
            "NEXT-WEEK": f"{now + timedelta(days=7):%Y-%m-%d}",
            "THIS-MONTH": f"{now:%Y-%m}",
        }
        return {name: words.get(value, value) for name, value in inputs.items()}

    def fresh(self, name: str) -> User:
        """Return an actor as a request reads one."""
        user = self.actors[name]
        assert user is not None
        return User.objects.with_grants().get(pk=user.pk)

    def client(self, name: str, *, csrf: bool = False) -> Client:
        """Return a new browser that holds the actor's session."""
        client = Client(enforce_csrf_checks=csrf, raise_request_exception=False)
        if name in self.cookies:
            client.cookies["sessionid"] = self.cookies[name]
        return client


def _export(user: User) -> Export:
    """Keep a file that is ready, as far as the table tells."""
    made = {"state": Export.State.READY, "file": "exports/a.xlsx", "sha256": SHA256}
    return Export.objects.create(
        key=uuid.uuid4(), owner=user, columns=["case"], as_of=timezone.now(), **made
    )


def _cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Periods(NamedTuple):
    """A month for each step of its life, its run, and what was objected."""

    months: dict[str, Period]
    runs: dict[str, Run]
    objections: dict[str, int]  # by whose
    adjustment: int


class Step(NamedTuple):
    """What one of the workers does to a case, or the system."""

    action: Action
    worker: str
    inputs: dict[str, Any] = {}


class Way(NamedTuple):
    """How a case comes to stand where an action is tried."""

    words: dict[str, Any] = {}  # of its report
    steps: tuple[Step, ...] = ()
    comes_from_elsewhere: bool = False


_HOTLINE = {"source": "hotline"}
_TOLD = {"reason": "other"}
_ROUTED = (Step(Action.DISPATCH, "system"),)
_SIGNED = (*_ROUTED, Step(Action.SIGN, "unit"))
_LATE = Step(Action.OVERDUE, "system")
_FINISH = Step(Action.FINISH, "unit")
_SENT = (*_SIGNED, _FINISH, Step(Action.SEND_CHECK, "ACC", {"assignee": "INSPECTOR"}))
_PASSED = Step(Action.ANSWER_CHECK, "inspector", {"passed": True})
_CLOSE = Step(Action.CLOSE, "CHI")
_BACK = Step(Action.RETURN, "unit", _TOLD)
_DECLINE = Step(Action.DECLINE, "ACC", _TOLD)
_CLOSED = (*_SENT, _PASSED, _CLOSE)
_CLOSED_LATE = (*_SIGNED, _LATE, *_CLOSED[len(_SIGNED) :])
_APPEALED = (*_CLOSED_LATE, Step(Action.APPEAL, "unit", {"note": "暴雨"}))
_ASKED = (*_ROUTED, Step(Action.REQUEST_EXTENSION, "unit", {"reason": "weather"}))
_HELD = {"reason": "season", "until": "NEXT-WEEK"}
_PAUSE = (*_SIGNED, Step(Action.REQUEST_SUSPENSION, "unit", _HELD))
_LED_BY_BRIGADE = (
    *_ROUTED,
    Step(Action.REASSIGN, "DIS", {"unit": "BRIGADE"}),
    Step(Action.SIGN, "brigade"),
)
_AUDITED = (  # asked of the inspector, who had nothing to do with it before
    Step(Action.ACCEPT, "ACC"),
    Step(Action.FILE, "CHI", {"condition": CONDITION["condition"]}),
    *_SIGNED,
    _FINISH,
    Step(Action.SEND_CHECK, "ACC", {"assignee": "CHECKER"}),
    Step(Action.ANSWER_CHECK, "checker", {"passed": True}),
    _CLOSE,
    Step(Action.AUDIT_CLOSURE, "SUP", {"assignee": "INSPECTOR"}),
)

# Cases by name: the stage they stand in, and after a dash what else is so.
WAYS: dict[str, Way] = {
    "awaiting": Way({"photos_due": (SHA256,)}),
    "reported": Way(_HOTLINE),
    "verifying": Way(_HOTLINE, (Step(Action.SEND_VERIFY, "ACC", {"assignee": "INSPECTOR"}),)),
    "declined": Way(_HOTLINE, (_DECLINE,)),
    "declined-audited": Way(
        _HOTLINE, (_DECLINE, Step(Action.AUDIT_DECLINE, "SUP", {"assignee": "INSPECTOR"}))
    ),
    "accepted": Way({"condition": ""}),
    "filed": Way(),
    "filed-moved": Way(
        {},
        (Step(Action.TRANSFER, "DIS", {"district": "DISTRICT", "reason": "border"}),),
        comes_from_elsewhere=True,
    ),
    "dispatched": Way({}, _ROUTED),
    "dispatched-asked": Way({}, _ASKED),
    "dispatched-endorsed": Way(
        {}, (*_ASKED, Step(Action.DECIDE_EXTENSION, "head", {"approved": True}))
    ),
    "dispatched-squad": Way({}, (*_ROUTED, Step(Action.REDISPATCH, "head", {"unit": "SQUAD"}))),
    "dispatched-handler": Way(
        {}, (*_ROUTED, Step(Action.ASSIGN_HANDLER, "head", {"handler": "WORKER"}))
    ),
    "dispatched-supervised": Way(
        {},
        (*_ROUTED, Step(Action.SUPERVISE, "LEA", {"note": "请尽快", "reply_by": "TOMORROW"})),
    ),
    "handling": Way({}, _SIGNED),
    "handling-asked": Way({}, _PAUSE),
    "handling-assisted": Way(
        {}, (*_LED_BY_BRIGADE, Step(Action.SEND_ASSIST, "DIS", {"assist": "UNIT"}))
    ),
    "handling-across": Way(
        {}, (*_LED_BY_BRIGADE, Step(Action.SEND_ASSIST, "DIS", {"assist": "UNIT-ELSEWHERE"}))
    ),
    "suspended": Way({}, (*_PAUSE, Step(Action.DECIDE_SUSPENSION, "DIS", {"approved": True}))),
    "handled": Way({}, (*_SIGNED, _FINISH)),
    "checking": Way({}, _SENT),
    "checked": Way({}, (*_SENT, _PASSED)),
    "returned": Way({}, (*_ROUTED, _BACK)),
    "returned-check": Way({}, (*_SENT, Step(Action.ANSWER_CHECK, "inspector", {"passed": False}))),
    "rework": Way(
        {},
        (
            *_SENT,
            Step(Action.ANSWER_CHECK, "inspector", {"passed": False}),
            Step(Action.REWORK, "DIS"),
        ),
    ),
    "disputed": Way({}, (*_ROUTED, _BACK, Step(Action.REASSIGN, "DIS", {"unit": "UNIT"}), _BACK)),
    "merged": Way({}, (Step(Action.MERGE, "DIS", {"into": "FILED-BEFORE"}),)),
    "voided-late": Way({}, (*_SIGNED, _LATE, Step(Action.VOID, "CHI", _TOLD))),
    "closed": Way({}, _CLOSED),
    "closed-late": Way({}, _CLOSED_LATE),
    "closed-appealed": Way({}, _APPEALED),
    "closed-endorsed": Way({}, (*_APPEALED, Step(Action.DECIDE_APPEAL, "DIS", {"approved": True}))),
    "closed-audited": Way(_HOTLINE, _AUDITED),
    "closed-adjusted": Way(
        {},
        (
            *_CLOSED,
            Step(
                Action.PROPOSE_ADJUST,
                "assessor",
                {"period": "THIS-MONTH", "effect": "exempt", "note": "系统故障"},
            ),
        ),
    ),
}


class Try(NamedTuple):
    """An action, the case it is tried on, and what it is given."""

    action: Action
    case: str
    inputs: dict[str, Any] = {}


_HERE = [
    Try(Action.ACCEPT, "reported"),
    Try(Action.DECLINE, "reported", _TOLD),
    Try(Action.SEND_VERIFY, "reported", {"assignee": "INSPECTOR"}),
    Try(Action.ANSWER_VERIFY, "verifying", {"passed": "true"}),
    Try(Action.FILE, "accepted", {"condition": CONDITION["condition"]}),
    Try(Action.DECLINE_FILING, "accepted", _TOLD),
    Try(Action.DISPATCH, "filed", {"unit": "UNIT"}),
    Try(Action.TRANSFER, "filed", {"district": "DISTRICT-ELSEWHERE", "reason": "border"}),
    Try(Action.RECLASSIFY, "filed", {"condition": "event-0112-2"}),
    Try(Action.SIGN, "dispatched"),
    Try(Action.RETURN, "dispatched", _TOLD),
    Try(Action.REASSIGN, "returned", {"unit": "UNIT"}),
    Try(Action.DISPUTE, "returned"),
    Try(Action.ARBITRATE, "disputed", {"unit": "UNIT"}),
    Try(Action.FINISH, "handling", {"photos": "PHOTO"}),
    Try(Action.SEND_ASSIST, "dispatched", {"assist": "BRIGADE"}),
    Try(Action.ASSIST, "handling-assisted", {"note": "已配合"}),
    Try(Action.ASSIGN_HANDLER, "dispatched", {"handler": "WORKER"}),
    Try(Action.RELEASE_HANDLER, "dispatched-handler"),
    Try(Action.REDISPATCH, "dispatched", {"unit": "SQUAD"}),
    Try(Action.REQUEST_EXTENSION, "dispatched", {"reason": "weather"}),
    Try(Action.DECIDE_EXTENSION, "dispatched-asked", {"approved": "true"}),
    Try(Action.REQUEST_SUSPENSION, "handling", _HELD),
    Try(Action.DECIDE_SUSPENSION, "handling-asked", {"approved": "true"}),
    Try(Action.DEFER, "handling", _HELD),
    Try(Action.RESUME, "suspended"),
    Try(Action.SEND_CHECK, "handled", {"assignee": "INSPECTOR"}),
    Try(Action.ANSWER_CHECK, "checking", {"passed": "true"}),
    Try(Action.REWORK, "returned-check"),
    Try(Action.CLOSE, "checked"),
    Try(Action.REMIND, "dispatched"),
    Try(Action.SUPPORT, "dispatched", {"place": "PLACE"}),
    Try(Action.SUPERVISE, "dispatched", {"note": "请尽快", "reply_by": "TOMORROW"}),
    Try(Action.REPLY_SUPERVISION, "dispatched-supervised", {"note": "已安排"}),
    Try(Action.MERGE, "dispatched", {"into": "FILED-BEFORE"}),
    Try(Action.UNMERGE, "merged"),
    Try(Action.REOPEN, "closed", _TOLD),
    Try(Action.REVISIT, "closed", {"satisfaction": "5"}),
    Try(Action.APPEAL, "closed-late", {"note": "暴雨"}),
    Try(Action.DECIDE_APPEAL, "closed-appealed", {"approved": "true"}),
    Try(Action.AUDIT_CLOSURE, "closed"),
    Try(Action.AUDIT_DECLINE, "declined"),
    Try(Action.ANSWER_AUDIT, "closed-audited", {"passed": "true"}),
    Try(Action.CONFIRM_EXIT, "voided-late", {"note": "属实"}),
    Try(
        Action.PROPOSE_ADJUST,
        "closed",
        {"period": "THIS-MONTH", "effect": "exempt", "note": "系统故障"},
    ),
    Try(Action.ADJUST, "closed-adjusted", {"approved": "true"}),
    Try(Action.FORCE_CLOSE, "dispatched", _TOLD),
    Try(Action.VOID, "dispatched", _TOLD),
    Try(Action.RECOMPUTE_DEADLINE, "handling"),
]
# Every action where it is next, and some a second time where others have a say in the case.
ACTIONS: dict[str, Try] = {
    **{str(one.action): one for one in _HERE},
    "decide_extension-2": Try(Action.DECIDE_EXTENSION, "dispatched-endorsed", {"approved": "true"}),
    "decide_appeal-2": Try(Action.DECIDE_APPEAL, "closed-endorsed", {"approved": "true"}),
    "sign-sub": Try(Action.SIGN, "dispatched-squad"),
    "assign_handler-sub": Try(
        Action.ASSIGN_HANDLER, "dispatched-squad", {"handler": "SQUAD-WORKER"}
    ),
    "finish-assisted": Try(Action.FINISH, "handling-assisted", {"photos": "PHOTO"}),
    "assist-across": Try(Action.ASSIST, "handling-across", {"note": "已配合"}),
    "remind-moved": Try(Action.REMIND, "filed-moved"),
}

_FINGERPRINT = """
    SELECT (SELECT string_agg(scope || dseq || encode(hash, 'hex'), ' ' ORDER BY scope)
            FROM cases_districthead),
           (SELECT count(*) FROM cases_event),
           (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM cases_case c),
           (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM cases_task t),
           (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM cases_stageclock c),
           (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM cases_request r),
           (SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM cases_assist a),
           (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM cases_refusal r),
           (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM cases_supervision s),
           (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM cases_reply r),
           (SELECT count(*) FROM cases_attachment), (SELECT count(*) FROM cases_idempotencykey),
           (SELECT count(*) FROM cases_effect),
           (SELECT md5(string_agg(username || password || is_superuser || is_staff, ''
                                  ORDER BY id)) FROM accounts_user),
           (SELECT count(*) FROM accounts_grant), (SELECT count(*) FROM accounts_apitoken),
           (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM cases_savedsearch s),
           (SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM cases_export e),
           (SELECT count(*) FROM cases_listcolumns),
           (SELECT md5(string_agg(c::text, '' ORDER BY code)) FROM cases_component c),
           (SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM cases_notice n),
           (SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM cases_deskalarm a),
           (SELECT count(*) FROM cases_deskalarmchoice),
           (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM cases_responsibility r),
           (SELECT md5(string_agg(d::text, '' ORDER BY id)) FROM cases_routingdraft d),
           (SELECT md5(string_agg(s::text, '' ORDER BY version)) FROM scoring_scheme s),
           (SELECT count(*) FROM scoring_manualentry),
           (SELECT md5(string_agg(p::text, '' ORDER BY name)) FROM scoring_scoredperiod p),
           (SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM scoring_edition e),
           (SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM scoring_objection o),
           (SELECT count(*) FROM scoring_objectionmessage),
           (SELECT count(*) FROM scoring_objectionadjustment),
           (SELECT count(*) FROM scoring_onsitedraw),
           (SELECT count(*) FROM scoring_onsitereplacement),
           (SELECT count(*) FROM scoring_onsiteanswer),
           (SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM scoring_milestone m),
           (SELECT count(*) FROM scoring_keytaskchange),
           (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM scoring_survey s),
           (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM cases_draftrule r),
           (SELECT md5(string_agg(f::text, '' ORDER BY id)) FROM cases_feedback f),
           (SELECT count(*) FROM cases_support),
           (SELECT md5(string_agg(w::text, '' ORDER BY id)) FROM cases_wall w),
           (SELECT md5(string_agg(h::text, '' ORDER BY id)) FROM cases_handover h),
           (SELECT count(*) FROM cases_handoverpaper),
           (SELECT count(*) FROM django_admin_log)
"""


def fingerprint() -> tuple[Any, ...]:
    """Return what a refusal must leave alone: logs, cases, people, and the files of photos."""
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT)
        row: tuple[Any, ...] = cursor.fetchone()
    return (*row, len(photo_files()))


def photo_files() -> set[Path]:
    return set(Path(settings.MEDIA_ROOT).rglob("*.jpg"))


@contextmanager
def undone() -> Iterator[None]:
    """Let a request write, then take it back."""
    files = photo_files()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    for path in photo_files() - files:
        path.unlink()


# --- requests -----------------------------------------------------------------------------------

Send = Callable[[World, Client, str, str, str], Any]  # world, client, address, word, whose


def _upload() -> io.BytesIO:
    file = io.BytesIO(jpeg())
    file.name = "photo.jpg"
    return file


def _inputs(world: World, word: str, whose: str) -> dict[str, Any]:
    one = ACTIONS[word]
    return _filled(world, one, world.cases[one.case, whose], whose)


def _filled(world: World, one: Try, number: str, whose: str) -> dict[str, Any]:
    inputs = world.words(one.inputs, whose)
    if "photos" in inputs:
        inputs["photos"] = _upload()
    version = Case.objects.values_list("version", flat=True).get(number=number)
    return {"action": one.action.value, "seen_version": version, **inputs}


def act_on_page(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {**_inputs(world, word, whose), "key": str(uuid.uuid4())})


def act_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return post_action(client, address, _inputs(world, word, whose))


def post_action(client: RequestFactory, address: str, inputs: dict[str, Any]) -> Any:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    if "photos" in inputs:
        return client.post(address, inputs, headers=headers)
    return client.post(address, json.dumps(inputs), "application/json", headers=headers)


# Cells that need another case of the stage than its plain one: (stage, action, role or any).
_SPECIAL = {
    ("filed", "merge", ""): "filed-moved",
    ("filed", "void", ""): "filed-moved",  # nothing is merged into it
    ("declined", "answer_audit", ""): "declined-audited",
    ("dispatched", "decide_extension", "dispatcher"): "dispatched-endorsed",
    ("closed", "decide_appeal", "acceptor"): "closed-endorsed",
}
_BY_ROLE = {role: name.upper() for name, role in POSTS.items()}
_BY_ROLE |= {Role.INSPECTOR: "ins", Role.UNIT: "uni", Role.UNIT_HEAD: "hea"}


def try_cell(world: World, stage: Stage, action: Action, role: Role) -> int:
    """Return what the API answers to `role` taking `action` on a case at `stage`, mine.

    The view is asked without the session around it, which takes most of a request's time.
    """
    one = ACTIONS[str(action)]
    plain = next(name for name in WAYS if name.partition("-")[0] == stage and name != "awaiting")
    fits = one.case if one.case.partition("-")[0] == stage else plain
    name = _SPECIAL.get((stage, action, role), _SPECIAL.get((stage, action, ""), fits))
    number = world.cases[name, "mine"]
    inputs = _filled(world, one, number, "mine")
    request = post_action(RequestFactory(), f"/api/v1/cases/{number}/actions/", inputs)
    force_authenticate(request, world.fresh(_BY_ROLE[role]))
    return int(CaseActions.as_view()(request, number=number).status_code)


def sign_many(world: World) -> list[dict[str, Any]]:
    numbers = [world.cases["dispatched", whose] for whose in PLACES]
    found = Case.objects.filter(number__in=numbers).values_list("number", "version")
    return [{"number": number, "seen_version": version} for number, version in found]


def act_on_many(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    rows = [f"{row['number']}:{row['seen_version']}" for row in sign_many(world)]
    return client.post(address, {"action": "sign", "rows": rows, "key": str(uuid.uuid4())})


def act_on_many_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    body = json.dumps({"action": "sign", "rows": sign_many(world)})
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return client.post(address, body, "application/json", headers=headers)


def report_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    place = {**PLACES["mine"], "crs": "wgs84"}
    body = json.dumps({"location": place, **CONDITION})
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return client.post(address, body, "application/json", headers=headers)


def answer_on_phone(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    words = _inputs(world, "answer_check", whose)
    return client.post(address, {**words, "photo": _upload(), "key": str(uuid.uuid4())})


def form(**fields: Any) -> Send:
    """Return a sender of a form with these fields."""

    def send(world: World, client: Client, address: str, word: str, whose: str) -> Any:
        made = {name: value() if callable(value) else value for name, value in fields.items()}
        return client.post(address, made)

    return send


def scheme_form(**fields: Any) -> Send:
    """Return a sender of a form about the scheme as it was seen."""

    def send(world: World, client: Client, address: str, word: str, whose: str) -> Any:
        made = {name: value() if callable(value) else value for name, value in fields.items()}
        seen = {"digest": world.scheme.digest, "proposed_at": world.scheme.proposal}
        return client.post(address, {**seen, **made})

    return send


def submit_a_run(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {"run": world.periods.runs["closed"].pk})


def approve_a_run(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    run = world.periods.runs["submitted"]
    return client.post(address, {"edition": run.editions.get().pk, "seal": run.seal})


def return_a_run(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    edition = world.periods.runs["submitted"].editions.get().pk
    return client.post(address, {"edition": edition, "reason": "a"})


def _number_objected_to(world: World) -> dict[str, Any]:
    return {"run": world.periods.runs["objections"].pk, "body": "zhongfang", "count": "closed"}


def look_to_object(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, _number_objected_to(world))


def object_to(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {**_number_objected_to(world), "text": "a"})


def name_an_adjustment(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {"request": world.periods.adjustment})


def at_place(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, PLACES["mine"])


def class_at_place(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, {**PLACES["mine"], "category": CONDITION["category"]})


def class_in_cell(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, {"place": "431202001001001", "category": CONDITION["category"]})


def take_rule_back(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(f"{address}?rule=a", {"forget": "1"})


def publish_rules(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    edition = edition_of(world.draft, rules_at(timezone.now()))
    return client.post(address, {"reason": "a", "seen_edition": edition})


def reported_at_place(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, {**PLACES["mine"], "condition": CONDITION["condition"]})


def survey(*lines: str) -> bytes:
    return "\n".join(["编号,区县,评价,日期", *lines]).encode()


def send_survey(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    sent = survey(f"b-1,hecheng,5,{timezone.localdate()}")
    return client.post(address, {"file": io.BytesIO(sent), "name": "b"})


def report_on_task(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    (milestone,) = KeyTask.objects.get(pk=world.tasks[whose]).milestones.all()
    words = {"do": "report", "seen": 1, "milestone": milestone.pk, "progress": 5, "evidence": "a"}
    return client.post(address, words)


def give_reply(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    reply = Reply.objects.get(case__number=world.cases["declined", "mine"])
    return client.post(address, {"reply": reply.pk})


def import_components(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {"file": io.BytesIO(register(COMPONENT))})


def put_photo(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.put(address, jpeg(), "image/jpeg")


def leave_feedback_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return client.post(address, {"text": "a"}, "application/json", headers=headers)


# (method, route): how to send a request that is right in everything but, perhaps, who sends it.
# A route that is not here gets the method with an empty form.
REQUESTS: dict[tuple[str, str], Send] = {
    ("GET", "api/v1/locate/"): at_place,
    ("GET", "outline/near/"): at_place,
    ("GET", "api/v1/routing/explain/"): reported_at_place,
    ("POST", "m/tasks/<str:number>/"): answer_on_phone,
    ("POST", "sign-in/"): form(username="ins", password=PASSWORD),
    ("POST", "admin/login/"): form(username="roo", password=PASSWORD),
    ("POST", "password/"): form(
        old_password=PASSWORD, new_password1="Ganz-neu-4312", new_password2="Ganz-neu-4312"
    ),
    ("POST", "i18n/setlang/"): form(language="en"),
    ("POST", "m/report/"): form(
        condition=CONDITION["condition"],
        key=lambda: str(uuid.uuid4()),
        near=_upload,
        source="hotline",
        **PLACES["mine"],
    ),
    ("POST", "admin/cases/component/import/"): import_components,
    ("POST", "cases/<str:number>/actions/"): act_on_page,
    ("POST", "api/v1/cases/<str:number>/actions/"): act_by_api,
    ("POST", "api/v1/cases/"): report_by_api,
    ("POST", "api/v1/cases/bulk/"): act_on_many_by_api,
    ("POST", "cases/bulk/"): act_on_many,
    ("POST", "replies/"): give_reply,
    ("POST", "notices/"): form(upto=10**9),
    ("POST", "desk/handover/"): form(do="give"),
    ("POST", "desk/routing/drafts/"): form(title="b", reason="b"),
    ("POST", "desk/routing/drafts/<int:draft_id>/rule/"): take_rule_back,
    ("POST", "desk/routing/drafts/<int:draft_id>/publish/"): publish_rules,
    ("POST", "m/feedback/"): form(text="a", key=lambda: str(uuid.uuid4())),
    ("POST", "api/v1/feedback/"): leave_feedback_by_api,
    ("POST", "desk/alarms/choices/"): form(volume=50),
    ("POST", "score/schemes/<str:version>/copy/"): form(version="2099-v2", reason="a"),
    ("POST", "score/schemes/<str:version>/edit/"): scheme_form(few="12"),
    ("POST", "score/schemes/<str:version>/propose/"): scheme_form(
        since=lambda: months_after(timezone.now(), 2)[1].name, reason="a"
    ),
    ("POST", "score/schemes/<str:version>/withdraw/"): scheme_form(),
    ("POST", "score/schemes/<str:version>/approve/"): scheme_form(),
    ("POST", "score/schemes/<str:version>/drop/"): scheme_form(),
    ("POST", "score/schemes/<str:version>/entries/<str:period>/"): form(
        body="hecheng", code="H5", points="5", evidence="a", reason="a"
    ),
    ("POST", "score/<str:period>/close/"): form(days="5"),
    ("POST", "score/<str:period>/dates/"): form(
        closes_on=lambda: f"{timezone.localdate() + timedelta(days=5)}", days="5"
    ),
    ("POST", "score/<str:period>/submit/"): submit_a_run,
    ("POST", "score/<str:period>/approve/"): approve_a_run,
    ("POST", "score/<str:period>/return/"): return_a_run,
    ("GET", "score/<str:period>/object/"): look_to_object,
    ("POST", "score/<str:period>/object/"): object_to,
    ("POST", "score/<str:period>/objections/<int:pk>/say/"): form(text="a"),
    ("POST", "score/<str:period>/objections/<int:pk>/answer/"): form(verdict="upheld", answer="a"),
    ("POST", "score/<str:period>/objections/<int:pk>/adjust/"): name_an_adjustment,
    ("POST", "score/key-tasks/<str:period>/add/"): form(
        title="b",
        body="hecheng",
        unit="",
        about="",
        name1="b",
        due1=lambda: timezone.localdate().isoformat(),
        key=lambda: str(uuid.uuid4()),
    ),
    ("POST", "score/key-tasks/task/<int:pk>/"): report_on_task,
    ("POST", "score/meetings/"): form(period=lambda: month_of(timezone.now()).name),
    ("POST", "score/meetings/<str:period>/"): form(
        do="correct", seen=str(len(UNITS) + 2), text="b"
    ),
    ("POST", "score/meetings/items/<int:pk>/"): form(do="report", seen="1", note="b"),
    ("POST", "score/satisfaction/<str:period>/import/"): send_survey,
    ("POST", "score/satisfaction/survey/<int:pk>/withdraw/"): form(reason="a"),
    ("POST", "score/onsite/<str:period>/replace/"): form(assessor="as2", reason="b"),
    ("POST", "score/<str:period>/bulletin/template/"): form(
        template=lambda: io.BytesIO(SHIPPED_TEMPLATE.read_bytes())
    ),
    ("POST", "desk/effects/"): form(ruling="redrive", rows="1:1"),
    ("POST", "cases/columns/"): form(columns="stage"),
    ("POST", "cases/export/"): form(query="stage=checking", export_key=str(uuid.uuid4())),
    ("POST", "cases/searches/"): form(name="b", query="q=b"),
    ("POST", "cases/searches/<int:pk>/"): form(name="b"),
    ("PUT", "api/v1/cases/<str:number>/photos/<str:sha256>/"): put_photo,
    ("PUT", "api/v1/photos/<str:sha256>/"): put_photo,
    ("GET", "api/v1/cases/near/"): class_at_place,
    ("GET", "desk/hotspots/cases/"): class_in_cell,
}

# The stage of the case a route is tried on, where it is not a case being checked.
STAGES = {"api/v1/cases/<str:number>/photos/<str:sha256>/": "awaiting"}


def _version(world: World, route: str) -> str:
    if "entries" in route:
        return "example-jinhua"  # has items entered by hand
    return world.scheme.version if "schemes" in route else str(current_version())


# How far the month has come that a route is tried on, where it is not this month.
_STANDS = {
    "close": "over",
    "dates": "over",
    "submit": "closed",
    "approve": "submitted",
    "return": "submitted",
    "changes": "published",
    "editions": "published",
    "object": "objections",
    "objections": "objections",
    "standing": "objections",
}


def _period(world: World, route: str) -> str:
    words = route.split("/")
    if words[:2] == ["score", "<str:period>"] and words[2] in _STANDS:
        return world.periods.months[_STANDS[words[2]]].name
    if "pool" in route or "meetings" in route or "replace" in route:
        return LAST_MONTH.name
    return f"{timezone.localdate():%Y-%m}"


def address_of(world: World, route: str, word: str, whose: str) -> str:
    """Fill the blanks of a route; raises KeyError for one nobody has said how to fill."""
    stage = ACTIONS[word].case if word else STAGES.get(route, "checking")
    whose = whose or "mine"
    keys = {
        "meetings/items": world.items[whose],
        "alarms": world.alarms[whose],
        "notices": world.notices[whose],
        "handover": world.handovers[whose],
        "searches": world.searches[whose].pk,
        "downloads": world.exports[whose].pk,
        "feedback": world.feedback,
        "objections": world.periods.objections[whose],
        "onsite": world.points[whose],
        "key-tasks": world.tasks[whose],
        "survey": world.surveys[whose],
    }
    blanks = {
        "code": world.component,
        "number": world.cases[stage, whose],
        "pk": str(next((pk for word, pk in keys.items() if word in route), world.photos[whose])),
        "sha256": SHA256,
        "edition": "1",
        "draft_id": str(world.draft.pk),
        "token": world.wall,
        "period": _period(world, route),
        "body": DISTRICTS[whose],
        "count": "filed",
        "app_label": "cases",
        "url": "no-such-page",
        "version": _version(world, route),
        "content_type_id": "1",
        "object_id": "1",
    }
    return "/" + BLANK.sub(lambda found: blanks[found["name"]], route)


def send(world: World, actor: str, method: str, route: str, word: str, whose: str) -> Any:
    """Send the request of a cell as `actor`."""
    client, address = world.client(actor), address_of(world, route, word, whose)
    sender = REQUESTS.get((method, route))
    if sender is not None:
        return sender(world, client, address, word, whose)
    return getattr(client, method.lower())(address)
