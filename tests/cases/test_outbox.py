"""The page of follow-up work: who sees it, and that a ruling counts once and is kept."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from cases.choices import Role
from cases.errors import InvalidInput
from cases.models import Effect, EffectRuling
from cases.relay import take_due
from cases.services import effects
from cases.services.effects import claim_effect, run_effect
from cases.services.rulings import Ruling, rule
from tests.support.people import person
from tests.support.spine import report

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def stuck(key="a", *, state="dead", **words):
    words = {"kind": "canary", "queue": "notify", "scope": "hecheng", "runs": 3, **words}
    return Effect.objects.create(key=key, state=state, last_error="RuntimeError: lost", **words)


def parked(key="p", **words):
    return stuck(key, state="due", kind="tomorrow", runs=0, parked_at=timezone.now(), **words)


@pytest.fixture
def dispatcher():
    return person("d1", Role.DISPATCHER, "hecheng")


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def send(client, ruling, *rows, reason="", query=""):
    keys = [f"{effect.pk}:{effect.runs}" for effect in rows]
    body = {"ruling": ruling, "rows": keys, "reason": reason}
    return client.post(f"/desk/effects/{query}", body)


def offered():
    """Return the keys of what the relay takes; the clock of a test's transaction stands still."""
    Effect.objects.update(next_at=F("next_at") - timedelta(hours=1))
    return [due.effect_id for due in take_due()]


def standing():
    return dict(Effect.objects.values_list("key", "state"))


# --- rulings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["dead", "needs_review"])
def test_what_is_run_again_is_run_once(dispatcher, state):
    effect, client = stuck(state=state), browser_of(dispatcher)

    for _ in range(2):  # clicked twice
        assert send(client, "redrive", effect).status_code == 302

    assert offered() == [effect.pk]
    assert [run_effect(effect.pk) for _ in range(2)] == ["alive", "held elsewhere"]
    ruling = EffectRuling.objects.get()
    assert (ruling.effect, ruling.ruling, ruling.by) == (effect, "redrive", dispatcher)
    assert (ruling.state, ruling.runs, ruling.error) == (state, 3, "RuntimeError: lost")
    assert standing() == {"a": "done"}


def test_what_was_run_again_and_came_back_is_another_matter(dispatcher):
    seen = stuck()
    rule(effect_id=seen.pk, seen_runs=3, ruling=Ruling.REDRIVE, reason="", actor=dispatcher)
    held = Effect.objects.get()
    for _ in range(held.max_runs - held.runs):
        Effect.objects.update(claimed_until=None)
        assert claim_effect(held)
    effects._failed(held, RuntimeError("lost again"))

    old = rule(effect_id=seen.pk, seen_runs=3, ruling=Ruling.REDRIVE, reason="", actor=dispatcher)
    new = rule(effect_id=seen.pk, seen_runs=6, ruling=Ruling.REDRIVE, reason="", actor=dispatcher)

    assert (old, new) == (False, True)
    assert list(EffectRuling.objects.order_by("pk").values_list("runs", flat=True)) == [3, 6]


def test_discarding_needs_a_reason_and_is_final(dispatcher):
    effect, client = stuck(), browser_of(dispatcher)

    refused = send(client, "discard", effect, reason="  ")

    assert refused.status_code == 422
    assert "Say why it need not be done" in refused.content.decode()
    assert f'value="{effect.pk}:3" checked' in " ".join(refused.content.decode().split())
    assert standing() == {"a": "dead"}
    assert not EffectRuling.objects.exists()
    assert send(client, "discard", effect, reason="told by telephone").status_code == 302
    assert standing() == {"a": "discarded"}
    assert send(client, "redrive", effect).status_code == 302
    assert standing() == {"a": "discarded"}
    assert offered() == []
    assert EffectRuling.objects.get().reason == "told by telephone"


def test_parked_work_is_offered_at_once_or_discarded(dispatcher):
    first, second = parked("p1"), parked("p2")
    client = browser_of(dispatcher)
    Effect.objects.update(next_at="2099-01-01T00:00Z")
    assert offered() == []

    send(client, "redrive", first)
    send(client, "discard", second, reason="never needed")

    assert offered() == [first.pk]
    assert standing() == {"p1": "due", "p2": "discarded"}


def test_many_are_ruled_on_at_once_and_those_that_moved_on_left_alone(dispatcher):
    rows = [stuck(str(n)) for n in range(5)]
    Effect.objects.filter(key="4").update(state="done", done_at=timezone.now())

    answer = browser_of(dispatcher).post(
        "/desk/effects/?standing=dead&kind=canary",
        {"ruling": "redrive", "rows": [f"{row.pk}:3" for row in rows]},
        follow=True,
    )

    page = answer.content.decode()
    assert answer.redirect_chain == [("/desk/effects/?standing=dead&kind=canary", 302)]
    assert "4 are run again." in page
    assert "1 had moved on and was left alone." in page
    assert EffectRuling.objects.count() == 4


@pytest.mark.parametrize(
    ("user", "own", "others"),
    [
        (("d2", Role.DISPATCHER, "landport"), "landport", {"hecheng", "city", ""}),
        (("d3", Role.DISPATCHER, ""), "hecheng", {""}),
        (("m1", Role.ADMIN, "hecheng"), "hecheng", {"landport", "city", ""}),
    ],
)
def test_a_ruling_beyond_ones_scopes_changes_nothing(user, own, others):
    client = browser_of(person(*user))
    theirs = [stuck(f"o{n}", scope=scope) for n, scope in enumerate(sorted(others))]
    mine = stuck("mine", scope=own)

    page = client.get("/desk/effects/").content.decode()
    send(client, "discard", *theirs, mine, reason="x")

    assert page.count('name="rows"') == 1
    assert set(standing().values()) == {"dead", "discarded"}
    assert EffectRuling.objects.get().effect == mine


def test_what_runs_in_its_lease_is_not_ruled_on(dispatcher):
    effect = stuck(state="due", runs=1)

    assert not rule(
        effect_id=effect.pk, seen_runs=1, ruling=Ruling.DISCARD, reason="x", actor=dispatcher
    )
    with pytest.raises(InvalidInput):
        rule(
            effect_id=effect.pk,
            seen_runs=1,
            ruling=Ruling.REDRIVE,
            reason="x" * 501,
            actor=dispatcher,
        )
    assert standing() == {"a": "due"}


@pytest.mark.parametrize(
    "body",
    [
        {"ruling": "forget", "rows": ["1:1"]},
        {"ruling": "redrive", "rows": ["1"]},
        {"ruling": "redrive", "rows": ["1:x"]},
        {"ruling": "redrive", "rows": []},
        {"ruling": "redrive", "rows": [f"{n}:1" for n in range(501)]},
    ],
)
def test_a_form_no_page_of_ours_sends_is_refused(dispatcher, body):
    stuck()

    assert browser_of(dispatcher).post("/desk/effects/", body).status_code == 422
    assert standing() == {"a": "dead"}


# --- the page -----------------------------------------------------------------------------------


def test_page_counts_by_scope_and_kind_and_lists_what_waits_most_urgent_first(people, condition):
    number = report(people, condition)["number"]
    Effect.objects.update(state="needs_review", runs=1, last_error="TimeoutError: <b>", urgency=6)
    parked(urgency=1)
    stuck("x", scope="landport")
    stuck("machine", scope="", kind="scan_deadlines", state="due", queue="dispatch.city")

    page = browser_of(person("adm", Role.ADMIN)).get("/desk/effects/").content.decode()

    for words in ("the system itself", "look at the deadlines", "TimeoutError: &lt;b&gt;"):
        assert words in page
    assert page.count('name="rows"') == 3
    assert page.index("tomorrow</") < page.rindex(number)
    assert "No worker in service knows this kind of work." in page
    narrowed = browser_of(people.dispatcher).get("/desk/effects/?scope=landport&standing=dead")
    assert narrowed.content.decode().count('name="rows"') == 1


def test_page_takes_as_many_statements_for_many_rows(dispatcher, django_assert_num_queries):
    client = browser_of(dispatcher)
    stuck("0")
    client.get("/desk/effects/")
    for n in range(1, 4):
        send(client, "redrive", stuck(str(n)))
        Effect.objects.filter(key=str(n)).update(state="dead", runs=4)
    with django_assert_num_queries(STATEMENTS):
        client.get("/desk/effects/")
    Effect.objects.exclude(key="1").update(state="done", done_at=timezone.now())
    with django_assert_num_queries(STATEMENTS):
        client.get("/desk/effects/")


STATEMENTS = 9
