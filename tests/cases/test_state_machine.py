"""Random lives of cases through the API, step by step against a model of its own (faults.md Z01).

Accepted exactly where the model says, with the stage, clocks, waits and replies it says; after
each step the logs are gap-free and chained, and each case is the fold of its events (I1 to I4).
CITYOPS_LIVES=200 makes it the full size, CITYOPS_FIRST_LIFE=n begins with the seed n; the name of
a test that fails says its seed.
"""

import hashlib
import json
import os
import uuid
from collections import Counter
from datetime import datetime, time, timedelta
from itertools import chain
from operator import itemgetter
from random import Random
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.db.models import Count
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from cases.ledger import state_of
from cases.models import Case, CityOptions, DistrictHead, Effect, Event, Reply, StageClock
from cases.services.city import load_city
from cases.services.deadlines import scan_deadlines
from cases.services.effects import run_effect
from cases.services.ledger_check import verify_ledger
from tests.cases.life_model import Life, Person
from tests.cases.test_workflow import ALLOWED, TELLS_REPORTER
from tests.support.access import fingerprint
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

LIVES = int(os.environ.get("CITYOPS_LIVES", "60"))
FIRST = int(os.environ.get("CITYOPS_FIRST_LIFE", "1"))
STEPS = 40
NEAR = timedelta(seconds=2)  # remaining time is kept in whole seconds
INSPECTORS = ("i1", "i2", "i3", "i4")
PLACE = {"lon": 110.015, "lat": 27.515}
PEOPLE = (
    Person("acc", "acceptor"),
    Person("chi", "duty_chief"),
    Person("dis", "dispatcher"),
    Person("ope", "operator"),
    Person("sup", "supervisor"),
    Person("lea", "leader"),
    Person("adm", "admin"),
    Person("as1", "assessor"),
    Person("as2", "assessor"),
    Person("near", "dispatcher", "hecheng"),
    Person("far", "dispatcher", "landport"),
    Person("worker-office", "unit", "office"),
    Person("worker-brigade", "unit", "brigade"),
    Person("worker-squad", "unit", "squad"),
    Person("worker-zone-office", "unit", "zone-office"),
    Person("head-office", "unit_head", "office"),
    Person("head-zone-office", "unit_head", "zone-office"),
    *(Person(name, "inspector") for name in INSPECTORS),
)


# --- a clock that can be put ahead, for the program and the database alike ----------------------


class Ahead:
    """How far the tests' time is ahead; every clock of the program shows it."""

    _CLOCKS = """
        CREATE SCHEMA ahead;
        CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
          $$ SELECT pg_catalog.clock_timestamp() + current_setting('tests.ahead')::interval $$;
        CREATE FUNCTION ahead.statement_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS
          $$ SELECT ahead.clock_timestamp() $$;
        CREATE FUNCTION ahead.now() RETURNS timestamptz VOLATILE LANGUAGE sql AS
          $$ SELECT ahead.clock_timestamp() $$;
        SET LOCAL search_path = ahead, pg_catalog, public;
    """

    def __init__(self, patch):
        real = timezone.now
        self.by = timedelta()
        self._sql(self._CLOCKS)
        self.put(timedelta())
        patch.setattr(timezone, "now", lambda: real() + self.by)

    def put(self, by):
        self.by = by
        self._sql(f"SET LOCAL tests.ahead = '{by.total_seconds()} s'")

    def _sql(self, text):
        with connection.cursor() as cursor:
            cursor.execute(text)


@pytest.fixture(scope="module")
def city(django_db_setup, django_db_blocker, tmp_path_factory):
    """A small city, its people signed in, and the clock."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        patch.setattr("django.conf.settings.MEDIA_ROOT", str(tmp_path_factory.mktemp("media")))
        patch.setattr("django.conf.settings.SESSION_COOKIE_AGE", 10**9)
        open_logs()
        load_city(_folder(tmp_path_factory.mktemp("city")), since=None, progress=lambda line: None)
        CityOptions.objects.update(auto_check=False)
        clients = {}
        for one in PEOPLE:
            grids = ("431202",) if one.role == "inspector" else ()
            clients[one.name] = Client()
            clients[one.name].force_login(person(one.name, one.role, one.scope, grids=grids))
        yield SimpleNamespace(clients=clients, ahead=Ahead(patch))
        transaction.set_rollback(True)


def _folder(folder):
    """Two conditions with emergency limits, which the model reckons by the wall clock."""
    city = SmallCity(folder)
    first = city.categories[0] | {"limit_unit": "emergency_hour", "limit_value": "8"}
    first["after_photo"] = "no"
    second = {"condition_no": "2", "limit_value": "24", "text_zh": "污水", "text_en": "Sewage"}
    city.categories = [first, first | second]
    squad = next(unit for unit in city.units if unit["code"] == "brigade")
    city.units.append(squad | {"code": "squad", "parent": "office"})
    return city.write()


# --- the machine --------------------------------------------------------------------------------

_REASONS = {
    **dict.fromkeys(["decline", "decline_filing", "return", "void", "force_close"], "other"),
    "transfer": "border",
    "request_extension": "weather",
    "request_suspension": "season",
    "defer": "budget",
    "reopen": "came_back",
}
_NOTED = {"supervise", "reply_supervision", "appeal", "confirm_exit", "propose_adjust"}
_ENDING = {"decline", "decline_filing", "void", "force_close", "merge"}
_SELDOM = {"decide_extension", "decide_suspension", "decide_appeal", "appeal", "unmerge"}
_SELDOM |= {"audit_closure", "audit_decline", "answer_audit", "release_handler", "assist"}
_CHOICES = {
    "condition": ["event-0112-1", "event-0112-2"],
    "unit": ["office", "brigade", "zone-office"],
    "district": ["hecheng", "landport"],
    "assist": ["office", "brigade"],
    "handler": ["worker-office", "worker-brigade", "worker-squad"],
    "approved": [True, True, False],
    "passed": [True, False],
    "satisfaction": ["1", "5"],
    "period": ["2026-11"],
    "effect": ["exempt", "leave_out", "put_in"],
}
_SYSTEM = Person("", "system")
_UNIT_STAGES = {"dispatched", "handling", "rework"}
_ASSIGNED = {"send_verify", "send_check", "audit_closure", "audit_decline"}


class Lives(RuleBasedStateMachine):
    """Up to three cases, led by random people."""

    def __init__(self, city, seed):
        super().__init__()
        self.city, self.chance = city, Random(seed)  # noqa: S311 - a random walk
        note(f"the life of seed {seed}:")
        self.lives: list[Life] = []
        self.filed = 0
        self.block = transaction.atomic()
        self.block.__enter__()
        self.ahead = city.ahead
        self.ahead.put(timedelta())
        self.heads = {head.scope: (head.dseq, bytes(head.hash)) for head in _heads()}
        newest = Event.objects.order_by("pk").last()
        self.replies: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.last_event, self.folded = (newest.pk if newest else 0), {}
        self.print = fingerprint()

    def teardown(self):
        try:
            assert verify_ledger() == []
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    # --- what is done

    @initialize()
    def begin(self):
        self._report()

    @rule()
    def go_on(self):
        """Mostly what somebody may do, else hardly a case would come far.

        Chosen from the life's own seed: what hypothesis draws for one life after another repeats
        itself, and of forty lives eleven were different.
        """
        ways = {
            self._do_what_somebody_may: 25,
            self._try_what_is_refused: 5,
            self._try_anything: 3,
            self._wait: 3,
            self._look_at_deadlines: 2,
            self._dispatch_by_rules: 3,
            self._report: 2 if len(self.lives) < 3 else 0,
        }
        (way,) = self.chance.choices(list(ways), list(ways.values()))
        way()

    def _report(self):
        source = self.chance.choice(["inspector", "hotline", "citizen", "media", "leader"])
        is_own, is_order = source == "inspector", source == "leader"
        has_condition = is_order or self.chance.random() < 0.7
        reporter = self.chance.choice(INSPECTORS) if is_own else "ope"
        body = {"location": PLACE, "category": "event-0112", "source": source}
        if has_condition:
            body["condition"] = "event-0112-1"
        if source == "hotline":
            body |= {"order_number": uuid.uuid4().hex, "order_kind": "consultation"}
        answer = self._post(reporter, "/api/v1/cases/", body, uuid.uuid4())
        assert answer.status_code == 201, answer.content
        at = _at(answer)
        life = Life(answer.json()["number"], source, reporter, involved={reporter})
        life.clocks["accept"] = at + timedelta(minutes=15)
        if source == "hotline":  # in work days, which are reckoned elsewhere
            life.clocks["hotline"], life.unsure = at, {"hotline"}
        self.lives.append(life)
        if is_own or is_order:  # goes on by itself
            life.take(_SYSTEM, "accept", at, {})
            if has_condition:
                life.take(_SYSTEM, "file", at, self._filing("event-0112-1"))
        self._compare()

    def _filing(self, condition):
        self.filed += 1
        return {"condition": condition, "filed_no": self.filed}

    def _do_what_somebody_may(self):
        """Go onward by what was done least; what seldom may be done goes first."""
        life, now = self.chance.choice([self.lives[0], *self.lives]), timezone.now()
        found = []
        for action in ALLOWED:
            said, inputs = self._inputs(life, action)
            able = [one for one in PEOPLE if life.allows(one, action, now, said)]
            ends = action in _ENDING and life is self.lives[0]  # the others end when they may
            rank = 2 * self.taken[action] + 3 * self.chance.random()
            rank += (ALLOWED[action][1] == "same") + 4 * ends - 3 * (action in _SELDOM)
            found += [(rank, self.chance.choice(able), action, said, inputs)] if able else []
        if found:
            self._act(life, *min(found, key=itemgetter(0))[1:])

    def _try_what_is_refused(self):
        """Let whose turn it might be try what only a guard stands against."""
        life, now = self.chance.choice(self.lives), timezone.now()
        found = []
        for action in ALLOWED:
            said, inputs = self._inputs(life, action)
            sources, _, roles, _ = (text.split() for text in ALLOWED[action])
            found += [
                (one, action, said, inputs)
                for one in PEOPLE
                if life.stage in sources and one.role in roles and life.holds(one, action)
                if not life.allows(one, action, now, said)
            ]
        if found:
            self._act(life, *self.chance.choice(found))

    def _try_anything(self):
        life, action = self.chance.choice(self.lives), self.chance.choice(list(ALLOWED))
        self._act(life, self.chance.choice(PEOPLE), action, *self._inputs(life, action))

    def _wait(self):
        hours = self.chance.choice([0.5, 1, 3, 6, 26, 15 * 24])
        self.ahead.put(self.ahead.by + timedelta(hours=hours))
        if self.chance.random() < 0.5:
            self._look_at_deadlines()

    def _look_at_deadlines(self):
        now = timezone.now()
        scan_deadlines()
        for life in self.lives:
            life.pass_deadlines(now)
        self._compare()
        scan_deadlines()  # a second look finds nothing
        self._compare_nothing_changed()

    def _dispatch_by_rules(self):
        for effect in Effect.objects.filter(kind="dispatch", done_at=None).order_by("pk"):
            outcome = run_effect(effect.pk)
            assert outcome in ("dispatched", "superseded")
            assert run_effect(effect.pk) == "held elsewhere"  # done, so nothing is done twice
        for life in self.lives:
            life.route(timezone.now())
        self._compare()

    def _group(self, life):
        """A case and what is merged into it: whoever reported it is told."""
        merged = [self._group(other) for other in self.lives if other.into is life]
        return [life, *chain.from_iterable(merged)]

    # --- how it is done

    def _inputs(self, life, action):
        """Return what the model and what the program is told."""
        said, inputs = {}, {}
        if action in _REASONS:
            inputs["reason"] = _REASONS[action]
        if action in _NOTED:
            inputs["note"] = "已核实"
        for name in ALLOWED[action][3].split():
            if name in _CHOICES:
                said[name] = inputs[name] = self.chance.choice(_CHOICES[name])
        if action in _ASSIGNED:
            said["assignee"] = inputs["assignee"] = self.chance.choice(INSPECTORS)
        if action in ("reassign", "arbitrate") and self.chance.random() < 0.5:
            ruling = self.chance.choice(["justified", "unjustified"])
            said["ruling"] = inputs["ruling"] = ruling
        if action == "support":
            inputs["place"] = "{lon},{lat}".format(**PLACE)
        if action == "file":
            said["filed_no"] = self.filed + 1
        if action == "redispatch":
            said["unit"] = inputs["unit"] = "squad"
        if action == "merge":
            said["into"] = self.chance.choice(self.lives)
            inputs["into"] = said["into"].number
        if action == "void":
            said["has_duplicates"] = any(other.into is life for other in self.lives)
        if action in ("request_suspension", "defer"):
            day = timezone.localdate() + timedelta(days=self.chance.randrange(4))
            inputs["until"] = f"{day}"
            midnight = datetime.combine(day + timedelta(days=1), time())
            said["ends"] = timezone.make_aware(midnight)
        if action == "supervise":
            by = timezone.localtime() + timedelta(hours=self.chance.randrange(1, 48))
            said["replies"] = by.replace(second=0, microsecond=0)
            inputs["reply_by"] = f"{by:%Y-%m-%dT%H:%M}"
        return said, inputs

    def _act(self, life, who, action, said, inputs):
        now = timezone.now()
        is_allowed = life.allows(who, action, now, said)
        version = Case.objects.values_list("version", flat=True).get(number=life.number)
        is_stale = self.chance.random() < 0.05 and action != "support"
        seen = version + 1 if is_stale else version
        body = {"action": action, "seen_version": seen, **inputs}
        address, key = f"/api/v1/cases/{life.number}/actions/", uuid.uuid4()

        answer = self._post(who.name, address, body, key)

        told = f"{who.name} {action} {inputs} at {life.stage}: {answer.status_code}"
        note(f"{timezone.now():%d %H:%M} {life.number} {told}")
        if not is_allowed or is_stale:
            assert answer.status_code in (403, 404, 409, 422), told
            self._compare_nothing_changed()
            return
        assert answer.status_code == 200, f"{told} {answer.content.decode()}"
        if action == "file":
            self.filed += 1
        self.taken[action] += 1
        life.take(who, action, _at(answer) if action != "support" else now, said)
        if action in TELLS_REPORTER:
            self.replies += Counter(n.number for n in self._group(life) if n.source != "inspector")
        self._compare()
        again = self._post(who.name, address, body, key)
        assert (again.status_code, again.json()) == (200, answer.json())
        self._compare_nothing_changed()

    def _post(self, name, address, body, key):
        headers = {"Idempotency-Key": str(key)}
        client = self.city.clients[name]
        return client.post(address, json.dumps(body), "application/json", headers=headers)

    # --- what must be so then

    def _compare_nothing_changed(self):
        assert fingerprint() == self.print

    def _compare(self):
        """Everything the model says, and what holds for all logs."""
        cases = {case.number: case for case in Case.objects.all()}
        assert cases.keys() == {life.number for life in self.lives}  # I1
        running = {number: {} for number in cases}
        open_clocks = StageClock.objects.filter(ended_at=None)
        for number, kind, due_at in open_clocks.values_list("case__number", "kind", "due_at"):
            running[number][kind] = due_at
        replies = dict(Reply.objects.values_list("case__number").annotate(Count("pk")))
        for life in self.lives:
            self._compare_one(life, cases[life.number], running[life.number])
        assert replies == +self.replies
        self._follow_the_logs({case.pk: case for case in cases.values()})
        effects = Effect.objects.aggregate(rows=Count("pk"), keys=Count("key", distinct=True))
        assert effects["rows"] == effects["keys"]  # I2
        self.print = fingerprint()

    def _compare_one(self, life, case, running):
        told = f"{life}\n{running}"
        assert case.stage == life.stage, told
        assert set(running) == set(life.clocks), told
        assert set(case.waiting_for) == life.waits, told
        found = (case.unit_id or "", case.district, case.was_late, case.handler_id is not None)
        assert found == (life.unit, life.district, life.was_late, life.has_handler), told
        assert case.due_at == running.get("handle") or case.stage not in _UNIT_STAGES, told
        for kind, due_at in running.items():
            if kind not in life.unsure:
                assert abs(due_at - life.clocks[kind]) < NEAR, f"{kind} {told}"
        life.clocks, life.unsure = running, set()

    def _follow_the_logs(self, cases):
        """I3 and I4, of what was written since the last look."""
        events = Event.objects.filter(pk__gt=self.last_event).order_by("scope", "dseq")
        for event in events:
            dseq, prev = self.heads[event.scope]
            assert (event.dseq, bytes(event.prev_hash)) == (dseq + 1, prev)
            body = hashlib.sha256(bytes(event.salt) + event.private.encode()).digest()
            digest = hashlib.sha256(prev + event.header.encode() + body).digest()
            assert bytes(event.hash) == digest
            self.heads[event.scope] = (event.dseq, digest)
            self.last_event = max(self.last_event, event.pk)
        for event in sorted(events, key=lambda event: event.case_seq):
            seq, state = self.folded.setdefault(event.case_id, (0, {}))
            assert event.case_seq == seq + 1
            state |= event.data["set"] | json.loads(event.private)["set"]
            self.folded[event.case_id] = (event.case_seq, state)
        assert self.heads == {head.scope: (head.dseq, bytes(head.hash)) for head in _heads()}
        for pk, case in cases.items():
            assert _told(state_of(case)) == _told(self.folded[pk][1])


def _heads():
    return list(DistrictHead.objects.all())


def _at(answer):
    return datetime.fromisoformat(answer.json()["events"][0]["at"])


def _told(state):
    return {name: value for name, value in state.items() if value not in (None, "", [], {}, False)}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(FIRST, FIRST + LIVES))
def test_a_random_life_goes_as_the_model_says(city, seed):
    run_state_machine_as_test(
        lambda: Lives(city, seed),
        settings=settings(
            max_examples=1,
            stateful_step_count=STEPS,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=STEPS,
    )
