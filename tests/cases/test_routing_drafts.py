"""Drafts of routing rules: what they may hold, their dry run, and going live at one moment."""

from datetime import timedelta

import pytest
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import override_settings
from django.utils import timezone

from cases.choices import Role
from cases.errors import DraftClosed, InvalidInput, NotAllowed, StaleRules
from cases.models import CityOptions, DraftRule, Effect, Responsibility, RoutingDraft
from cases.selectors.dry_run import dry_run, dry_run_kept
from cases.selectors.routing import explain_case
from cases.selectors.rule_book import RuleBook, rules_at
from cases.selectors.timeline import events_of
from cases.services.city import load_city
from cases.services.effects import run_effect
from cases.services.ledger_check import verify_ledger
from cases.services.routing import (
    drop_draft,
    open_draft,
    publish_draft,
    put_rule,
    remove_rule,
    take_back,
)
from cases.views.words import rule_words
from tests.cases.test_pages_phone import client_of
from tests.support.city import HUAIHUA, huaihua
from tests.support.people import person
from tests.support.spine import (
    case_of,
    condition,
    dispatched,
    media,
    people,
    report,
    run_dispatch,
)

WEEK = timedelta(days=7)
__all__ = ["condition", "huaihua", "media", "people"]

TERMS = {
    "rank": "locality",
    "condition_id": "event-0405-1",
    "district_id": "hecheng",
    "unit_id": "hecheng-ecology",
    "reason_zh": "试行由生态环境分局负责",
    "reason_en": "Tried with the ecology branch",
}


@pytest.fixture
def admin(db):
    return person("boss", Role.ADMIN)


def begin(admin):
    return open_draft(title="Trial", reason="The brigade is overloaded", actor=admin)


def publish(draft, admin, **words):
    seen = words.pop("seen_edition", None) or dry_run(draft, days=1).edition
    said = {"reason": "Agreed on Monday", "seen_edition": seen, **words}
    return publish_draft(draft_id=draft.pk, actor=admin, **said)


def snapshot():
    rules = Responsibility.objects.order_by("pk").values_list("pk", "code", "valid", "unit_id")
    return list(rules), list(DraftRule.objects.order_by("pk").values())


@pytest.mark.usefixtures("huaihua")
class TestDraft:
    def test_only_a_city_administrator_changes_rules(self, admin):
        draft = begin(admin)
        before = snapshot()
        for stranger in (person("d", Role.DISPATCHER), person("a", Role.ADMIN, "hecheng")):
            with pytest.raises(NotAllowed):
                open_draft(title="Mine", reason="Because", actor=stranger)
            with pytest.raises(NotAllowed):
                put_rule(draft_id=draft.pk, code="x", terms=TERMS, actor=stranger)
            with pytest.raises(NotAllowed):
                publish_draft(draft_id=draft.pk, reason="r", actor=stranger, seen_edition="")

        assert snapshot() == before
        assert RoutingDraft.objects.count() == 1

    def test_it_adds_replaces_and_removes(self, admin):
        draft = begin(admin)

        added = put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        live = Responsibility.objects.get(code="component-0101-water")
        changed = {**live.terms(), "unit_kind": "municipal"}
        replaced = put_rule(draft_id=draft.pk, code=live.code, terms=changed, actor=admin)
        removed = remove_rule(draft_id=draft.pk, code="component-0125-water", actor=admin)

        assert [row.change for row in (added, replaced, removed)] == ["add", "replace", "remove"]
        assert (added.kind, added.major_code, added.minor_id) == ("event", "04", "event-0405")
        assert replaced.base == live

    def test_a_later_put_outdoes_the_earlier_and_take_back_undoes_it(self, admin):
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        put_rule(
            draft_id=draft.pk,
            code="new",
            terms={**TERMS, "unit_id": "hecheng-housing"},
            actor=admin,
        )

        assert draft.rules.get().unit_id == "hecheng-housing"
        take_back(draft_id=draft.pk, code="new", actor=admin)
        assert not draft.rules.exists()

    @pytest.mark.parametrize(
        ("terms", "field"),
        [
            ({"unit_id": None}, "unit"),
            ({"unit_kind": "water"}, "unit"),
            ({"unit_id": "nobody"}, "unit"),
            ({"rank": "best"}, "rank"),
            ({"reason_en": ""}, "reason_en"),
            ({"condition_id": "event-9999-1"}, "condition"),
            ({"minor_id": "event-0107"}, "condition"),
            ({"severity": "emergency_day"}, "severity"),
            ({"condition_id": None, "major_code": "04"}, "kind"),
            ({"county": "431221"}, "county"),
            ({"county": "999999"}, "county"),
            ({"street_code": "431221102"}, "street_code"),
            ({"cell": "431221102001001"}, "cell"),
            ({"source": "pigeon"}, "source"),
            ({"working_time": "lunch"}, "working_time"),
            ({"weight": 3}, "weight"),
        ],
    )
    def test_a_rule_that_contradicts_itself_is_refused_by_name(self, admin, terms, field):
        draft = begin(admin)
        before = snapshot()

        with pytest.raises(InvalidInput) as refused:
            put_rule(draft_id=draft.pk, code="new", terms={**TERMS, **terms}, actor=admin)

        assert list(refused.value.fields) == [field]
        assert snapshot() == before

    def test_a_rule_as_it_is_changes_nothing_and_is_refused(self, admin):
        draft = begin(admin)
        live = Responsibility.objects.get(code="component-0101-water")

        with pytest.raises(InvalidInput, match="nothing would change"):
            put_rule(draft_id=draft.pk, code=live.code, terms=live.terms(), actor=admin)

    @pytest.mark.parametrize("code", ["no such", "", "component-register"])
    def test_a_bad_code_is_refused(self, admin, code):
        draft = begin(admin)

        with pytest.raises(InvalidInput) as refused:
            put_rule(draft_id=draft.pk, code=code, terms=TERMS, actor=admin)

        assert list(refused.value.fields) == ["code"]

    def test_a_dropped_draft_stays_and_cannot_be_changed(self, admin):
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        drop_draft(draft_id=draft.pk, actor=admin)
        before = snapshot()

        for change in (
            lambda: put_rule(draft_id=draft.pk, code="b", terms=TERMS, actor=admin),
            lambda: remove_rule(draft_id=draft.pk, code="component-0101-water", actor=admin),
            lambda: take_back(draft_id=draft.pk, code="new", actor=admin),
            lambda: drop_draft(draft_id=draft.pk, actor=admin),
            lambda: publish(draft, admin),
        ):
            with pytest.raises(DraftClosed):
                change()

        assert snapshot() == before


@pytest.mark.usefixtures("huaihua")
class TestDryRunAndPublication:
    def test_the_dry_run_names_the_cases_that_would_go_elsewhere(self, admin, people, condition):
        number = dispatched(people, condition)
        was = case_of(number)
        draft = begin(admin)
        terms = {**TERMS, "condition_id": condition.code}
        before = snapshot()[0]
        put_rule(draft_id=draft.pk, code="new", terms=terms, actor=admin)

        tried = dry_run(draft, days=7)

        (moved,) = tried.moved
        assert (moved.number, moved.before.rule, moved.after.rule) == (number, was.rule, "new")
        assert [(one.unit.code, one.moved_in, one.moved_out) for one in tried.units] == sorted(
            [("hecheng-ecology", 1, 0), (was.unit_id, 0, 1)]
        )
        assert (tried.checked, tried.before, tried.after) == (1, tried.after, tried.before)
        assert snapshot()[0] == before

    @pytest.mark.parametrize(("ago_s", "agrees"), [(1, True), (61, False)])
    def test_a_dispatch_beside_a_publication_is_explained_by_the_rules_it_read(
        self, admin, people, condition, monkeypatch, ago_s, agrees
    ):
        """It reads the old rules between the moment of the publication and its commit."""
        case = case_of(dispatched(people, condition))
        draft = begin(admin)
        terms = {**TERMS, "condition_id": condition.code}
        put_rule(draft_id=draft.pk, code="new", terms=terms, actor=admin)
        moment = case.event_set.get(action="dispatch").at - timedelta(seconds=ago_s)
        Responsibility.objects.update(valid=DateTimeTZRange(moment - WEEK, None))
        monkeypatch.setattr("cases.services.routing._moment_of_publication", lambda: moment)
        publish(draft, admin)

        told = explain_case(case)

        assert told.agrees is agrees
        assert told.winner.rule.code == (case.rule if agrees else "new")
        assert ("new" in {one.rule.code for one in told.considered}) is not agrees
        assert explain_case(case, at=told.at).winner.rule.code == "new"  # those of that moment

    def test_of_many_cases_the_newest_are_asked_and_that_is_said(
        self, admin, people, condition, monkeypatch
    ):
        numbers = [dispatched(people, condition) for _ in range(3)]
        draft = begin(admin)
        put_rule(
            draft_id=draft.pk,
            code="new",
            terms={**TERMS, "condition_id": condition.code},
            actor=admin,
        )
        whole = dry_run(draft, days=7)
        monkeypatch.setattr("cases.selectors.dry_run.CHUNK", 1)
        assert dry_run(draft, days=7, at=whole.until) == whole

        monkeypatch.setattr("cases.selectors.dry_run.MOST_ASKED", 2)
        tried = dry_run(draft, days=7)

        assert (whole.is_cut, whole.checked, whole.since) == (False, 3, whole.until - WEEK)
        assert (tried.is_cut, tried.checked) == (True, 2)
        assert [one.number for one in tried.moved] == [numbers[2], numbers[1]]
        assert tried.since == case_of(numbers[1]).filed_at
        told = client_of(admin).get(f"/desk/routing/drafts/{draft.pk}/preview/")
        assert "only the newest 2 were asked" in told.content.decode()

    def test_cases_of_a_tie_go_by_the_loads_of_now_and_that_is_said(self, admin, people, condition):
        for _ in range(2):
            dispatched(people, condition)
        CityOptions.objects.update(route_by_load=True)
        draft = begin(admin)
        terms = {**TERMS, "condition_id": condition.code, "by_load": True}
        put_rule(draft_id=draft.pk, code="a", terms=terms, actor=admin)
        others = {**terms, "unit_id": "hecheng-housing"}
        put_rule(draft_id=draft.pk, code="b", terms=others, actor=admin)

        tried = dry_run(draft, days=7)

        assert tried.weighed == 2
        assert [one.after.unit.code for one in tried.moved] == ["hecheng-ecology"] * 2
        answer = client_of(admin).get(f"/desk/routing/drafts/{draft.pk}/preview/")
        assert "dispatch takes turns" in answer.content.decode()
        CityOptions.objects.update(route_by_load=False)
        assert dry_run(draft, days=7).weighed == 0

    @override_settings(
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    )
    def test_the_same_question_is_worked_out_once(self, admin, people, condition, monkeypatch):
        dispatched(people, condition)
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        asked = []

        def count(*words, **named):
            asked.append(named["days"])
            return dry_run(*words, **named)

        monkeypatch.setattr("cases.selectors.dry_run.dry_run", count)
        runs = [dry_run_kept(draft, days=7, user=admin) for _ in range(2)]
        assert runs[0] == runs[1]
        assert asked == [7]

        own = person("own", Role.DISPATCHER, "zhongfang")
        assert dry_run_kept(draft, days=7, user=own).checked == 0  # who sees less asks anew
        dry_run_kept(draft, days=30, user=admin)
        assert asked == [7, 7, 30]
        take_back(draft_id=draft.pk, code="new", actor=admin)
        assert dry_run_kept(draft, days=7, user=admin).edition != runs[0].edition

    @override_settings(
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:9/1",
            }
        }
    )
    def test_it_needs_no_redis(self, admin):
        assert dry_run_kept(begin(admin), days=7, user=admin).checked == 0

    def test_the_dry_run_counts_who_would_end_unrouted(self, admin, people, condition):
        dispatched(people, condition)
        draft = begin(admin)
        terms = {**TERMS, "condition_id": condition.code}
        put_rule(draft_id=draft.pk, code="a", terms=terms, actor=admin)
        put_rule(
            draft_id=draft.pk,
            code="b",
            terms={**terms, "unit_id": "hecheng-housing"},
            actor=admin,
        )

        tried = dry_run(draft, days=7)

        assert (tried.before.conflicting, tried.after.conflicting) == (0, 1)
        assert (tried.before.unrouted, tried.after.unrouted) == (0, 0)

    def test_what_the_dry_run_named_is_what_goes_elsewhere(self, admin, people, condition):
        dispatched(people, condition)
        draft = begin(admin)
        put_rule(
            draft_id=draft.pk,
            code="new",
            terms={**TERMS, "condition_id": condition.code},
            actor=admin,
        )
        (moved,) = dry_run(draft, days=1).moved

        publish(draft, admin)
        number = dispatched(people, condition)

        case = case_of(number)
        assert (case.unit_id, case.rule) == (moved.after.unit.code, "new")
        assert explain_case(case).agrees
        assert explain_case(case_of(moved.number)).result.rule == moved.before.rule

    def test_cases_that_wait_unrouted_are_asked_again(self, admin, people, condition):
        held = Responsibility.objects.all()
        rules = list(held)
        held.delete()
        number = report(people, condition)["number"]
        assert run_dispatch(number) == "unrouted"
        Responsibility.objects.bulk_create(rules)
        draft = begin(admin)
        terms = {**TERMS, "condition_id": condition.code}
        put_rule(draft_id=draft.pk, code="new", terms=terms, actor=admin)
        effects = Effect.objects.filter(case__number=number, kind="dispatch", done_at=None)
        assert not effects.exists()

        publish(draft, admin)

        assert run_effect(Effect.objects.get(kind="ask_again").pk) == "1 asked"
        assert run_effect(effects.get().pk) == "dispatched"
        assert (case_of(number).unit_id, case_of(number).is_unrouted) == ("hecheng-ecology", False)
        assert verify_ledger() == []

    def test_a_case_keeps_the_reason_it_was_given_by(self, admin, people, condition):
        case = case_of(dispatched(people, condition))
        told = rule_words(case, events_of(case))
        rule = Responsibility.objects.get(code=case.rule)
        draft = begin(admin)
        terms = {**rule.terms(), "reason_en": "Another reason"}
        put_rule(draft_id=draft.pk, code=rule.code, terms=terms, actor=admin)

        publish(draft, admin)

        assert told == f"{rule.reason_en} ({rule.code})"
        assert rule_words(case, events_of(case)) == told

    def test_publishing_cuts_all_versions_at_one_moment(self, admin):
        draft = begin(admin)
        live = Responsibility.objects.get(code="component-0101-water")
        changed = {**live.terms(), "unit_kind": "municipal"}
        put_rule(draft_id=draft.pk, code=live.code, terms=changed, actor=admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        remove_rule(draft_id=draft.pk, code="component-0125-water", actor=admin)

        published = publish(draft, admin)

        at = published.published_at
        versions = {
            (rule.code, rule.valid.lower, rule.valid.upper, rule.draft_id)
            for rule in Responsibility.objects.filter(
                code__in=[live.code, "new", "component-0125-water"]
            )
        }
        assert versions == {
            (live.code, None, at, None),
            (live.code, at, None, draft.pk),
            ("new", at, None, draft.pk),
            ("component-0125-water", None, at, None),
        }
        assert (published.published_by, published.published_reason) == (admin, "Agreed on Monday")

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 401])
    def test_publishing_needs_a_reason(self, admin, reason):
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        before = snapshot()

        with pytest.raises(InvalidInput) as refused:
            publish(draft, admin, reason=reason)

        assert list(refused.value.fields) == ["published_reason"]
        assert snapshot() == before

    def test_an_empty_draft_is_not_published(self, admin):
        draft = begin(admin)

        with pytest.raises(InvalidInput):
            publish(draft, admin)

        assert RoutingDraft.objects.get().is_open

    def test_a_draft_changed_after_the_dry_run_is_not_published(self, admin):
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        seen = dry_run(draft, days=1).edition
        put_rule(draft_id=draft.pk, code="other", terms={**TERMS, "source": "media"}, actor=admin)
        before = snapshot()

        with pytest.raises(StaleRules):
            publish(draft, admin, seen_edition=seen)

        assert snapshot() == before
        publish(draft, admin)

    def test_rules_changed_by_another_draft_make_this_one_stale(self, admin):
        first, second = begin(admin), begin(admin)
        for draft in (first, second):
            put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        seen = dry_run(second, days=1).edition
        publish(first, admin)
        before = snapshot()

        with pytest.raises(StaleRules) as refused:
            publish(second, admin, seen_edition=seen)

        assert "new" in refused.value.message
        assert snapshot() == before

    def test_loading_the_city_again_keeps_what_was_published(self, admin):
        draft = begin(admin)
        live = Responsibility.objects.get(code="component-0101-water")
        changed = {**live.terms(), "unit_kind": "municipal"}
        put_rule(draft_id=draft.pk, code=live.code, terms=changed, actor=admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        remove_rule(draft_id=draft.pk, code="component-0125-water", actor=admin)
        publish(draft, admin)
        before = snapshot()

        done = load_city(HUAIHUA, since=None, progress=lambda line: None)

        assert snapshot() == before
        told = done["responsibilities"]
        assert (told["added"], told["changed"], told["closed"]) == (0, 0, 0)

    def test_rules_with_a_draft_are_those_that_will_hold(self, admin):
        draft = begin(admin)
        put_rule(draft_id=draft.pk, code="new", terms=TERMS, actor=admin)
        remove_rule(draft_id=draft.pk, code="component-0125-water", actor=admin)
        count = Responsibility.objects.count()

        publish(draft, admin)

        codes = {rule.code for rule in RuleBook(rules_at(timezone.now())).rules}
        assert len(codes) == count
        assert ("new" in codes, "component-0125-water" in codes) == (True, False)
