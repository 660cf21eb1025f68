"""People and helpers that lead a case along its spine."""

import io
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from cases.choices import Action, Role
from cases.models import Case, Condition, Effect
from cases.selectors.deadline import as_timed, handling_story
from cases.selectors.timeline import events_of
from cases.services.effects import run_effect
from cases.services.intake import Report, report_case
from cases.services.moves import take_action
from cases.services.photo_store import Made
from cases.services.photos import store
from cityops.accounts.models import User
from tests.support.people import person

PLACE = {"lon": 109.9765, "lat": 27.5505}  # 城中街道, in the built-up area of 鹤城区


@pytest.fixture
def people() -> SimpleNamespace:
    """Return one person of each post of the spine."""
    return SimpleNamespace(
        inspector=person("i1", Role.INSPECTOR, grids=("431202",)),
        checker=person("i2", Role.INSPECTOR, grids=("431202",)),
        acceptor=person("a1", Role.ACCEPTOR),
        chief=person("c1", Role.DUTY_CHIEF),
        dispatcher=person("d1", Role.DISPATCHER),
        operator=person("o1", Role.OPERATOR),
    )


@pytest.fixture
def condition() -> Condition:
    """Return an event condition with a limit of work hours."""
    return Condition.objects.filter(minor__kind="event", limit_unit="work_hour").earliest("code")


def photo(kind="after"):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "grey").save(out, "JPEG")
    stored = store(io.BytesIO(out.getvalue()), kind=kind, sender=None)
    return replace(stored, made=Made(stored.sha256, 64, 48, stored.size))


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def report(people, condition, *, actor=None, photos=(), **words):
    said = Report(**PLACE, category=condition.minor_id, condition=condition.code, **words)
    if actor is None:
        is_own = said.source == "inspector"
        actor = people.inspector if is_own else people.operator
    return report_case(report=said, actor=actor, key=uuid.uuid4(), photos=photos)


def run_dispatch(number):
    effect = Effect.objects.get(case__number=number, kind="dispatch", done_at=None)
    return run_effect(effect.pk)


def act(number, action, actor, **inputs):
    photos = inputs.pop("photos", ())
    return take_action(
        number=number,
        action=action,
        actor=actor,
        seen_version=Case.objects.get(number=number).version,
        inputs=inputs,
        photos=photos,
    )


def unit_person(number):
    code = Case.objects.get(number=number).unit_id
    known = User.objects.with_grants().filter(username=f"u-{code}").first()
    return known or person(f"u-{code}", Role.UNIT, code)


def dispatched(people, condition):
    number = report(people, condition)["number"]
    assert run_dispatch(number) == "dispatched"
    return number


def unexplained():
    """Return the cases whose deadlines, with and without extensions, their log does not explain."""
    wrong = []
    for case in Case.objects.order_by("pk"):
        story = handling_story(case, events_of(case))
        if story is None:
            found = (None, None)
        else:
            timed = as_timed(case, story)
            found = (timed.explanation.due, timed.without_extensions().explanation.due)
        if found != (case.due_at, case.base_due_at):
            wrong.append((case.number, case.stage, (case.due_at, case.base_due_at), found))
    return wrong


def case_of(number) -> Case:
    return Case.objects.get(number=number)


def signed(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    return number, unit


def closed(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)
    return number, unit


def head_of(number):
    code = case_of(number).unit_id
    return person(f"h-{code}", Role.UNIT_HEAD, code)
