"""Schemes on screen: read in words, drafted, changed, tried on past months, approved by another."""

import io
import json
import re

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Role
from cases.models import Unit
from cases.services.city import load_city
from scoring.models import ManualEntry, Run, RunList, Scheme
from scoring.periods import months_after
from scoring.scheme_form import applied
from scoring.services import compute_run, try_schemes
from scoring.trial import compared
from scoring.versions import (
    SHIPPED_IN_FORCE,
    draft_scheme,
    drop_scheme,
    edit_scheme,
    scheme_of,
    store_shipped,
)
from tests.scoring.ledger import write
from tests.scoring.logs import random_log
from tests.scoring.periods_city import dated, window_over
from tests.scoring.test_indicators import OCTOBER
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

EXAMPLES = ("department", "jinhua", "jinniu", "region", "yuncheng")


@pytest.fixture
def assessor(db):
    open_logs()
    return person("as1", Role.ASSESSOR)


@pytest.fixture
def draft(assessor):
    return draft_scheme(base="2026-v1", version="2027-v1", reason="次年", actor=assessor)


def test_the_list_shows_every_version_with_its_state(client, draft, assessor):
    client.force_login(assessor)

    page = client.get("/score/schemes/")

    found = {
        row["scheme"].version: row["state"] for _, rows in page.context["levels"] for row in rows
    }
    examples = {f"example-{name}": "example" for name in EXAMPLES}
    defaults = dict.fromkeys(SHIPPED_IN_FORCE.values(), "in_force")
    assert found == {**defaults, "2027-v1": "draft", **examples}


@pytest.mark.parametrize("version", ["2026-v1", *(f"example-{name}" for name in EXAMPLES)])
def test_a_version_is_read_in_words(client, assessor, version):
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"/score/schemes/{version}/")

    text = page.content.decode()
    assert page.status_code == 200
    assert len(page.context["rows"]) == text.count("<tr class=")
    assert scheme_of(version).digest in text
    assert "/copy/" not in text


def test_a_draft_page_marks_what_differs(client, draft, assessor):
    data = draft.data
    data["items"][0]["items"][0]["rule"]["per_point"] = "0.6"
    data["deductions"]["items"].pop()
    edit_scheme(version="2027-v1", data=data, actor=assessor, seen_digest=draft.digest)
    client.force_login(assessor)

    rows = client.get("/score/schemes/2027-v1/").context["rows"]

    assert [row["code"] for row in rows if row.get("was")] == ["A1"]
    assert [row["code"] for row in rows if row.get("is_gone")] == ["K3"]


def test_a_draft_goes_from_copy_to_in_force(client, assessor):
    client.force_login(assessor)
    begun = client.post("/score/schemes/2026-v1/copy/", {"version": "2027-v1", "reason": "次年"})
    edit = begun["location"]
    form = client.get(edit)
    posted = {f.path: f.value for s in form.context["sections"] for f in s.fields}
    posted |= {"digest": form.context["digest"], "items[1].weight": "26"}

    refused = client.post(edit, posted)
    assert refused.status_code == 422
    assert "items</code>:" in refused.content.decode()
    assert 'value="26"' in refused.content.decode()
    saved = client.post(edit, posted | {"items[0].weight": "59"})
    assert saved.status_code == 302

    month = months_after(timezone.now(), 1)[0]
    seen = {"digest": Scheme.objects.get(pk="2027-v1").digest}
    client.post("/score/schemes/2027-v1/propose/", seen | {"since": month.name, "reason": "a"})
    seen["proposed_at"] = Scheme.objects.get(pk="2027-v1").proposal
    own = client.post("/score/schemes/2027-v1/approve/", seen)
    assert own.status_code == 403
    client.force_login(person("as2", Role.ASSESSOR))
    shown = client.get("/score/schemes/2027-v1/").content.decode()
    assert "Put 2027-v1 in force" in shown
    assert f'name="proposed_at" value="{seen["proposed_at"]}"' in shown
    stale = client.post("/score/schemes/2027-v1/approve/", seen | {"proposed_at": ""})
    assert stale.status_code == 409
    client.post("/score/schemes/2027-v1/approve/", seen)

    assert Scheme.objects.get(pk="2027-v1").valid.lower == month.start
    assert client.get(edit).status_code == 404
    assert client.get("/score/schemes/2026-v1/").status_code == 200


def test_a_field_says_what_is_wrong_with_it(client, draft, assessor):
    client.force_login(assessor)

    page = client.post(
        "/score/schemes/2027-v1/edit/",
        {"digest": draft.digest, "items[0].items[0].rule.per_point": "½", "few": "x"},
    )

    text = page.content.decode()
    assert page.status_code == 422
    assert text.count('aria-invalid="true"') == 2
    assert 'id="f-items-0-items-0-rule-per_point-error"' in text
    assert Scheme.objects.get(pk="2027-v1").digest == draft.digest


@pytest.mark.parametrize("few", ["", "5.5"])
def test_a_number_of_groups_that_is_none_is_told_and_loses_nothing_typed(
    client, draft, assessor, few
):
    client.force_login(assessor)
    edit = "/score/schemes/2027-v1/edit/"
    form = client.get(edit)
    posted = {f.path: f.value for s in form.context["sections"] for f in s.fields}
    own = next(path for path in posted if path.endswith("].few"))

    answer = client.post(
        edit, posted | {"digest": draft.digest, own: few, "name.zh": "改了名的办法"}
    )

    shown = {f.path: f for s in answer.context["sections"] for f in s.fields}
    assert answer.status_code == 422
    assert shown[own].value == few
    assert shown[own].error
    assert shown["name.zh"].value == "改了名的办法"


def test_items_are_taken_out_of_a_long_list_as_they_were_ticked(draft):
    data = draft.data
    like = data["items"][0]["items"][0]
    data["items"] = [{**like, "code": f"X{n}"} for n in range(12)]

    left = applied(data, {"remove.items[9]": "1", "remove.items[10]": "1"})["items"]

    assert [item["code"] for item in left] == [f"X{n}" for n in (*range(9), 11)]


def test_json_with_a_fault_is_kept_and_told_by_path(client, draft, assessor):
    client.force_login(assessor)
    data = draft.data
    data["items"][1]["weight"] = "25,0"
    text = json.dumps(data)

    page = client.post(
        "/score/schemes/2027-v1/edit/?as=json", {"digest": draft.digest, "text": text}
    )

    assert page.status_code == 422
    assert "<code>items[1].weight</code>" in page.content.decode()
    assert page.context["text"] == text
    data["items"][1]["weight"], data["few"] = "25", 12
    again = {"digest": draft.digest, "text": json.dumps(data)}
    assert client.post("/score/schemes/2027-v1/edit/", again).status_code == 302
    assert Scheme.objects.get(pk="2027-v1").data["few"] == 12


def test_two_that_change_a_draft_at_once(client, draft, assessor):
    client.force_login(assessor)
    client.post("/score/schemes/2027-v1/edit/", {"digest": draft.digest, "few": "11"})

    late = client.post("/score/schemes/2027-v1/edit/", {"digest": draft.digest, "few": "12"})

    assert late.status_code == 409
    text = late.content.decode()
    assert "Somebody has changed this draft" in text
    assert re.search(r'name="few"\s+value="12"', text)
    assert Scheme.objects.get(pk="2027-v1").data["few"] == 11


def test_what_was_typed_outlives_a_draft_that_was_given_up(client, draft, assessor):
    client.force_login(assessor)
    drop_scheme(version="2027-v1", actor=assessor, seen_digest=draft.digest)
    text = json.dumps(draft.data | {"few": 12})

    late = client.post("/score/schemes/2027-v1/edit/", {"digest": draft.digest, "text": text})

    assert late.status_code == 409
    assert late.context["text"] == text
    assert "no draft any more" in late.content.decode()
    assert Scheme.objects.get(pk="2027-v1").digest == draft.digest
    assert client.post("/score/schemes/2026-v1/edit/", {"text": text}).status_code == 404


@pytest.mark.parametrize("address", ["", "2027-v1/", "2027-v1/edit/"])
def test_pages_take_as_many_statements_for_three_drafts_as_for_one(
    client, draft, assessor, address
):
    client.force_login(assessor)
    taken = []
    for name in ("a", "b"):
        client.get("/score/schemes/")  # stores what was shipped
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/score/schemes/{address}").status_code == 200
        taken.append(len(queries))
        for n in range(2):
            draft_scheme(base="2026-v1", version=f"{name}-{n}", reason="a", actor=assessor)

    assert taken[0] == taken[1]


# --- trial --------------------------------------------------------------------------------------


def sheet(body, rank, total):
    return {"body": body, "rank": rank, "total": total, "grade": "B"}


def test_a_trial_says_who_rises_who_falls_and_by_how_much():
    before = [sheet("a", 1, "90.00"), sheet("b", 2, "80.00"), sheet("c", 3, "70.00"),
              sheet("d", None, None), sheet("e", 4, "60.00")]  # fmt: skip
    after = [sheet("b", 1, "85.50"), sheet("a", 2, "84.00"), sheet("c", 3, "70.00"),
             sheet("d", 4, "50.00"), sheet("e", None, None)]  # fmt: skip

    rows = compared(before, after)

    assert [(r["body"], r["move"], r["steps"], r["gain"]) for r in rows] == [
        ("b", "up", 1, "+5.50"),
        ("a", "down", 1, "−6.00"),
        ("c", "same", 0, "+0.00"),
        ("d", "entered", 0, None),
        ("e", "left", 0, None),
    ]


@pytest.fixture
def city(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    rows = random_log(5, cases=400)
    write(rows)
    kinds = ["sanitation", "municipal"]
    Unit.objects.bulk_create(
        Unit(code=code, kind=kinds[n % 2], name_zh=code, name_en=code)
        for n, code in enumerate(sorted({row.unit for row in rows} - {""}))
    )


@pytest.mark.django_db(transaction=True)
def test_a_trial_shows_both_versions_and_stores_nothing(client, city):
    assessor = person("as1", Role.ASSESSOR)
    draft = draft_scheme(base="2026-v1", version="2027-v1", reason="a", actor=assessor)
    data = draft.data
    data["deductions"]["cap"] = "0"
    draft = edit_scheme(version="2027-v1", data=data, actor=assessor, seen_digest=draft.digest)
    client.force_login(assessor)

    page = client.get("/score/schemes/2027-v1/trial/?month=2026-10&month=2026-11&month=x")

    trials = page.context["trials"]
    assert [trial["words"] for trial in trials] == ["November 2026", "October 2026"]
    assert (Run.objects.count(), RunList.objects.count()) == (0, 0)
    before, after = try_schemes(OCTOBER, [scheme_of(), draft])
    assert json.loads(compute_run(OCTOBER).result) == before
    shown = {row["body"]: (row["total_before"], row["total"]) for row in trials[1]["rows"]}
    assert shown == {
        new["body"]: (old["total"], new["total"])
        for new in after["bodies"]
        for old in before["bodies"]
        if old["body"] == new["body"]
    }
    assert any(old != new for old, new in shown.values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", ["2026-v1", *(f"example-{name}" for name in EXAMPLES)])
def test_any_version_scores_and_gives_the_same_bytes_twice(city, version):
    store_shipped()

    printed = []
    for _ in range(2):
        out = io.StringIO()
        call_command("score", "2026-10", "--scheme", version, "--json", stdout=out)
        printed.append(out.getvalue())
        Run.objects.all().delete()

    assert printed[0] == printed[1]
    result = json.loads(printed[0])
    assert result["bodies"] or version == "example-jinniu"  # the small city's cases have no street
    for sheet in result["bodies"]:
        assert len(sheet["items"]) == sum("weight" in i for i in _leaves(version))


def _leaves(version):
    nodes = [*scheme_of(version).data["items"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("items", [])
        if "items" not in node:
            yield node


@pytest.mark.django_db(transaction=True)
def test_a_run_by_a_draft_is_printed_and_not_stored(city):
    assessor = person("as1", Role.ASSESSOR)
    draft_scheme(base="2026-v1", version="2027-v1", reason="a", actor=assessor)
    out = io.StringIO()

    call_command("score", "2026-10", "--scheme", "2027-v1", "--json", stdout=out)

    assert len(json.loads(out.getvalue())["bodies"]) == 4
    assert Run.objects.count() == 0


# --- points entered by hand ----------------------------------------------------------------------


def entered(client, body, code, points, **more):
    words = {"evidence": "会议纪要 3 号", "reason": "评议", **more}
    return client.post(
        "/score/schemes/example-yuncheng/entries/2026-10/",
        {"body": body, "code": code, "points": points, **words},
    )


@pytest.mark.django_db(transaction=True)
def test_points_entered_by_hand_count_with_their_reason_and_the_last_one_holds(client, city):
    dated()
    assessor = person("as1", Role.ASSESSOR)
    scheme = scheme_of("example-yuncheng")
    client.force_login(assessor)
    before = compute_run(OCTOBER, scheme)
    teams = [sheet["body"] for sheet in json.loads(before.result)["bodies"]]

    for team in teams:
        assert entered(client, team, "Y4", "12").status_code == 302
    entered(client, teams[0], "Y4", "12.5", reason="更正")
    after = compute_run(OCTOBER, scheme)

    lines = {
        sheet["body"]: next(line for line in sheet["items"] if line["code"] == "Y4")
        for sheet in json.loads(after.result)["bodies"]
    }
    assert (before.pk, before.seal) != (after.pk, after.seal)
    entry = ManualEntry.objects.get(pk=lines[teams[0]]["entry"])
    assert (entry.reason, entry.body) == ("更正", teams[0])
    # Of 50, 20 and 30 the last is missing: 12.5 x 100/70 = 17.857...
    assert lines[teams[0]]["points"] == "17.86"
    assert lines[teams[1]]["points"] == "17.14"  # 12 x 100/70
    page = client.get("/score/schemes/example-yuncheng/entries/2026-10/")
    assert [row["counts"] for row in page.context["rows"]].count(False) == 1
    window_over()
    late = entered(client, teams[0], "Y4", "20")
    assert late.status_code == 422
    assert "days of objections" in late.content.decode()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"points": "20.1"}, "points"),
        ({"points": "-1"}, "points"),
        ({"points": "a"}, "points"),
        ({"code": "Y1"}, "code"),
        ({"body": "nobody"}, "body"),
        ({"reason": " "}, "reason"),
        ({"evidence": ""}, "evidence"),
    ],
)
def test_points_without_ground_are_refused(client, assessor, words, field):
    Unit.objects.create(code="a-team", kind="sanitation", name_zh="a", name_en="a")
    client.force_login(assessor)

    page = entered(client, **{"body": "a-team", "code": "Y4", "points": "20"} | words)

    assert page.status_code == 422
    assert list(page.context["refusal"].fields) == [field]
    assert not ManualEntry.objects.exists()


def test_a_scheme_without_manual_items_has_nothing_to_enter(client, assessor):
    client.force_login(assessor)

    assert client.get("/score/schemes/2026-v1/entries/2026-10/").status_code == 404
    assert client.get("/score/schemes/example-jinhua/entries/2026-13/").status_code == 404
