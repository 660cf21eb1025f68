"""The verifier: a third, naive count over the exported log, and chains nobody can bend."""

import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
from dataclasses import astuple
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from cases.choices import SCOPES, Action, Role
from cases.ledger import canonical, stamp
from cases.models import Case, DistrictHead, Request
from cases.services.demo_users import create_demo_users
from cases.simulation import simulate
from deploy import verify_log
from scoring import publishing, schemes
from scoring.entries import enter_points
from scoring.exported import exported_lines
from scoring.models import RunList
from scoring.periods import parse_period, periods_within
from scoring.publishing import approve_edition, submit_run
from scoring.rates import INDICATORS
from scoring.schemes import seal_of
from scoring.selectors import facts_between
from scoring.services import recompute
from scoring.versions import scheme_for, scheme_of
from scoring.words import COUNT_NAMES, REPORT_COUNTS
from tests.scoring.ledger import write
from tests.scoring.logs import day, random_log
from tests.scoring.periods_city import dated
from tests.support.people import person
from tests.support.scores import score_now
from tests.support.spine import act

MONTHS, OCTOBER = 200, parse_period("2026-10")
AS_OF = [None, day("10-20"), day("11-03 09:00"), day("12-01"), day("12-20")]


def header(row):
    """Return a row of a log as the header of its event."""
    said = {
        "case": row.number,
        "case_seq": row.seq,
        "action": row.action,
        "to": row.to_stage,
        "at": stamp(row.at),
        "district": row.district,
        "body": row.body,
        "unit": row.unit,
        "data": dict(row.data),
    }
    if row.sets_clock:
        said |= {"due_at": stamp(row.due_at), "base_due_at": stamp(row.base_due_at)}
    return said


def naive(rows, period, as_of):
    names = [one.name for one in periods_within(period.start, period.end)]
    asked = verify_log.Period(period.start, period.end, as_of, names)
    return verify_log.count([verify_log.Event(header(row)) for row in rows], asked)


def as_tuples(assessed):
    return sorted(tuple(case.values()) for case in assessed)


@pytest.mark.django_db
def test_a_naive_count_of_the_exported_log_equals_the_sql(huaihua):
    """200 random months: backlogs, voids, merges, appeals, transfers, suspensions, no cases."""
    seen = set()
    for seed in range(MONTHS):
        rng = random.Random(seed)  # noqa: S311 - a test's own dice
        rows = random_log(seed + 50_000, cases=rng.randrange(18))
        period = parse_period(rng.choice(["2026-10", "2026-10", "2026-11", "2026-Q4"]))
        as_of = rng.choice(AS_OF)
        if as_of is not None and as_of <= period.start:
            as_of = None

        with transaction.atomic():
            write(rows)
            selected = facts_between(period.start, period.end, as_of=as_of)
            transaction.set_rollback(True)

        counted = naive(rows, period, as_of)
        assert counted.members == selected.members, seed
        judged = [(*astuple(c)[:2], c.credit, *astuple(c)[3:]) for c in selected.assessed]
        assert as_tuples(counted.assessed) == sorted(judged), seed
        seen |= {name for _, name, _ in counted.members}

    assert seen == COUNT_NAMES.keys() | REPORT_COUNTS.keys()


@pytest.fixture
def exported(settings, tmp_path, huaihua):
    """Half a simulated month of the whole city, exported."""
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    create_demo_users()
    until = datetime(2026, 10, 20, tzinfo=UTC)
    simulate(days=12, per_day=12, seed=3, until=until, progress=lambda line: None)
    return list(exported_lines(score_now(OCTOBER, scheme_for(OCTOBER))))


def run_alone(folder, lines):
    """Copy the verifier into an empty folder and run it there on a log, in a bare Python."""
    shutil.copy(verify_log.__file__, folder / "verify_log.py")
    (folder / "log").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-I", "-S", "verify_log.py", "log"]
    return subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, check=False, timeout=120
    )


def places(lines, scope):
    """Return where in the file the events of a log stand, in order."""
    return [n for n, line in enumerate(lines) if n and json.loads(line)["scope"] == scope]


def changed(line, **said):
    return canonical({**json.loads(line), **said})


@pytest.mark.django_db
def test_the_verifier_agrees_and_names_what_was_bent(exported, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    about = json.loads(exported[0])
    heads = DistrictHead.objects.order_by("scope")

    told = run_alone(alone, exported)

    assert told.stderr == ""
    assert told.returncode == 0
    lines = told.stdout.splitlines()
    assert lines[: len(SCOPES)] == [f"head {h.pk} {h.dseq} {bytes(h.hash).hex()}" for h in heads]
    assert f"seal {about['seal']}" in lines

    for scope in ("hecheng", "zhongfang"):
        at = places(exported, scope)
        middle = len(at) // 2  # the event at position middle + 1
        place = at[middle]
        header = json.loads(exported[place])["header"]
        bent = header.replace('"role":"', '"role":"x', 1)
        assert bent != header
        attacks = {
            "altered": [*exported[:place], changed(exported[place], header=bent),
                        *exported[place + 1 :]],
            "dropped": exported[:place] + exported[place + 1 :],
            "swapped": [*exported[:place], exported[place + 1], exported[place],
                        *exported[place + 2 :]],
            "another body": [*exported[:place], changed(exported[place], body="00" * 32),
                             *exported[place + 1 :]],
        }  # fmt: skip
        for name, lines in attacks.items():
            told = run_alone(alone, lines)
            assert told.returncode == 1, name
            assert told.stdout.startswith(f"BROKEN {scope}/{middle + 1}: "), name

        end = exported[: at[-1]] + exported[at[-1] + 1 :]
        told = run_alone(alone, end)
        assert told.returncode == 1
        assert told.stdout.startswith(f"BROKEN {scope}/{len(at) - 1}: the log ends here")

        forged = appended(exported, at[-1])
        told = run_alone(alone, forged)
        assert told.returncode == 1
        assert told.stdout.startswith(f"BROKEN {scope}/{len(at) + 1}: the log ends here")


def appended(lines, last):
    """Append an event to a log, with a hash that follows; the head is what gives it away."""
    row = json.loads(lines[last])
    header = json.loads(row["header"])
    header["dseq"] += 1
    text = canonical(header)
    digest = bytes.fromhex(row["hash"]) + text.encode() + bytes.fromhex(row["body"])
    forged = {**row, "header": text, "hash": hashlib.sha256(digest).hexdigest()}
    return [*lines[: last + 1], canonical(forged), *lines[last + 1 :]]


@pytest.mark.django_db
def test_a_result_or_seal_that_the_log_does_not_give_is_told(exported, tmp_path):
    about = json.loads(exported[0])
    result = json.loads(about["result"])
    first = result["bodies"][0]
    first["counts"]["filed"] += 1
    better = canonical(result)
    sealed = hashlib.sha256(better.encode()).hexdigest()

    told = run_alone(
        tmp_path, [canonical({**about, "result": better, "seal": sealed}), *exported[1:]]
    )

    assert told.returncode == 1
    path = f"bodies[{first['body']}].counts.filed"
    filed = first["counts"]["filed"]
    assert f"DIFFERENT {path}: published {filed}, the log gives {filed - 1}" in told.stdout

    told = run_alone(tmp_path, [canonical({**about, "seal": "00" * 32}), *exported[1:]])
    assert told.returncode == 1
    assert "DIFFERENT the seal says" in told.stdout


@pytest.mark.django_db
def test_what_the_first_line_bends_is_told(exported, tmp_path):
    about = json.loads(exported[0])
    scheme = about["scheme"]

    def told(rows=exported[1:], **said):
        lines, is_right = verify_log.verify([canonical({**about, **said}), *rows])
        assert not is_right
        return lines[-1]

    as_they_are, is_right = verify_log.verify(exported)
    assert is_right
    assert f"as_of {about['as_of']}" in as_they_are
    assert f"scheme {scheme['version']} {seal_of(canonical(scheme))}" in as_they_are

    end = stamp(day("10-15"))
    assert told(end=end) == (
        f"DIFFERENT end: the first line says {end}, 2026-10 gives {about['end']}"
    )
    assert told(names=[]).startswith("DIFFERENT names: ")
    assert told(months=3).startswith("DIFFERENT months: ")
    assert told(period="2026-11").startswith("DIFFERENT wide_names: ")
    heads = {scope: head for scope, head in about["heads"].items() if scope != "hecheng"}
    rows = [line for line in exported[1:] if json.loads(line)["scope"] != "hecheng"]
    assert told(rows, heads=heads) == ("BROKEN hecheng/0: the first line names no head of this log")
    more = {**about["heads"], "moon": {"dseq": 0, "hash": verify_log.NOTHING}}
    assert told(heads=more) == "BROKEN moon/0: there is no such log"
    for words, path in (
        ({"form": 3}, "form: 3"),
        ({"level": "province"}, "level: province"),
        ({"rounding": {"mode": "bankers", "places": 2}}, "rounding.mode: bankers"),
        ({"items": [bent(scheme["items"][1], rule={"kind": "luck"})]}, "B.rule.kind: luck"),
        ({"items": [bent(scheme["items"][1], indicator="luck")]}, "B.indicator: luck"),
    ):
        line = told(scheme={**scheme, **words})
        assert line == f"DIFFERENT scheme.{path} is not known here"
    result = json.loads(about["result"])
    text = canonical({**result, "more": None})
    assert told(result=text, seal=seal_of(text)).startswith("DIFFERENT the text of the result")


def bent(node, **words):
    """Return an item with other words, whatever it judged before."""
    item = {"code": "B", "name": node["name"], "weight": "100", "rule": {"kind": "manual"}}
    return {**item, **words}


HEAD = {"dseq": 0, "hash": verify_log.NOTHING}
EMPTY = {
    "cityops_log": 1, "period": "2026-10", "as_of": "2026-11-01T00:00:00.000000Z",
    **verify_log.period_of("2026-10"), "heads": dict.fromkeys(SCOPES, HEAD),
    "scheme": {}, "beside": {}, "result": "{}", "seal": seal_of("{}"),
}  # fmt: skip
ROW = {"scope": "hecheng", "header": "{}", "body": "00" * 32, "hash": "00" * 32}


@pytest.mark.parametrize(
    "lines",
    [
        [{"cityops_log": 1}],
        [EMPTY],  # its scheme says nothing
        [EMPTY | {"period": "2026-13"}],
        [EMPTY | {"heads": {"city": 1}}],
        [EMPTY | {"heads": {"city": {"dseq": "1", "hash": verify_log.NOTHING}}}],
        [EMPTY | {"result": {}}],
        [EMPTY, [1]],
        [EMPTY, ROW | {"scope": ["hecheng"]}],
        [EMPTY, ROW | {"header": "[]"}],
        [EMPTY, ROW | {"header": '{"scope":"hecheng","scope":"city"}'}],
        ['{"cityops_log":1,"cityops_log":1}'],
        ["[" * 100_000],
    ],
)
def test_a_file_of_wrong_parts_is_refused_without_a_fall(tmp_path, lines):
    told = run_alone(
        tmp_path, [line if isinstance(line, str) else canonical(line) for line in lines]
    )

    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["2026-01", "2026-02", "2026-12", "2026-Q1", "2026-Q4", "2026-H1", "2026-H2", "2026"]
)
def test_the_verifier_knows_the_times_of_a_period(name):
    period = parse_period(name)

    assert verify_log.period_of(name) == {
        "start": stamp(period.start),
        "end": stamp(period.end),
        "months": period.months,
        "names": [one.name for one in periods_within(period.start, period.end)],
        "wide_start": stamp(period.wide_start),
        "wide_names": [one.name for one in periods_within(period.wide_start, period.end)],
    }


def test_the_verifier_knows_every_indicator_and_kind():
    assert sorted(verify_log.INDICATORS) == sorted(INDICATORS)
    assert (verify_log.KINDS, verify_log.SCHEME_FORM) == (schemes.KINDS, schemes.FORM)
    assert sorted(verify_log.LOGS) == sorted(SCOPES)


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"cityops_log":2}', "[1]"])
def test_another_file_is_refused(tmp_path, text):
    told = run_alone(tmp_path, [text])

    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr != ""


@pytest.mark.django_db
def test_an_unknown_seal_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(CommandError) as refusal:
        call_command("export_log", seal="00" * 32, out=str(tmp_path / "log"))

    assert refusal.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_a_wrong_period_is_refused_and_writes_nothing(tmp_path):
    with pytest.raises(CommandError) as refusal:
        call_command("export_log", period="2026-13", out=str(tmp_path / "log"))

    assert refusal.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


# --- what was published -------------------------------------------------------------------------


def published(people, reason=""):
    run = score_now(OCTOBER, scheme_for(OCTOBER))
    edition = submit_run(period=OCTOBER, seen_run=run.pk, reason=reason, actor=people[0])
    return approve_edition(period=OCTOBER, edition=edition.pk, seen_seal=run.seal, actor=people[1])


@pytest.mark.django_db
def test_every_edition_verifies_from_its_own_log_also_after_a_re_issue(
    exported, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        publishing, "compute_run", lambda period: score_now(period, scheme_for(period))
    )
    people = [person(f"publishes{n}", Role.ASSESSOR) for n in range(2)]
    asked = Request.objects.filter(state__in=Request.OPEN)
    asked.update(state="refused", decided_by=people[0], decided_at=timezone.now())
    first = published(people)
    number = RunList.objects.get(run=first.run, body="hecheng", count="closed").numbers[0]
    words = {"period": "2026-10", "effect": "leave_out", "note": "重复"}
    Case.objects.filter(number=number).update(waiting_for=[])
    act(number, Action.PROPOSE_ADJUST, people[0], **words)
    act(number, Action.ADJUST, people[1], approved=True)

    second = published(people, reason="调整")

    assert (first.number, second.number) == (1, 2)
    for edition in (first, second):
        out = tmp_path / f"{edition.number}.log"
        call_command("export_log", seal=edition.run.seal, out=str(out), stdout=io.StringIO())
        alone = tmp_path / f"alone{edition.number}"
        alone.mkdir()
        lines = out.read_text("utf-8").splitlines()
        told = run_alone(alone, lines)
        assert (told.returncode, told.stderr) == (0, "")
        assert f"seal {edition.run.seal}" in told.stdout.splitlines()
        assert json.loads(lines[0])["result"] == edition.run.result


@pytest.mark.django_db
def test_points_by_hand_leave_without_their_words_and_verify(exported, tmp_path):
    scheme = scheme_of("example-jinhua")
    item = next(one for one in scheme.data["items"] if one["rule"]["kind"] == "manual")
    actor = person("enters", Role.ASSESSOR)
    dated()
    entry = enter_points(
        scheme=scheme, period=OCTOBER, body="hecheng", code=item["code"], points="1.5",
        evidence="张三的证明", reason="李四说的", actor=actor,
    )  # fmt: skip

    run = score_now(OCTOBER, scheme)
    lines = list(exported_lines(run))
    told = run_alone(tmp_path, lines)

    assert (told.returncode, told.stderr) == (0, "")
    beside = json.loads(lines[0])["beside"]
    assert beside["entries"] == {"hecheng": {item["code"]: {"points": "3/2", "number": entry.pk}}}
    assert "张三" not in lines[0]
    assert "李四" not in lines[0]
    assert recompute(run) == run.result
