"""The bulletin of an edition: what it keeps for ever, and what the next one begins with."""

import importlib

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cases.errors import PeriodClosed
from cityops.accounts.roles import Role
from scoring import bulletin_pages
from scoring.bulletin_texts import confirm_template, keep_template
from scoring.models import BulletinText, Edition
from scoring.periods import parse_period
from scoring.publishing import approve_edition, return_edition
from scoring.services import compute_run
from tests.scoring.periods_city import LATE, OCTOBER, october, rule, touch_heads
from tests.scoring.test_bulletin import edited
from tests.scoring.test_lifecycle import publish, submitted
from tests.support.people import person

ADDRESS = "/score/2026-10/bulletin/"
SEPTEMBER = parse_period("2026-09")


@pytest.fixture(autouse=True)
def in_english(monkeypatch):
    """Print the papers in the language of the message ids, as assertions read them."""
    monkeypatch.setattr(bulletin_pages, "PAPER_LANGUAGE", "en")


@pytest.fixture
def office(transactional_db, tmp_path):
    """Return three assessors of a city with two months that are over."""
    october(tmp_path, with_september=True)
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(3)]


def file_of(client, run, form):
    answer = client.get(f"{ADDRESS}{form}/?run={run.pk}")
    assert answer.status_code == 200
    return answer


def ranks_of(client, run):
    made = client.get(f"{ADDRESS}?run={run.pk}").context["bulletin"]
    return next(one.text for one in made.paragraphs if one.key == "ranks")


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


@pytest.mark.parametrize("form", ["word", "pdf", "excel"])
def test_an_edition_is_the_same_file_whatever_becomes_of_the_month_before(client, office, form):
    client.force_login(office[0])
    first = publish(office).run
    printed = file_of(client, first, form)
    assert "from September 2026" in ranks_of(client, first)

    rule("HHzhongfang900")  # September stands otherwise from here on, and is published
    touch_heads()
    publish(office, period=SEPTEMBER)
    again = file_of(client, first, form)
    second = reissued(office)

    assert "v1" in printed["Content-Disposition"]
    assert printed.content == again.content == file_of(client, first, form).content
    assert ranks_of(client, second) != ranks_of(client, first)


def test_a_run_that_waits_shows_its_approver_what_will_be_printed(client, office):
    client.force_login(office[1])
    waiting = submitted(office)
    shown = ranks_of(client, waiting.run)

    rule("HHzhongfang900")
    touch_heads()
    compute_run(SEPTEMBER)

    assert "from September 2026" in shown
    assert ranks_of(client, waiting.run) == shown


# --- its template -------------------------------------------------------------------------------


def template(office, content):
    """Keep and confirm a template."""
    sent = keep_template(content=content, name="a.docx", actor=office[0])
    confirm_template(template=sent.pk, actor=office[1])
    return sent


def test_an_edition_keeps_the_template_that_held_when_it_was_submitted(client, office):
    client.force_login(office[2])
    sent = template(office, edited(lambda text: text.replace("城市管理工作通报", "简报")))
    waiting = submitted(office)
    for change in (
        lambda: keep_template(content=b"x", name="b", actor=office[0]),
        lambda: confirm_template(template=sent.pk, actor=office[2]),
    ):
        with pytest.raises(PeriodClosed):
            change()
    shown = client.get("/score/2026-10/standing/").content.decode()
    run = waiting.run
    approve_edition(period=OCTOBER, edition=waiting.pk, seen_seal=run.seal, actor=office[1])
    printed = file_of(client, run, "word").content
    later = template(office, edited(lambda text: text.replace("城市管理工作通报", "快报")))

    assert sent.digest in shown
    assert later.digest not in client.get(f"{ADDRESS}?run={run.pk}").content.decode().partition(
        "Templates sent")[0]  # fmt: skip
    assert file_of(client, run, "word").content == printed
    assert Edition.objects.get().template == sent


def test_no_run_is_submitted_with_a_template_nobody_confirmed(office):
    sent = keep_template(content=b"x", name="a.docx", actor=office[0])
    edition = submitted(office)

    assert edition.template is None
    return_edition(period=OCTOBER, edition=edition.pk, reason="a", actor=office[1])
    with pytest.raises(IntegrityError), transaction.atomic():
        Edition.objects.create(
            period=edition.period, number=1, run=edition.run, template=sent,
            submitted_by=office[0], submitted_at=timezone.now(),
        )  # fmt: skip


def test_an_upgrade_gives_the_editions_of_before_what_their_papers_were_made_from(office):
    sent = template(office, b"x")
    publish(office, period=SEPTEMBER)
    before = publish(office)
    migration = importlib.import_module("scoring.migrations.0010_editions_mended")

    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE scoring_edition DISABLE TRIGGER scoring_edition_stands")
        Edition.objects.update(compared="", template=None)
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        migration.keep(apps, editor)

    after = Edition.objects.get(pk=before.pk)
    assert (after.compared, after.template) == (before.compared, sent)
    with pytest.raises(IntegrityError), transaction.atomic():
        Edition.objects.update(compared="")
