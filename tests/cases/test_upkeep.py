"""Rows that have served their time are deleted; what somebody waits for or ruled on is not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cases.choices import Role
from cases.models import Effect, EffectRuling
from cases.services.upkeep import delete_old_ticks
from tests.support.people import person

KINDS = ("notify", "send", "send_test", "reply", "photo", "task", "recompute_deadlines", "dispatch")


def put(key, state, *, days, **words):
    """Write an effect that came and, if it is done, was done so many days ago."""
    at = timezone.now() - timedelta(days=days)
    done_at = at if state == "done" else None
    terms = {"queue": "notify", "scope": "hecheng", **words}
    return Effect.objects.create(key=key, state=state, created_at=at, done_at=done_at, **terms)


@pytest.mark.django_db
def test_work_that_is_over_is_deleted_after_ninety_days():
    for state in ("done", "dead", "needs_review", "discarded"):
        for days in (89, 91):
            for kind in KINDS:
                put(f"{state} {kind} {days}", state, days=days, kind=kind)
    ruled = put("ruled", "dead", days=91, kind="send_test")
    EffectRuling.objects.create(
        effect=ruled, ruling="redrive", by=person("boss", Role.ADMIN), state="dead", runs=1
    )
    before = set(Effect.objects.values_list("key", flat=True))

    delete_old_ticks()

    gone = before - set(Effect.objects.values_list("key", flat=True))
    over = {f"done {kind} 91" for kind in KINDS if kind != "dispatch"}
    stuck = {f"{state} {kind} 91" for state in ("dead", "needs_review") for kind in ("notify",)}
    stuck |= {f"{state} send_test 91" for state in ("dead", "needs_review")}
    assert gone == over | stuck
