"""The demo city's inputs beside the cases: through the services, once, the same for a seed."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from cases.choices import DISTRICT_SLUGS
from cases.models import Case
from cases.services.demo_users import create_demo_users
from cases.simulation import simulate
from cityops.accounts.models import User
from scoring.demo import ANSWERS, fill_inputs
from scoring.key_tasks import key_task_measures
from scoring.measured import (
    KeyTask,
    Milestone,
    OnsiteAnswer,
    OnsiteDraw,
    OnsiteFinding,
    OnsitePoint,
    Survey,
    SurveyAnswer,
)
from scoring.onsite import onsite_measures
from scoring.satisfaction import satisfaction_measures
from scoring.selectors import log_span

UNTIL = timezone.now() - timedelta(minutes=1)
DAYS = 20


@pytest.fixture(scope="module")
def city(huaihua, django_db_blocker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "demo_password").write_text("the-demo-password\n")
    settings = {"DEMO": True, "DEMO_PASSWORD_FILE": folder / "demo_password", "MEDIA_ROOT": folder}
    with django_db_blocker.unblock(), override_settings(**settings):
        create_demo_users()
        simulate(days=DAYS, per_day=8, seed=5, until=UNTIL, progress=lambda line: None)
        yield


@pytest.mark.django_db
def test_the_months_of_the_log_get_their_inputs_once(city):
    first = fill_inputs(seed=1, progress=lambda line: None)
    again = fill_inputs(seed=1, progress=lambda line: None)
    start, end = log_span()

    assert first["points"] == OnsiteAnswer.objects.count() > 0
    assert first["answers"] == SurveyAnswer.objects.count()
    assert first["answers"] == Survey.objects.count() * ANSWERS * len(DISTRICT_SLUGS)
    assert first["tasks"] == KeyTask.objects.count() == 12
    assert again == {"points": 0, "answers": 0, "tasks": 0}
    assert OnsiteAnswer.objects.filter(at__gt=end).count() == 0
    known = {case.number: case for case in Case.objects.all()}
    for one in OnsiteFinding.objects.select_related("answer__point__draw"):
        items = {i["code"]: i for i in one.answer.point.draw.checklist["items"]}
        case = known[one.known_case]
        assert case.district == one.answer.point.body
        assert case.minor_id == items[one.code]["category"]
    wide = start - timedelta(days=31), end + timedelta(days=31)
    for measures in (
        onsite_measures(*wide),
        satisfaction_measures(*wide, end),
        key_task_measures(*wide, end),
    ):
        assert all(0 <= one.value <= 100 for one in measures.values())
    assert Milestone.objects.exclude(confirmed_at=None).count() > 0


@pytest.mark.django_db
def test_equal_seeds_give_equal_rows(city):
    def filled(seed):
        fill_inputs(seed=seed, progress=lambda line: None)
        return [
            list(OnsitePoint.objects.order_by("draw__period", "body", "order")
                 .values_list("body", "cell", "assessor__username")),
            list(OnsiteAnswer.objects.order_by("point__draw__period", "point__body",
                 "point__order").values_list("score", "at")),
            list(SurveyAnswer.objects.order_by("pk").values_list("number", "mark", "said_on")),
            list(Milestone.objects.order_by("pk").values_list("name", "due_on", "met_on")),
        ]  # fmt: skip

    def forget():
        for model in (OnsiteFinding, OnsiteAnswer, OnsitePoint, OnsiteDraw, SurveyAnswer, Survey):
            model.objects.all().delete()
        KeyTask.objects.update(version=1)
        for task in KeyTask.objects.all():
            task.changes.all().delete()
            task.milestones.all().delete()
            task.delete()

    rows = filled(7)
    forget()
    same = filled(7)
    forget()
    other = filled(8)

    assert same == rows
    assert other[1:] != rows[1:]


@pytest.mark.django_db
def test_a_real_city_and_one_without_demo_people_are_left_alone(city):
    with override_settings(DEMO=False), pytest.raises(CommandError, match="real city"):
        call_command("demo_inputs")
    User.objects.update(is_demo=False)
    with override_settings(DEMO=True), pytest.raises(CommandError, match="two demo assessors"):
        call_command("demo_inputs")

    assert (OnsiteDraw.objects.count(), KeyTask.objects.count()) == (0, 0)
