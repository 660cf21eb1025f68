"""The bulletin of an edition: what it keeps for ever, and what the next one begins with."""

import pytest

from cityops.accounts.roles import Role
from scoring import bulletin_pages
from scoring.models import BulletinText
from tests.scoring.periods_city import LATE, october, rule, touch_heads
from tests.scoring.test_lifecycle import publish, submitted
from tests.support.people import person

ADDRESS = "/score/2026-10/bulletin/"


@pytest.fixture(autouse=True)
def in_english(monkeypatch):
    """Print the papers in the language of the message ids, as assertions read them."""
    monkeypatch.setattr(bulletin_pages, "PAPER_LANGUAGE", "en")


@pytest.fixture
def office(transactional_db, tmp_path):
    """Return three assessors of a city with a month that is over."""
    october(tmp_path)
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(3)]


def paragraphs_of(client, run):
    made = client.get(f"{ADDRESS}?run={run.pk}").context["bulletin"]
    return made.edition, {one.key: one.written for one in made.paragraphs if one.written}


def reissued(office):
    """Publish October once more, after a ruling that moved it."""
    rule(LATE)
    touch_heads()
    return publish(office, reason="申诉成立").run


def test_each_edition_has_its_own_words_and_the_office_writes_those_of_the_next(client, office):
    client.force_login(office[0])
    client.post(ADDRESS, {"ranks": "第一名鹤城区"})
    first = publish(office).run
    client.post(ADDRESS, {"ranks": "第一名中方县"})
    between = paragraphs_of(client, first)
    second = reissued(office)

    assert between == paragraphs_of(client, first) == (1, {"ranks": "第一名鹤城区"})
    assert paragraphs_of(client, second) == (2, {"ranks": "第一名中方县"})


def test_a_re_issue_does_not_print_the_words_of_the_edition_before(client, office):
    client.force_login(office[0])
    client.post(ADDRESS, {"ranks": "第一名鹤城区"})
    publish(office)

    assert paragraphs_of(client, reissued(office)) == (2, {})


def test_nobody_writes_while_a_run_waits_for_approval(client, office):
    client.force_login(office[0])
    submitted(office)

    answer = client.post(ADDRESS, {"ranks": "第一名鹤城区"}, follow=True)

    assert "waits for approval" in answer.content.decode()
    assert not answer.context["may_write"]
    assert not BulletinText.objects.exists()
