"""Routing in the browser: rules, why a unit answers, drafts, their preview, and publishing."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from cases.choices import Role
from cases.models import Case, Condition, DraftRule, Responsibility, RoutingDraft
from cases.selectors.rule_book import rules_at
from cases.services.routing import open_draft, put_rule
from tests.cases.test_pages_phone import client_of
from tests.support.people import person
from tests.support.spine import PLACE, case_of, dispatched, report, run_dispatch, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

DRAFTS = "/desk/routing/drafts/"


@pytest.fixture
def admin():
    return person("adm", Role.ADMIN)


@pytest.fixture
def case(people, condition):
    return case_of(dispatched(people, condition))


def live(code):
    return Responsibility.objects.get(code=code, valid__contains=timezone.now())


def to_others(rule):
    """Return the terms of a rule, but that it leads to the sanitation office of the place."""
    return {**rule.terms(), "unit_id": None, "unit_kind": "sanitation"}


def draft_moving(case, actor):
    """Return a draft that gives what the rule of a case gives to the sanitation office."""
    draft = open_draft(title="换人", reason="试", actor=actor)
    rule = live(case.rule)
    put_rule(draft_id=draft.pk, code=rule.code, terms=to_others(rule), actor=actor)
    return draft


def rules():
    return [(rule.pk, rule.terms()) for rule in rules_at(timezone.now())]


def page(answer):
    return answer.content.decode()


def rows(answer):
    return re.findall(r'data-row="(HH\d{13})"', page(answer))


# --- why this unit ------------------------------------------------------------------------------


def test_a_case_is_explained_with_every_rule(people, case):
    answer = client_of(people.dispatcher).get(f"/desk/routing/explain/?case={case.number}")

    told = answer.context["explanation"]
    assert told.unit == case.unit
    assert answer.context["matching"][0].line.rule.code == case.rule
    shown = [*answer.context["matching"], *answer.context["others"]]
    assert sorted(row.line.rule.code for row in shown) == [
        rule.code for rule in rules_at(timezone.now())
    ]
    assert page(answer).count("<code>") == len(shown) + 1
    assert all(row.words for row in shown)
    asked = answer.context["place_form"].initial  # so that a "what if" is one change away
    assert (asked["condition"], asked["lon"]) == (case.condition_id, PLACE["lon"])


def test_a_place_is_explained_as_it_would_be_dispatched(people, case):
    asked = {**PLACE, "condition": case.condition_id, "source": "inspector"}

    answer = client_of(people.dispatcher).get("/desk/routing/explain/", asked)

    assert answer.context["explanation"].unit == case.unit
    assert case.condition.limit_text in page(answer)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"lon": "0", "lat": "0"}, "lies in none"),
        ({"lon": "", "lat": ""}, "The place is missing."),
        ({**PLACE, "condition": "event-9999-1"}, "not in the list any more"),
        ({**PLACE, "condition": ""}, "Choose what is wrong."),
        ({"case": "HH2026010100001"}, "no such case that you may see"),
    ],
)
def test_a_wrong_question_says_what_is_wrong(people, condition, asked, words):
    said = {"condition": condition.code, **asked}

    answer = client_of(people.dispatcher).get("/desk/routing/explain/", said)

    assert answer.status_code == 422
    assert words in page(answer)
    assert "explanation" not in answer.context


def test_a_unit_is_told_why_of_its_own_cases_only(people, case):
    address = f"/desk/routing/explain/?case={case.number}"
    stranger = person("stranger", Role.UNIT, "zhongfang-sanitation")

    assert client_of(unit_person(case.number)).get(address).context["explanation"].unit == case.unit
    assert "no such case" in page(client_of(stranger).get(address))
    place = {**PLACE, "condition": case.condition_id}
    asked = client_of(stranger).get("/desk/routing/explain/", place)
    assert asked.status_code == 422
    assert "explanation" not in asked.context


def test_the_case_page_leads_to_the_explanation(people, case):
    answer = client_of(people.dispatcher).get(f"/cases/{case.number}/")

    assert f'href="/desk/routing/explain/?case={case.number}"' in page(answer)


# --- the rules ----------------------------------------------------------------------------------


def codes(answer):
    return [line.rule.code for line in answer.context["lines"]]


def test_rules_are_found_by_what_they_may_apply_to(people, case):
    client = client_of(people.dispatcher)

    found = codes(client.get(f"/desk/routing/?category={case.minor_id}&district={case.district}"))
    assert case.rule in found
    assert "any-street-office" in found  # wider, so it may apply too
    kind = case.minor.kind
    assert all(live(code).minor_id in (None, case.minor_id) for code in found)
    assert all(live(code).kind in ("", kind) for code in found)
    assert codes(client.get(f"/desk/routing/?q={case.rule}")) == [case.rule]
    assert codes(client.get("/desk/routing/?q=no-such-rule")) == []


def test_rules_come_in_pages(people, monkeypatch):
    monkeypatch.setattr("cases.views.rule_list.RULES_SHOWN", 100)
    client = client_of(people.dispatcher)

    seen = [code for n in (1, 2, 3) for code in codes(client.get(f"/desk/routing/?page={n}"))]

    assert seen == [rule.code for rule in rules_at(timezone.now())]


def test_contradicting_rules_and_the_case_they_leave_are_shown(people, condition, case):
    rule = live(case.rule)
    twin = Responsibility(code="twin", valid=rule.valid, digest="-", **to_others(rule))
    twin.save()
    number = report(people, condition)["number"]
    assert run_dispatch(number) == "unrouted"

    answer = client_of(people.dispatcher).get("/desk/routing/")

    (conflict,) = answer.context["conflicts"]
    assert [line.rule.code for line in conflict["lines"]] == sorted([case.rule, "twin"])
    assert conflict["numbers"] == [number]
    assert [one.number for one in answer.context["unrouted"]] == [number]
    far = client_of(person("d2", Role.DISPATCHER, "zhongfang")).get("/desk/routing/")
    assert far.context["unrouted"] == []
    assert far.context["conflicts"][0]["numbers"] == []


def test_of_many_unrouted_cases_the_longest_waiting_are_asked(people, condition, case, monkeypatch):
    Responsibility(code="twin", valid=live(case.rule).valid, **to_others(live(case.rule))).save()
    numbers = [report(people, condition)["number"] for _ in range(3)]
    monkeypatch.setattr("cases.selectors.rule_conflicts.MOST_WAITING", 2)
    monkeypatch.setattr("cases.views.rule_list.MOST_WAITING", 2)
    assert {run_dispatch(number) for number in numbers} == {"unrouted"}

    answer = client_of(people.dispatcher).get("/desk/routing/")

    assert answer.context["conflicts"][0]["numbers"] == numbers[:2]
    assert answer.context["unrouted_count"] == 3
    assert "only of the 2 that wait longest" in page(answer)


# --- drafts -------------------------------------------------------------------------------------


def test_a_rule_change_moves_exactly_what_its_preview_names(people, condition, admin, case):
    other = Condition.objects.filter(minor__kind="component").earliest("code")
    dispatched(people, other)
    client = client_of(admin)
    client.post(DRAFTS, {"title": "换人", "reason": "十一月起由环卫负责"})
    draft = RoutingDraft.objects.get()
    form = client.get(f"{DRAFTS}{draft.pk}/rule/?rule={case.rule}").context["form"]
    said = {**form.initial, "unit": "", "unit_kind": "sanitation"}
    said = {name: value or "" for name, value in said.items()}

    client.post(f"{DRAFTS}{draft.pk}/rule/?rule={case.rule}", said)
    preview = client.get(f"{DRAFTS}{draft.pk}/preview/")

    assert preview.context["run"].checked == 2
    assert rows(preview) == [case.number]
    before = rules()
    published = client.post(
        f"{DRAFTS}{draft.pk}/publish/",
        {"reason": "会议决定", "seen_edition": preview.context["run"].edition},
    )
    assert published.status_code == 302
    assert rules() != before
    again = report(people, condition)["number"]
    assert run_dispatch(again) == "dispatched"
    assert case_of(again).unit.kind == "sanitation"
    told = page(client.get(f"{DRAFTS}{draft.pk}/"))
    assert "会议决定" in told
    assert "adm" in told


def test_the_file_holds_the_rows_of_the_page(admin, case):
    address = f"{DRAFTS}{draft_moving(case, admin).pk}/preview/"
    client = client_of(admin)

    answer = client.get(address, {"file": "csv", "was": case.unit_id})

    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *told = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert [row[0] for row in told] == rows(client.get(address)) == [case.number]
    assert head[0] == "Case number"
    assert told[0][5] == case.unit.name
    nothing = client.get(address, {"file": "csv", "was": "-"})
    assert len(list(csv.reader(io.StringIO(nothing.content.decode())))) == 1


def test_a_district_is_shown_what_moves_of_its_own(people, admin, case):
    address = f"{DRAFTS}{draft_moving(case, admin).pk}/preview/"

    own = client_of(person("d1-own", Role.DISPATCHER, case.district)).get(address)
    far = client_of(person("d1-far", Role.DISPATCHER, "zhongfang")).get(address)

    assert rows(own) == [case.number]
    assert rows(far) == []
    assert far.context["run"].checked == 0
    assert "Publish" not in page(own)


def test_older_cases_are_not_replayed(admin, case):
    address = f"{DRAFTS}{draft_moving(case, admin).pk}/preview/"
    Case.objects.update(filed_at=timezone.now() - timedelta(days=10))
    client = client_of(admin)

    assert rows(client.get(f"{address}?days=7")) == []
    assert rows(client.get(f"{address}?days=30")) == [case.number]


def test_what_was_not_looked_at_is_not_published(admin, case):
    draft = draft_moving(case, admin)
    client = client_of(admin)
    address = f"{DRAFTS}{draft.pk}/"
    seen = client.get(f"{address}preview/").context["run"].edition
    put_rule(draft_id=draft.pk, code="new", terms=to_others(live(case.rule)), actor=admin)
    before = rules()

    answer = client.post(f"{address}publish/", {"reason": "快", "seen_edition": seen})

    assert answer.status_code == 409
    assert "have changed since" in page(answer)
    assert rules() == before
    assert RoutingDraft.objects.get().is_open
    newest = answer.context["run"].edition
    assert (
        client.post(f"{address}publish/", {"reason": "快", "seen_edition": newest}).status_code
        == 302
    )


def test_publishing_asks_why(admin, case):
    draft, before = draft_moving(case, admin), rules()

    answer = client_of(admin).post(f"{DRAFTS}{draft.pk}/publish/", {"seen_edition": "x"})

    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"reason"}
    assert rules() == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unit": "", "unit_kind": ""}, "unit"),
        ({"condition": "component-0101-1"}, "condition"),
        ({"cell": "431202101001999"}, "cell"),
        ({"county": "431221", "street_code": "431202101"}, "street_code"),
        ({"reason_zh": ""}, "reason_zh"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_where_it_is_wrong(admin, case, change, field):
    draft = open_draft(title="换人", reason="试", actor=admin)
    client = client_of(admin)
    address = f"{DRAFTS}{draft.pk}/rule/?rule={case.rule}"
    said = {**client.get(address).context["form"].initial, **change}

    answer = client.post(address, {name: value or "" for name, value in said.items()})

    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert "Not saved yet" in page(answer)
    assert not DraftRule.objects.exists()


def test_adding_a_rule_never_replaces_one_unseen(admin, case):
    draft = open_draft(title="增", reason="试", actor=admin)
    client = client_of(admin)
    address = f"{DRAFTS}{draft.pk}/rule/"
    said = client.get(f"{address}?rule={case.rule}").context["form"].initial
    said = {name: value or "" for name, value in said.items()} | {"unit_kind": "sanitation"}

    answer = client.post(address, said)

    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"code"}
    assert not draft.rules.exists()
    client.post(address, {**said, "code": "new"})
    assert [(row.code, row.change) for row in draft.rules.all()] == [("new", "add")]


def test_a_change_is_removed_and_taken_back(admin, case):
    draft = open_draft(title="撤", reason="试", actor=admin)
    client = client_of(admin)
    address = f"{DRAFTS}{draft.pk}/rule/?rule={case.rule}"

    client.post(address, {"remove": "1"})
    assert [(row.code, row.change) for row in draft.rules.all()] == [(case.rule, "remove")]
    assert "removed" in page(client.get(f"{DRAFTS}{draft.pk}/"))
    client.post(address, {"forget": "1"})
    assert not draft.rules.exists()


def test_a_dropped_draft_is_read_and_not_changed(admin, case):
    draft = draft_moving(case, admin)
    client = client_of(admin)

    client.post(f"{DRAFTS}{draft.pk}/drop/")

    assert not RoutingDraft.objects.open().exists()
    assert "换人" in page(client.get(DRAFTS))
    again = client.post(f"{DRAFTS}{draft.pk}/drop/")
    assert again.status_code == 409
    assert client.get(f"{DRAFTS}{draft.pk}/preview/").url == f"{DRAFTS}{draft.pk}/"
    late = client.post(f"{DRAFTS}{draft.pk}/publish/", {"reason": "快", "seen_edition": "x"})
    assert late.status_code == 409
    assert live(case.rule).draft is None


def test_readers_read_and_change_nothing(people, admin, case):
    draft, before = draft_moving(case, admin), rules()
    client = client_of(people.dispatcher)
    address = f"{DRAFTS}{draft.pk}/"

    assert "Open a draft" not in page(client.get(DRAFTS))
    assert "Drop the draft" not in page(client.get(address))
    for part, said in (
        (f"rule/?rule={case.rule}", {"forget": "1"}),
        ("publish/", {"reason": "快", "seen_edition": "x"}),
        ("drop/", {}),
    ):
        assert client.post(address + part, said).status_code == 403
    assert client.post(DRAFTS, {"title": "a", "reason": "b"}).status_code == 403
    assert RoutingDraft.objects.open().get().rules.count() == 1
    assert rules() == before


def test_pages_take_as_many_statements_for_one_case_as_for_three(
    people, condition, admin, case, django_assert_num_queries
):
    client, draft = client_of(admin), draft_moving(case, admin)
    address = f"{DRAFTS}{draft.pk}/preview/"
    client.get(address)
    with django_assert_num_queries(24):
        assert len(rows(client.get(address))) == 1
    for _ in range(2):
        dispatched(people, condition)
    with django_assert_num_queries(24):
        assert len(rows(client.get(address))) == 3
