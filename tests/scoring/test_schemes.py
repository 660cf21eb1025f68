"""The form of schemes, their rules one by one, and their versions in the database."""

import copy
import json
import threading
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

import scoring
from cases.choices import Role
from cases.errors import DraftClosed, InvalidInput, NotAllowed, StaleRules
from scoring import rules, versions
from scoring.models import Scheme, State
from scoring.periods import CITY_TIME, parse_period
from scoring.rates import INDICATORS, NOT_COMPUTED
from scoring.rules import Measure
from scoring.scheme_form import applied, sections_of
from scoring.scheme_words import INDICATOR_NAMES
from scoring.schemes import BadScheme, canonical, parse, require_sound, seal_of
from scoring.versions import (
    approve_scheme,
    draft_scheme,
    drop_scheme,
    edit_scheme,
    propose_scheme,
    scheme_for,
    scheme_of,
    withdraw_scheme,
)
from scoring.words import COUNT_NAMES, REPORT_COUNTS
from tests.support.people import person

DATA = Path(scoring.__file__).parent / "data"
SHIPPED = {p.stem.removeprefix("scheme-"): json.loads(p.read_text()) for p in DATA.glob("*.json")}
NOW = datetime(2026, 11, 26, 12, tzinfo=CITY_TIME)
JANUARY = datetime(2027, 1, 1, tzinfo=CITY_TIME)


# --- the form -----------------------------------------------------------------------------------


def faults(change, version="example-jinhua"):
    data = copy.deepcopy(SHIPPED[version])
    change(data)
    with pytest.raises(BadScheme) as bad:
        require_sound(data)
    return [str(fault) for fault in bad.value.faults]


def changed(path, value):
    def change(data):
        *above, last = path
        for step in above:
            data = data[step]
        data[last] = value

    return change


@pytest.mark.parametrize("version", SHIPPED)
def test_a_shipped_scheme_is_sound_and_its_seal_does_not_hang_on_the_writing(version):
    data = SHIPPED[version]
    shuffled = dict(reversed(data.items()))

    require_sound(data)

    assert canonical(shuffled) == canonical(data)
    assert parse(json.dumps(shuffled, indent=4)) == data
    assert len(seal_of(canonical(data))) == 64


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["items", 3, "weight"], "4,5", 'items[3].weight: a number in quotes'),
        (["items", 3, "weight"], 5, "items[3].weight: a number in quotes"),
        (["items", 3, "weight"], "-5", "items[3].weight: a number in quotes"),
        (["items", 3, "weight"], "0", "items[3].weight: a weight is above 0"),
        (["items", 3, "weight"], "5.5", "items: the weights add up to 100.5, not to 100"),
        (["items", 0, "wieght"], "1",
         "items[0].wieght: there is no such field; did you mean weight"),
        (["items", 0, "indicator"], "closed_rate",
         "items[0].indicator: there is no indicator closed_rate; did you mean"),
        (["items", 0, "rule"], {"kind": "slope"}, "items[0].rule.kind: one of: ratio, threshold"),
        (["items", 0, "rule", "better"], "more", "items[0].rule.better: one of: high, low"),
        (["items", 1, "code"], "H1", "items[1].code: H1 is taken by items[0]"),
        (["items", 1, "code"], "filed", "items[1].code: 1 to 8 capital letters and digits"),
        (["items", 1, "name"], {"zh": "a"}, "items[1].name: write both languages"),
        (["items", 3, "rule", "charges", 0, "steps"], [["1", "2"]],
         "items[3].rule.charges[0].steps[0]: steps go up"),
        (["items", 3, "rule", "charges", 0, "key_times"], "1.5",
         "items[3].rule.charges[0].key_times: a whole number"),
        (["items", 3, "rule", "charges", 0, "indicator"], "rework_rate",
         "items[3].rule.charges[0]: steps and key_times are for counts; rework_rate is a rate"),
        (["items", 4, "indicator"], "closure_rate",
         "items[4].indicator: an item of kind manual has none of its own"),
        (["grades", 4], ["E", "10"], "grades[4]: the last grade begins at 0"),
        (["grades", 1], ["B", "95"], "grades[1]: grades go down"),
        (["rounding", "mode"], "bankers", "rounding.mode: one of: half_up"),
        (["form"], 1, "form: write 2"),
        (["few"], "10", "few: a whole number from 1 to"),
        (["few"], True, "few: a whole number from 1 to"),
        (["level"], "province", "level: one of: district, unit, street, post"),
        (["items"], [], "items: a list of at least one item"),
        (["deductions"], {"items": [{"code": "K1", "name": {"zh": "a", "en": "a"}, "rule": {}}]},
         "deductions.items[0].rule.kind: one of: charges, manual"),
    ],
)  # fmt: skip
def test_a_fault_is_said_with_its_path_and_the_fix(path, value, said):
    assert faults(changed(path, value))[0].startswith(said)


def paths_in(data, path=""):
    """Yield (path in words, keys) of all that stands in a scheme."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in pairs:
        here = f"{path}[{key}]" if isinstance(data, list) else f"{path}.{key}".lstrip(".")
        yield here, [key]
        if isinstance(value, dict | list):
            yield from ((words, [key, *keys]) for words, keys in paths_in(value, here))


@pytest.mark.parametrize("version", SHIPPED)
def test_null_is_refused_wherever_it_stands(version):
    data = SHIPPED[version]
    for path, keys in paths_in(data):
        above = data
        for key in keys[:-1]:
            above = above[key]
        if above[keys[-1]] is None:
            continue  # the open end of the last band
        told = [fault.partition(": ")[0] for fault in faults(changed(keys, None), version)]
        assert path in told


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["items", 3, "rule", "charges"], {"a": 1}, "items[3].rule.charges: a list of at least"),
        (["items", 3, "rule", "charges", 0], "a", "items[3].rule.charges[0]: an object"),
        (["items", 0, "few"], None, "items[0].few: null is no value"),
        (["cases", "key_sources", 1], "radio", "cases.key_sources[1]: one of: inspector"),
        (["cases", "key_sources"], {"leader": 1}, "cases.key_sources: a list of sources"),
        (["small_gap"], None, "small_gap: null is no value"),
    ],
)
def test_what_a_run_could_not_read_is_refused(path, value, said):
    assert any(fault.startswith(said) for fault in faults(changed(path, value)))


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ([["50", "100"]], "[0][0]: the last band, and only it, has null as its upper end"),
        ([["50", "100"], ["40", "90"], [None, "0"]], "[1][0]: upper ends go up from band to band"),
        ([["50", "101"], [None, "0"]], "[0][1]: at most 100"),
        ([["50"], [None, "0"]], "[0]: write an upper end and a percentage"),
        ([], ": a list of [upto, percent]"),
    ],
)
def test_bands_are_checked(bands, said):
    found = faults(changed(["items", 1, "rule", "bands"], bands), "example-region")

    assert found[0].startswith(f"items[1].rule.bands{said}")


def test_every_fault_is_said_at_once():
    def change(data):
        data["items"][0]["weight"] = "x"
        data["items"][1]["indicator"] = "y"
        del data["items"][2]["name"]

    paths = [fault.partition(":")[0] for fault in faults(change)]

    assert {"items[0].weight", "items[1].indicator", "items[2].name"} <= set(paths)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "This is not JSON"),
        ('{"few": 1.5}', "the number 1.5 must be in quotes"),
        ('{"few": 1, "few": 2}', "the field few stands twice"),
        ("[]", "a scheme is an object"),
        ("[" * 100_000, "This is not JSON"),
    ],
)
def test_what_is_no_scheme_is_refused(text, said):
    with pytest.raises(BadScheme) as bad:
        parse(text)

    assert said in str(bad.value)


# --- rules --------------------------------------------------------------------------------------


def points(rule, value, weight="10"):
    item = {"weight": weight, "indicator": "x", "rule": rule}
    return rules.points_of(item, Fraction(value), {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [("95", "10"), ("90", "10"), ("89.99", "9.99"), ("84.5", "4.5"), ("70", "2"), ("0", "2")],
)
def test_full_from_a_threshold_on_then_less_down_to_a_floor(value, expected):
    rule = {"kind": "threshold", "full_at": "90", "per_point": "1", "better": "high", "floor": "2"}

    assert points(rule, value) == Fraction(expected)


@pytest.mark.parametrize(
    ("value", "expected"), [("0", "10"), ("3", "10"), ("3.5", "9.5"), ("13", "0")]
)
def test_full_up_to_three_percent(value, expected):
    rule = {"kind": "threshold", "full_at": "3", "per_point": "1", "better": "low"}

    assert points(rule, value) == Fraction(expected)


def test_points_stay_between_nothing_and_the_weight():
    assert points({"kind": "ratio", "better": "low"}, "150") == 0
    assert points({"kind": "ratio", "better": "high"}, "150") == 10


@pytest.mark.parametrize(
    ("times", "key", "amount"),
    [
        (0, 0, "0"),
        (2, 0, "0.4"),
        (3, 0, "0.9"),
        (1, 1, "0.4"),
        (2, 1, "0.9"),
        (9, 9, "3"),
        (1, 0, "0.2"),
    ],
)
def test_charges_grow_by_steps_key_cases_count_twice_and_a_cap_ends_it(times, key, amount):
    charge = {
        "indicator": "x",
        "points": "0.2",
        "steps": [["3", "0.5"]],
        "key_times": "2",
        "cap": "3",
    }

    found = rules.amount_of(
        {"rule": {"charges": [charge]}}, {"x": Measure(Fraction(times), None, times, key)}
    )

    assert found == Fraction(amount)


def test_nothing_is_inexact():
    third = points({"kind": "ratio", "better": "high"}, Fraction(100, 3))

    assert third == Fraction(10, 3)
    assert str(rules.half_up(Fraction(2005, 1000))) == "2.01"


# --- indicators ---------------------------------------------------------------------------------


def test_each_indicator_reads_known_counts_and_has_a_name():
    known = COUNT_NAMES.keys() | REPORT_COUNTS.keys()
    for one in INDICATORS.values():
        if " / " in one.formula and not one.formula.startswith(("left", "extended or", "urgent")):
            words = set(one.formula.replace("/", " ").replace("+", " ").replace("-", " ").split())
            assert words - {"grid", "cells"} <= known, one.name

    assert INDICATOR_NAMES.keys() == INDICATORS.keys()


def test_what_the_list_of_indicators_names_is_computed_or_said_why_not():
    listed = {
        "handling_rate", "on_time_handling_rate", "closure_rate", "on_time_closure_rate",
        "overdue_closure_rate", "open_rate", "on_time_filing_rate", "accurate_filing_rate",
        "on_time_acceptance_rate", "on_time_dispatch_rate", "accurate_dispatch_rate",
        "valid_report_rate", "missed_report_rate", "on_time_verify_rate", "on_time_check_rate",
        "public_report_rate", "rework_rate", "extension_rate", "overdue_unhandled_rate",
        "return_rate", "suspension_rate", "void_rate", "overdue_multiple", "satisfaction_rate",
        "mean_handling_time", "recurrence_rate",
    }  # fmt: skip

    assert listed == (INDICATORS.keys() & listed) | NOT_COMPUTED.keys()
    assert not INDICATORS.keys() & NOT_COMPUTED.keys()


# --- versions -----------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(versions.timezone, "now", lambda: NOW)


@pytest.fixture
def assessors(db, clock):
    return person("as1", Role.ASSESSOR), person("as2", Role.ASSESSOR)


@pytest.fixture
def draft(assessors):
    return draft_scheme(base="2026-v1", version="2027-v1", reason="次年", actor=assessors[0])


def proposed(draft, actor, since=JANUARY):
    return propose_scheme(
        version=draft.version, since=since, reason="年初", actor=actor, seen_digest=draft.digest
    )


def approved(draft, assessors, since=JANUARY):
    proposed(draft, assessors[0], since)
    return approve_scheme(
        version=draft.version,
        actor=assessors[1],
        **seen(draft),
    )


def seen(draft):
    """Return what a page of a draft shows now, to be sent back."""
    found = Scheme.objects.get(pk=draft.pk)
    return {"seen_digest": found.digest, "seen_proposal": found.proposal}


def test_a_draft_is_a_copy_under_its_own_name(draft, assessors):
    assert {**SHIPPED["2026-v1"], "version": "2027-v1"} == draft.data
    assert (draft.state(at=NOW), draft.based_on_id, draft.author) == (
        State.DRAFT, "2026-v1", assessors[0],
    )  # fmt: skip


def test_the_version_in_force_at_a_periods_start_scores_it(draft, assessors):
    approved(draft, assessors)

    found = {
        n: scheme_for(parse_period(n)).version for n in ("2026-10", "2026-12", "2027-01", "2027")
    }
    assert found == {
        "2026-10": "2026-v1", "2026-12": "2026-v1", "2027-01": "2027-v1", "2027": "2027-v1",
    }  # fmt: skip
    assert scheme_of().state(at=JANUARY) == State.RETIRED
    assert scheme_of("2027-v1").state(at=NOW) == State.COMING
    assert scheme_of("2027-v1").state(at=JANUARY) == State.IN_FORCE


def test_every_period_there_can_be_has_a_version(db):
    assert scheme_for(parse_period("2000")).version == "2026-v1"


def test_editing_keeps_every_fault_out_and_takes_a_proposal_back(draft, assessors):
    proposed(draft, assessors[0])
    data = draft.data
    data["items"][1]["weight"] = "26"

    with pytest.raises(InvalidInput) as refusal:
        edit_scheme(version="2027-v1", data=data, actor=assessors[0], seen_digest=draft.digest)
    assert refusal.value.fields == {"items": "the weights add up to 101, not to 100"}
    assert scheme_of("2027-v1").digest == draft.digest
    assert scheme_of("2027-v1").proposed_from == JANUARY

    data["items"][0]["weight"] = "59"
    edited = edit_scheme(version="2027-v1", data=data, actor=assessors[1], seen_digest=draft.digest)
    assert (edited.proposed_from, edited.changed_by) == (None, assessors[1])
    assert edited.digest == seal_of(edited.body) != draft.digest
    with pytest.raises(StaleRules):
        proposed(draft, assessors[0])


def test_saving_the_same_rules_changes_nothing(draft, assessors):
    proposed(draft, assessors[0])

    edit_scheme(version="2027-v1", data=draft.data, actor=assessors[1], seen_digest=draft.digest)

    found = scheme_of("2027-v1")
    assert (found.proposed_from, found.changed_by, found.changed_at) == (JANUARY, None, None)
    assert approve_scheme(version="2027-v1", actor=assessors[1], **seen(draft)).valid


def test_an_approval_is_of_the_proposal_that_was_read(draft, assessors, monkeypatch):
    third = person("as3", Role.ASSESSOR)
    proposed(draft, assessors[0])
    read = seen(draft)
    monkeypatch.setattr(versions.timezone, "now", lambda: NOW + timedelta(microseconds=1))
    february = datetime(2027, 2, 1, tzinfo=CITY_TIME)
    again = {"since": february, "reason": "b", "actor": third, **read}
    propose_scheme(version="2027-v1", **again)

    for service, more in (
        (approve_scheme, {}),
        (withdraw_scheme, {}),
        (drop_scheme, {}),
        (propose_scheme, {"since": JANUARY, "reason": "c"}),
    ):
        with pytest.raises(StaleRules):
            service(version="2027-v1", actor=assessors[1], **read, **more)

    found = scheme_of("2027-v1")
    assert (found.proposed_from, found.proposed_by, found.valid) == (february, third, None)
    assert found.dropped_at is None


def test_a_proposal_taken_back_meanwhile_is_not_approved(draft, assessors):
    proposed(draft, assessors[0])
    read = seen(draft)
    withdraw_scheme(version="2027-v1", actor=assessors[0], **read)

    with pytest.raises(StaleRules):
        approve_scheme(version="2027-v1", actor=assessors[1], **read)

    assert scheme_of("2027-v1").valid is None


@pytest.mark.parametrize("who", [0, "last editor", "leader", "district"])
def test_the_second_assessor_is_another_one(draft, assessors, who):
    people = {
        0: assessors[0],
        "last editor": assessors[1],
        "leader": person("lea", Role.LEADER),
        "district": person("d1", Role.ASSESSOR, "hecheng"),
    }
    if who == "last editor":
        data = draft.data
        data["few"] = 12
        draft = edit_scheme(
            version="2027-v1", data=data, actor=assessors[1], seen_digest=draft.digest
        )
    proposed(draft, assessors[0])

    with pytest.raises(NotAllowed):
        approve_scheme(version="2027-v1", actor=people[who], **seen(draft))

    assert scheme_of("2027-v1").valid is None
    assert scheme_of().valid.upper is None


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ASSESSOR, Role.SYSTEM}))
def test_only_an_assessor_drafts(db, role):
    with pytest.raises(NotAllowed):
        draft_scheme(base="2026-v1", version="2027-v1", reason="a", actor=person("p", role))

    assert not Scheme.objects.filter(pk="2027-v1").exists()


@pytest.mark.parametrize(
    "since",
    [datetime(2026, 11, 1, tzinfo=CITY_TIME), datetime(2027, 1, 2, tzinfo=CITY_TIME),
     datetime(2027, 1, 1, 1, tzinfo=CITY_TIME)],
)  # fmt: skip
def test_a_scheme_begins_with_a_month_still_to_come(draft, assessors, since):
    with pytest.raises(InvalidInput):
        proposed(draft, assessors[0], since)

    assert scheme_of("2027-v1").proposed_at is None


def test_an_approved_version_is_never_changed_again(draft, assessors):
    found = approved(draft, assessors)
    words = {"version": "2027-v1", "actor": assessors[0], "seen_digest": found.digest}

    for service, more in (
        (edit_scheme, {"data": found.data}),
        (propose_scheme, {"since": JANUARY, "reason": "a"}),
        (withdraw_scheme, {"seen_proposal": found.proposal}),
        (drop_scheme, {}),
    ):
        with pytest.raises(DraftClosed):
            service(**words, **more)
    with pytest.raises(InvalidInput):
        draft_scheme(base="2026-v1", version="2027-v1", reason="a", actor=assessors[0])
    assert Scheme.objects.get(pk="2027-v1").body == found.body


@pytest.mark.parametrize(
    "change",
    [
        "body = body || ' ', digest = encode(sha256(convert_to(body || ' ', 'UTF8')), 'hex')",
        "reason = 'another'",
        "level = 'unit'",
        "valid = NULL",
        "valid = tstzrange(lower(valid) + interval '31 days', NULL)",
        "approved_at = now()",
    ],
)
def test_the_database_itself_lets_an_approved_version_stand(draft, assessors, change):
    approved(draft, assessors)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE scoring_scheme SET {change} WHERE version = '2027-v1'")  # noqa: S608  # of above
    with pytest.raises(IntegrityError), transaction.atomic():
        Scheme.objects.filter(pk="2027-v1").delete()
    scheme_of("example-region")
    with pytest.raises(IntegrityError), transaction.atomic():
        Scheme.objects.filter(pk="example-region").update(reason="a")


def test_the_database_knows_seal_month_start_and_one_at_a_time(draft):
    for values in (
        {"body": draft.body.replace("60", "61")},
        {"digest": "0" * 64},
        {"valid": DateTimeTZRange(datetime(2027, 1, 2, tzinfo=CITY_TIME), None)},
        {"valid": DateTimeTZRange(JANUARY, None)},  # approved by nobody
        {"is_shipped": True, "valid": DateTimeTZRange(JANUARY, None)},  # while another is in force
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Scheme.objects.filter(pk="2027-v1").update(**values)


def test_a_dropped_draft_stays_to_be_read(draft, assessors):
    drop_scheme(version="2027-v1", actor=assessors[0], seen_digest=draft.digest)

    found = scheme_of("2027-v1")
    assert (found.state(at=NOW), found.body) == (State.DROPPED, draft.body)
    with pytest.raises(DraftClosed):
        proposed(found, assessors[0])


def test_no_version_begins_before_one_that_is_approved_already(draft, assessors):
    approved(draft, assessors)
    second = draft_scheme(base="2026-v1", version="2026-v2", reason="a", actor=assessors[0])

    with pytest.raises(InvalidInput):
        approved(second, assessors, datetime(2026, 12, 1, tzinfo=CITY_TIME))

    assert scheme_of("2026-v2").valid is None


@pytest.mark.django_db(transaction=True)
def test_of_two_versions_approved_at_once_for_one_month_one_wins(clock):
    people = person("as1", Role.ASSESSOR), person("as2", Role.ASSESSOR)
    made = [
        draft_scheme(base="2026-v1", version=name, reason="a", actor=people[0])
        for name in ("2027-a", "2027-b")
    ]
    for one in made:
        proposed(one, people[0])
    start, outcomes = threading.Barrier(2), {}

    def approve(one):
        start.wait(10)
        try:
            approve_scheme(version=one.version, actor=people[1], **seen(one))
            outcomes[one.version] = "approved"
        except InvalidInput:
            outcomes[one.version] = "refused"
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=[one]) for one in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(outcomes.values()) == ["approved", "refused"]
    assert Scheme.objects.in_force(at=JANUARY).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_begin_a_draft_of_the_same_name_at_once_and_one_does():
    people = [person(f"drafts{n}", Role.ASSESSOR) for n in range(2)]
    scheme_of()
    start, outcomes = threading.Barrier(2), []

    def draft(actor):
        start.wait(10)
        try:
            draft_scheme(base="2026-v1", version="2098-v1", reason="a", actor=actor)
            outcomes.append("drafted")
        except InvalidInput:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=draft, args=[actor]) for actor in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(outcomes) == ["drafted", "refused"]
    assert Scheme.objects.filter(pk="2098-v1").count() == 1


@pytest.mark.django_db
def test_nobody_who_ever_changed_a_draft_approves_it(monkeypatch):
    monkeypatch.setattr(versions.timezone, "now", lambda: NOW)
    author, first, last, other = (person(f"edits{n}", Role.ASSESSOR) for n in range(4))
    made = draft_scheme(base="2026-v1", version="2098-v1", reason="a", actor=author)
    for few, editor in ((11, first), (12, last)):
        data = made.data | {"few": few}
        made = edit_scheme(version="2098-v1", data=data, actor=editor, seen_digest=made.digest)
    made = propose_scheme(
        version="2098-v1", since=JANUARY, reason="a", actor=author, seen_digest=made.digest
    )

    for editor in (author, first, last):
        with pytest.raises(NotAllowed):
            approve_scheme(version="2098-v1", actor=editor, **seen(made))
    with pytest.raises(IntegrityError), transaction.atomic():
        Scheme.objects.filter(pk="2098-v1").update(
            approved_by=first, approved_at=NOW, valid=DateTimeTZRange(JANUARY, None)
        )
    assert Scheme.objects.get(pk="2098-v1").is_open

    assert approve_scheme(version="2098-v1", actor=other, **seen(made)).approved_by == other


# --- the form's fields ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", SHIPPED)
def test_a_form_posted_as_it_was_shown_changes_nothing(version):
    data = SHIPPED[version]
    shown = {f.path: str(f.value) for s in sections_of(data, {}) for f in s.fields}

    assert applied(data, shown) == data


def test_fields_change_numbers_kinds_and_items():
    data = SHIPPED["example-jinniu"]

    found = applied(data, {
        "items[0].weight": "25",
        "items[1].rule.kind": "threshold",
        "items[4].weight": "9",
        "remove.items[3]": "yes",
        "form": "7",
        "items[0].rule.secret": "x",
        "add.code": "N6", "add.zh": "超期", "add.en": "Overdue", "add.weight": "26",
        "add.kind": "threshold", "add.indicator": "overdue_rate", "add.where": "items",
    })  # fmt: skip

    assert [(i["code"], i["weight"]) for i in found["items"]] == [
        ("N1", "25"), ("N2", "20"), ("N3", "20"), ("N5", "9"), ("N6", "26"),
    ]  # fmt: skip
    assert found["items"][1]["rule"]["full_at"] == "100"
    assert found["items"][4]["rule"] == {
        "kind": "threshold", "full_at": "0", "per_point": "1", "better": "low",
    }  # fmt: skip
    assert (found["form"], "secret" in found["items"][0]["rule"]) == (2, False)
    require_sound(found)
    assert data == SHIPPED["example-jinniu"]
