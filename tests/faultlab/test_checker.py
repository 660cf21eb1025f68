"""The checker finds nothing in an honest run, and names each thing that is broken in it."""

import hashlib
import json
import shutil
import time
import uuid
from copy import copy
from types import SimpleNamespace

import pytest
from django.db import connection

from cases.choices import Action, Role
from cases.models import Case, Condition
from cases.services.intake import Report, report_case
from cases.services.moves import take_action
from tests.faultlab.checker import check
from tests.support.people import person
from tests.support.spine import PLACE, run_dispatch, unit_person

pytestmark = pytest.mark.django_db


class Run:
    """A small run through the services, with the histories its clients would have written."""

    def __init__(self, folder, people):
        self.folder, self.people = folder, people
        self.listeners = {
            "city": people.dispatcher,
            "own": person("d-h", Role.DISPATCHER, "hecheng"),
            "elsewhere": person("d-z", Role.DISPATCHER, "zhongfang"),
        }
        for name in self.listeners:
            self.hear(name, kind="start", heads=dict.fromkeys(heads(), 0))

    def write(self, name, record):
        with (self.folder / f"{name}-1.jsonl").open("a") as file:
            file.write(json.dumps({"at": time.time(), **record}) + "\n")

    def rewrite(self, name, change):
        """Let `change` turn the records of a file into others."""
        path = self.folder / f"{name}-1.jsonl"
        records = change([json.loads(line) for line in path.read_text().splitlines()])
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))

    def invoke(self, op, actor, **words):
        record = {"call": uuid.uuid4().hex, "op": op, "actor": actor.username, "action": ""}
        record |= {"key": str(uuid.uuid4()), "number": "", "seen": None, **words}
        self.write("history", record | {"type": "invoke"})
        return record

    def end(self, record, kind, **words):
        self.write("history", record | words | {"type": kind})

    def ok(self, record, answer):
        digest = hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()
        words = {"number": answer["number"], "version": answer["version"], "answer": digest}
        self.end(record, "ok", **words)

    def report(self, condition):
        record = self.invoke("create", self.people.inspector)
        report = Report(**PLACE, category=condition.minor_id, condition=condition.code)
        key = uuid.UUID(record["key"])
        answer = report_case(report=report, actor=self.people.inspector, key=key)
        self.ok(record, answer)
        return answer["number"]

    def act(self, number, action, actor):
        seen = Case.objects.get(number=number).version
        record = self.invoke("act", actor, number=number, action=action, seen=seen)
        key = uuid.UUID(record["key"])
        answer = take_action(number=number, action=action, actor=actor, seen_version=seen, key=key)
        self.ok(record, answer)
        return record

    def hear(self, client, **frame):
        frame |= {"client": client, "user": self.listeners[client].username}
        self.write("sockets", frame)

    def hear_events(self, after=0):
        """Let everybody hear the log from an event on as their socket would have told it."""
        for scope, dseq, number, action in rows(
            "SELECT e.scope, e.dseq, c.number, e.action FROM cases_event e"
            " JOIN cases_case c ON c.id = e.case_id WHERE dseq > %s ORDER BY e.scope, e.dseq",
            after,
        ):
            self.hear("elsewhere", kind="upto", scope=scope, dseq=dseq)
            for name in ("city", "own"):
                words = {"scope": scope, "dseq": dseq, "case": number, "action": action}
                self.hear(name, kind="notice", **words)

    def judge(self):
        found = check(connection.connection, self.folder)
        return sorted({(violation.invariant, violation.where) for violation in found})


@pytest.fixture(scope="module")
def done(huaihua, django_db_blocker, tmp_path_factory):
    """Run two cases: one is signed for, one lies at its unit; three screens have heard of it."""
    with django_db_blocker.unblock():
        return _two_cases(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(done, tmp_path):
    """Give the finished run with files of its own to a test that breaks it."""
    shutil.copytree(done.folder, tmp_path, dirs_exist_ok=True)
    mine = copy(done)
    mine.folder = tmp_path
    return mine


def _two_cases(folder):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    dispatcher = person("d1", Role.DISPATCHER)
    made = Run(folder, SimpleNamespace(inspector=inspector, dispatcher=dispatcher))
    condition = some_condition()
    made.case, made.other = (made.report(condition) for _ in range(2))
    run_dispatch(made.case)
    run_dispatch(made.other)
    made.unit = unit_person(made.case)
    made.signed = made.act(made.case, Action.SIGN, made.unit)
    made.hear_events()
    return made


def some_condition():
    return Condition.objects.filter(minor__kind="event", limit_unit="work_hour").earliest("code")


def heads():
    return dict(rows("SELECT scope, dseq FROM cases_districthead"))


def rows(text, *values):
    """Read or break the database past every service, as no program of the product may."""
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else []


def test_an_honest_run_has_no_violation(run):
    assert heads()["hecheng"] == 9  # reported, accepted, filed, dispatched, twice; signed for
    assert run.judge() == []


# --- cases and what follows them ------------------------------------------------------------------


def test_a_case_that_waits_for_its_dispatch_is_found(run, condition):
    number = run.report(condition)
    run.hear_events(after=9)

    assert run.judge() == [("I1", number)]


def test_a_case_no_history_tells_of_is_found(run):
    ((key,),) = rows("SELECT client_uuid::text FROM cases_case WHERE number = %s", run.other)
    run.rewrite("history", lambda records: [r for r in records if r["key"] != key])

    assert run.judge() == [("I1", key), ("I5", run.other)]


@pytest.mark.parametrize(
    ("breaking", "found"),
    [
        ("UPDATE cases_case SET scope = 'landport' WHERE number = %s", "hecheng"),
        ("UPDATE cases_effect SET outcome = 'superseded' WHERE kind = 'dispatch'", "case"),
        ("DELETE FROM cases_effect WHERE kind = 'dispatch'", "hecheng/3"),
        (
            "INSERT INTO cases_effect (key, kind, queue, case_id, case_seq, payload, urgency, runs,"
            " max_runs, outcome, scope, state, last_error, done_at)"
            " SELECT key || '!', kind, queue, case_id, case_seq, payload, 1, 1, 5, 'superseded',"
            " scope, 'done', '', now() FROM cases_effect WHERE kind = 'dispatch'",
            "hecheng/3",
        ),
    ],
)
def test_what_follows_a_case_is_counted(run, breaking, found):
    rows(breaking, *([run.case] if "%s" in breaking else []))

    assert any(
        invariant in ("I1", "I2") and where.startswith(found) for invariant, where in run.judge()
    )


def test_a_message_sent_twice_is_found(run):
    for _ in range(2):
        run.write("stub", {"key": "notify:hecheng:4:webhook"})

    assert run.judge() == [("I2", "notify:hecheng:4:webhook")]


# --- the ledger -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "breaking",
    [
        "UPDATE cases_event SET header = replace(header, '\"file\"', '\"void\"') WHERE dseq = 3",
        "UPDATE cases_event SET prev_hash = hash WHERE dseq = 3",
        "UPDATE cases_event SET hash = prev_hash WHERE dseq = 3",
        "UPDATE cases_event SET private = '{}' WHERE dseq = 3",
        "UPDATE cases_event SET at = at - interval '1 day' WHERE dseq = 3",
        "DELETE FROM cases_event WHERE dseq = 3",
        "UPDATE cases_event SET dseq = 99 WHERE dseq = 3",
    ],
)
def test_a_changed_log_is_found_by_python_and_by_sql(run, breaking):
    rows(breaking)
    found = check(connection.connection, run.folder)

    by_eye = [v.what.startswith("SQL: ") for v in found if v.invariant == "I3" and "/" in v.where]
    assert set(by_eye) == {True, False}


def test_a_column_that_differs_from_its_header_is_found(run):
    rows("UPDATE cases_event SET at = at + interval '1 us' WHERE action = 'sign'")

    assert run.judge() == [("I3", "hecheng/9")]


def test_a_head_that_stands_elsewhere_is_found(run):
    rows("UPDATE cases_districthead SET dseq = 8 WHERE scope = 'hecheng'")

    assert run.judge() == [("I3", "hecheng/9"), ("I6", "city"), ("I6", "elsewhere"), ("I6", "own")]


@pytest.mark.parametrize(
    "change",
    [
        "description = 'else'",
        "case_seq = 9",
        "due_at = due_at + interval '1 s'",
        "point = ST_SetSRID(ST_MakePoint(109.9765001, 27.5505), 4326)",
        "supervised = '{leader}'",
        'held = \'{"handle": {"left_s": 1}}\'',
    ],
)
def test_a_state_that_is_not_the_fold_of_its_events_is_found(run, change):
    rows(f"UPDATE cases_case SET {change} WHERE number = %s", run.case)  # noqa: S608

    assert run.judge() == [("I4", run.case)]


# --- operations -----------------------------------------------------------------------------------


def test_an_action_that_was_answered_and_is_lost_is_found(run):
    rows("DELETE FROM cases_idempotencykey WHERE key = %s", run.signed["key"])

    assert run.judge() == sorted([("I5", run.case), ("I5", run.signed["key"])])


def test_a_refusal_that_took_place_is_found(run):
    def refuse(records):
        return [r | {"type": "fail"} if r["type"] == "ok" else r for r in records]

    run.rewrite("history", refuse)

    assert ("I5", run.signed["key"]) in run.judge()


def test_a_call_without_an_answer_may_have_taken_place_or_not(run):
    def forget(records):
        return [r for r in records if r["type"] == "invoke"]

    run.rewrite("history", forget)
    run.invoke("act", run.unit, number=run.case, action="finish", seen=5)
    run.invoke("create", run.people.inspector)

    assert run.judge() == []


def test_an_action_nobody_asked_for_is_found(run):
    take_action(
        number=run.other,
        action=Action.SIGN,
        actor=run.unit,
        seen_version=Case.objects.get(number=run.other).version,
    )
    run.hear_events(after=9)

    assert run.judge() == [("I5", run.other)]


def test_a_photo_that_was_answered_and_is_lost_is_found(run):
    words = {"number": run.case, "action": "store_photo", "key": "0" * 64}
    record = run.invoke("photo", run.people.inspector, **words)
    run.ok(record, {"number": run.case, "version": None})

    assert run.judge() == [("I5", "0" * 64)]


def test_two_answers_to_one_request_are_found(run):
    run.end(run.signed, "ok", number=run.case, version=5, answer="another")

    assert ("I5", run.signed["key"]) in run.judge()


def test_two_actions_on_one_version_are_found(run):
    again = run.invoke("act", run.unit, number=run.case, action="sign", seen=run.signed["seen"])
    run.ok(again, {"number": run.case, "version": run.signed["seen"] + 1})

    assert ("I5", run.case) in run.judge()


def test_a_version_that_goes_back_is_found(run):
    rows("UPDATE cases_case SET version = 1 WHERE number = %s", run.case)

    assert run.judge() == [("I4", run.case), ("I5", run.case)]


# --- screens --------------------------------------------------------------------------------------


def hears_not(client, dseq):
    return lambda records: [r for r in records if (r["client"], r.get("dseq")) != (client, dseq)]


@pytest.mark.parametrize("dseq", [1, 5, 9])
def test_a_notice_that_did_not_come_is_found(run, dseq):
    run.rewrite("sockets", hears_not("own", dseq))

    assert run.judge() == [("I6", "own")]


def test_a_notice_heard_twice_is_found(run):
    run.hear("own", kind="notice", scope="hecheng", dseq=9, case=run.case, action="sign")

    assert run.judge() == [("I6", "own")]


def test_a_notice_of_another_districts_case_is_found(run):
    def leak(records):
        for record in records:
            if record["client"] == "elsewhere" and record.get("dseq") == 4:
                record |= {"kind": "notice", "case": run.case, "action": "report"}
        return records

    run.rewrite("sockets", leak)

    assert run.judge() == [("I6", "elsewhere")]


def test_a_notice_kept_back_by_an_upto_is_found(run):
    def keep_back(records):
        for record in records:
            if record["client"] == "own" and record.get("dseq") == 4:
                record["kind"] = "upto"
        return records

    run.rewrite("sockets", keep_back)

    assert run.judge() == [("I6", "own")]


def test_who_left_need_not_hear_the_rest(run, condition):
    run.hear("own", kind="left")
    number = run.report(condition)
    run_dispatch(number)

    assert run.judge() == [("I6", "city"), ("I6", "elsewhere")]


# --- nothing stuck --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("dispatch.city", "next_at = now() - interval '61 s'"),
        ("dispatch.city", "created_at = now() - interval '61 s'"),
    ],
)
def test_an_effect_that_waits_for_ever_is_found(run, queue, words):
    rows(
        "INSERT INTO cases_effect (key, kind, queue, payload, urgency, runs, max_runs, outcome,"
        " scope, state, last_error)"
        " VALUES ('x', 'scan_deadlines', %s, '{}', 1, 0, 3, '', '', 'due', '')",
        queue,
    )
    rows(f"UPDATE cases_effect SET {words} WHERE key = 'x'")  # noqa: S608

    assert run.judge() == [("I9", "effect x")]


def test_a_queue_without_canaries_is_found(run):
    rows(
        "INSERT INTO cases_effect (key, kind, queue, payload, urgency, runs, max_runs, outcome,"
        " scope, state, last_error, done_at) VALUES ('x', 'canary', 'media', '{}', 1, 1, 3,"
        " 'alive', '', 'done', '', now() - interval '31 s')"
    )

    assert run.judge() == [("I9", "queue media")]
