"""One definition of who sees a case: list, page, API, desk, map, photo and live all agree.

Random people, each with random roles and scopes, look at the same cases of every stage.
"""

import json
import random

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from cases.choices import OPEN_STAGES, Action, Role, Stage
from cases.models import Attachment, Case, Event, Task
from cases.policy import actions_for, can, may_read_log, reach_of
from cases.selectors.desk_alarms import desk_alarms
from cases.selectors.dispatch_advice import alike_waiting
from cases.selectors.feed import events_between, may_know, read_heads
from cases.selectors.live_map import cards, live_map
from cases.selectors.recurrence import recurrence
from cases.selectors.same_place import same_place
from cases.selectors.timeline import events_of
from cases.selectors.worklist import counts, held, queue
from cases.workflow import MOVES
from cityops.accounts.models import Grant
from cityops.accounts.roles import ScopeKind
from tests.test_permissions import media, world

__all__ = ["media", "world"]
pytestmark = pytest.mark.django_db

DISTRICTS = ("hecheng", "landport", "hightech")
_COMMON = (Role.INSPECTOR, Role.UNIT, Role.UNIT_HEAD)
_USUAL = {
    Role.INSPECTOR: ScopeKind.GRIDS,
    Role.UNIT: ScopeKind.UNIT,
    Role.UNIT_HEAD: ScopeKind.UNIT,
}
UNITS = ("office", "zone-office", "brigade")


def random_grants(user, rng: random.Random) -> None:
    """Give up to three roles, sensible or not: whatever the table of grants can hold."""
    for _ in range(rng.randint(0, 3)):
        role = rng.choice([*Role, *_COMMON])
        kind = _USUAL.get(role, rng.choice((ScopeKind.CITY, ScopeKind.DISTRICT)))
        if rng.random() < 0.3:
            kind = rng.choice(list(ScopeKind))
        key = {
            ScopeKind.CITY: "",
            ScopeKind.DISTRICT: rng.choice(DISTRICTS),
            ScopeKind.UNIT: rng.choice(UNITS),
            ScopeKind.GRIDS: "own",
        }[kind]
        try:
            with transaction.atomic():
                Grant.objects.create(user=user, role=role, scope_kind=kind, scope_key=key)
        except IntegrityError:  # both centres, or twice the same
            continue


def somebody(seed: int):
    """Return a person made from `seed`, who may have reported cases or have tasks."""
    rng = random.Random(seed)  # noqa: S311  # reproducible, not secret
    user = get_user_model().objects.create_user(f"random{seed}", name=f"random{seed}")
    random_grants(user, rng)
    numbers = list(Case.objects.order_by("number").values_list("pk", flat=True))
    Case.objects.filter(pk__in=rng.sample(numbers, 2)).update(reporter=user)
    Case.objects.filter(pk__in=rng.sample(numbers, 2)).update(assist_units=[rng.choice(UNITS)])
    Case.objects.filter(pk__in=rng.sample(numbers, 2)).update(parent_unit=rng.choice(UNITS))
    before = [rng.choice(DISTRICTS)]
    Case.objects.filter(pk__in=rng.sample(numbers, 2)).update(also_districts=before)
    Task.objects.filter(
        pk__in=rng.sample(list(Task.objects.values_list("pk", flat=True)), 1)
    ).update(assignee=user)
    if rng.random() < 0.05:
        user.is_active = False
        user.save(update_fields=["is_active"])
    return get_user_model().objects.with_grants().get(pk=user.pk)


@pytest.mark.parametrize("seed", range(20))
def test_mistake_11_every_door_agrees_on_who_sees_a_case(world, client, seed):
    user = somebody(seed)
    cases = list(Case.objects.order_by("number"))
    seen = set(Case.objects.all().visible_to(user).values_list("number", flat=True))

    assert {case.number for case in cases if _by_policy(user, case)} == seen
    assert _by_hub(user) == seen
    shown = {c.number for c in cases if c.number in seen and c.stage in OPEN_STAGES}
    assert set(json.loads(live_map(user))["number"]) == shown
    now = timezone.now()
    assert counts(user, at=now)["all"] == len(shown)
    assert {case.number for case in queue(held(user, "all", at=now), at=now)} == shown
    for case in cases:
        assert {row.case.number for row in same_place(case, user).rows} <= seen - {case.number}
        assert {one.number for one in alike_waiting(case, user)} <= seen - {case.number}
        back = recurrence(case, user, events_of(case), at=now)
        named = {row.number for side in (back.closings, back.returns) for row in side.seen}
        assert named <= seen - {case.number}
        assert case.number in seen or not may_read_log(user, case)
    assert {alarm.case.number for alarm in desk_alarms(user, at=now).rows} <= seen

    if not user.is_active:
        assert seen == set()
        return
    client.force_login(user)
    assert {card.number for card in cards(user, [c.number for c in cases])} == seen
    phone = client.get("/m/").context
    tasks = [row["card"].case for group in phone["groups"] for row in group["rows"]]
    reports = [row["case"] for row in phone["reports"]]
    assert {case.number for case in [*tasks, *reports]} <= seen
    listed = client.get("/api/v1/cases/").json()["cases"]
    assert {row["number"] for row in listed} == seen
    context = client.get("/cases/?show=200").context
    assert {row.case.number for row in context["rows"]} == seen
    assert context["count"] == len(seen)
    for case in cases:
        expected = 200 if case.number in seen else 404
        for address in ("/cases/{}/", "/cases/{}/panel/", "/api/v1/cases/{}/"):
            assert client.get(address.format(case.number)).status_code == expected, address
        actions = client.get(f"/api/v1/cases/{case.number}/actions/")
        assert actions.status_code == expected
        if expected == 200:
            offered = {row["action"] for row in actions.json()["actions"]}
            assert offered == set(_allowed(user, case))
        else:
            assert _allowed(user, case) == []
    for photo in Attachment.objects.select_related("case"):
        expected = 200 if photo.case.number in seen else 404
        assert client.get(f"/photos/{photo.pk}/").status_code == expected
        assert client.get(f"/photos/{photo.pk}/small/").status_code == expected


def _by_policy(user, case) -> bool:
    return reach_of(user).holds(
        districts=[case.district, *case.also_districts],
        units=[case.unit_id, case.parent_unit, *case.assist_units],
        reporter_id=case.reporter_id,
        assignees=set(case.task_set.values_list("assignee", flat=True)),
    )


def _by_hub(user) -> set[str]:
    return {
        event.number
        for scope, head in read_heads().items()
        for event in events_between(scope, 0, head)
        if may_know(reach_of(user), event)
    }


def _allowed(user, case) -> list[Action]:
    task = Task.objects.open().filter(case=case).first()
    assignee = task.assignee_id if task else None
    now = timezone.now()
    allowed = actions_for(user, case, at=now, assignee_id=assignee)
    assert allowed == [a for a in MOVES if can(user, a, case, at=now, assignee_id=assignee)]
    return allowed


def test_the_random_people_differ(world):
    """The agreement above says little if everybody sees everything or nothing."""
    counted = [Case.objects.all().visible_to(somebody(seed)).count() for seed in range(20)]

    assert 0 in counted
    assert max(counted) == Case.objects.count()
    assert len(set(counted)) >= 4


def test_events_name_cases_at_every_stage(world):
    stages = set(Case.objects.values_list("stage", flat=True))

    assert stages >= {Stage.REPORTED, Stage.HANDLING, Stage.CHECKED, Stage.DISPUTED}
    assert Event.objects.exclude(case=None).count() == Event.objects.count()


def test_nobody_acts_as_the_system(world):
    user = get_user_model().objects.create_user("machine", name="machine")
    Grant.objects.create(user=user, role=Role.SYSTEM, scope_kind=ScopeKind.CITY)
    user = get_user_model().objects.with_grants().get(pk=user.pk)

    assert not Case.objects.all().visible_to(user).exists()
    assert all(actions_for(user, case, at=timezone.now()) == [] for case in Case.objects.all())
