"""The command and the API: one run for both, and only for those who may read it."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from cityops.accounts.roles import Role
from scoring.models import Run
from tests.support.city import open_logs
from tests.support.people import person


def ask(user, period):
    client = APIClient()
    client.force_authenticate(user)
    return client.get(f"/api/v1/assessments/{period}/")


@pytest.mark.django_db(transaction=True)
def test_command_and_api_share_one_stored_run():
    open_logs()
    out = io.StringIO()

    call_command("score", "2026-10", "--json", stdout=out)
    answer = ask(person("l1", Role.LEADER), "2026-10")

    run = Run.objects.get()
    assert answer.status_code == 200
    assert out.getvalue().strip() == run.result
    assert answer.json()["seal"] == run.seal
    assert answer.json()["bodies"] == json.loads(run.result)["bodies"]
    assert [b["rank"] for b in answer.json()["bodies"]] == [None] * 4


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "scope", "status"),
    [(Role.ASSESSOR, "", 404), (Role.DISPATCHER, "hecheng", 404), (Role.UNIT, "u1", 403),
     (Role.OPERATOR, "", 403)],
)  # fmt: skip
def test_a_bad_period_is_not_found_and_units_are_refused(role, scope, status):
    assert ask(person("p1", role, scope), "2026-13").status_code == status
    assert Run.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("words", [["2026-13"], ["2026-10", "--scheme", "none"]])
def test_the_command_says_what_is_wrong(words):
    with pytest.raises(CommandError) as refusal:
        call_command("score", *words)

    assert refusal.value.returncode == 2
