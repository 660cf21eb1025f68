"""A run of a period that is over stands until something moves it."""

from datetime import timedelta

import pytest
from django.db.models import Max

from cases.models import Case, DistrictHead, Event
from scoring import services
from scoring.models import Run
from scoring.versions import scheme_of
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, day, random_log
from tests.scoring.periods_city import OCTOBER, rule
from tests.support.scores import score_now


def read_to_the_end():
    """Let the heads say how far each log goes, as the ledger does with every event."""
    for scope in (*DISTRICTS, "city"):
        last = Event.objects.filter(scope=scope).aggregate(last=Max("dseq"))["last"] or 0
        said = {"dseq": last, "hash": b"%d" % last, "at": day("10-01")}
        Event.objects.filter(scope=scope, dseq=last).update(hash=said["hash"])
        DistrictHead.objects.update_or_create(scope=scope, defaults=said)


@pytest.fixture
def run(huaihua):
    write([row for row in random_log(3, cases=60) if row.at < day("11-20")])
    read_to_the_end()
    return score_now(OCTOBER, scheme_of())


def number_of():
    closed = Case.objects.filter(reported_at__lt=OCTOBER.end, stage="closed")
    return closed.earliest("pk").number


@pytest.mark.django_db
def test_it_stands_while_what_is_written_moves_nothing(run):
    rule(number_of(), "answer_audit", passed=True)
    read_to_the_end()

    assert score_now(OCTOBER, scheme_of()) == run
    assert Run.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("action", ["decide_appeal", "adjust"])
def test_a_ruling_on_one_of_its_cases_makes_another(run, action):
    rule(number_of(), action, approved=True)
    read_to_the_end()

    newer = score_now(OCTOBER, scheme_of())

    assert newer.as_of > run.as_of


@pytest.mark.django_db
def test_a_ruling_on_a_case_of_later_moves_nothing(run):
    number = number_of()
    Case.objects.filter(number=number).update(reported_at=OCTOBER.end + timedelta(days=1))
    rule(number, "adjust", approved=True)
    read_to_the_end()

    assert score_now(OCTOBER, scheme_of()) == run


@pytest.mark.django_db
def test_a_ruling_on_a_case_closed_for_good_long_before_moves_nothing(run):
    audited = Event.objects.filter(action="answer_audit").values("case")
    number = Case.objects.filter(stage="closed").exclude(pk__in=audited).earliest("pk").number
    Case.objects.filter(number=number).update(closed_at=day("07-01"))
    rule(number, "adjust", approved=True)
    read_to_the_end()

    assert score_now(OCTOBER, scheme_of()) == run


@pytest.mark.django_db
def test_an_event_written_later_and_of_before_makes_another(run):
    event = rule(number_of(), "answer_audit", passed=True)
    Event.objects.filter(pk=event.pk).update(at=day("10-20"))
    read_to_the_end()

    assert score_now(OCTOBER, scheme_of()) != run


@pytest.mark.django_db
def test_other_definitions_make_another(run, monkeypatch):
    rule(number_of(), "answer_audit", passed=True)
    read_to_the_end()
    monkeypatch.setattr(services, "DEFINITIONS", services.DEFINITIONS + 1)

    assert score_now(OCTOBER, scheme_of()) != run


@pytest.mark.django_db
def test_a_log_that_was_put_back_and_went_another_way_makes_another(run):
    rule(number_of(), "answer_audit", passed=True)
    Event.objects.filter(dseq=run.heads["hecheng"], scope="hecheng").update(hash=b"another")
    DistrictHead.objects.filter(scope="hecheng").update(dseq=run.heads["hecheng"] + 1)

    assert score_now(OCTOBER, scheme_of()) != run
