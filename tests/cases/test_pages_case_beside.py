"""What the case page says beside the stage, how it orders what can be done, and its refusals."""

import ast
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from cases.choices import Action, Role, Stage
from cases.models import Case, CityOptions, Condition, District, Event, Task
from cases.selectors.telephones import said_to
from cases.views.action_forms import GROUPS, NEXT, action_forms, offer_of
from cases.views.timeline import timeline
from cases.workflow import MOVES
from tests.support.people import person
from tests.support.spine import (
    act,
    dispatched,
    head_of,
    photo,
    report,
    run_dispatch,
    signed,
    unit_person,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def client_of(user, language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def page_of(user, number, language="en"):
    answer = client_of(user, language).get(f"/cases/{number}/")
    return " ".join(answer.content.decode().split())


def send(user, number, action, language="en", **fields):
    version = Case.objects.get(number=number).version
    form = {"action": action, "seen_version": version, "key": str(uuid.uuid4()), **fields}
    return client_of(user, language).post(f"/cases/{number}/actions/", form)


def offered(user, number):
    case = Case.objects.get(number=number)
    offer = offer_of(action_forms(user, case), case)
    return (
        offer.first and offer.first.action,
        [form.action for form in offer.turn],
        {title: [form.action for form in forms] for title, forms in offer.groups},
    )


def soon():
    return f"{timezone.localtime() + timedelta(hours=20):%Y-%m-%dT%H:%M}"


# --- what can be done ---------------------------------------------------------------------------


def test_every_action_of_the_table_stands_in_one_place_of_the_page():
    placed = [*NEXT, *(action for _title, actions in GROUPS for action in actions)]

    assert len(placed) == len(set(placed))
    assert set(placed) == set(MOVES) - {Action.SUPPORT}  # taken at a hint, not at the case


@pytest.mark.usefixtures("english")
def test_what_is_ones_turn_stands_on_top_and_what_ends_a_case_last(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")

    assert offered(unit, number) == (
        "finish",
        [],
        {"Ask": ["request_suspension"], "Move elsewhere": ["return"]},
    )
    assert offered(head_of(number), number)[0] == "decide_extension"
    assert offered(people.dispatcher, number) == (
        None,
        [],
        {
            "Ask": ["send_assist"],
            "Supervise": ["remind"],
            "Move elsewhere": ["reassign", "redispatch", "merge"],
        },
    )
    assert list(offered(people.chief, number)[2]) == ["Decide", "Supervise", "End"]


def test_a_returned_case_is_the_dispatchers_to_re_assign(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="other")

    first, turn, _groups = offered(people.dispatcher, number)

    assert (first, turn) == ("reassign", [])
    assert "</span> Returned: another reason </li>" in page_of(people.dispatcher, number)


def test_what_ends_a_case_is_named_with_it(people, condition):
    number = dispatched(people, condition)

    page = page_of(people.chief, number)

    assert page.count(f"<summary> Void HH…{number[-5:]} </summary>") == 1
    assert page.count(f"Force-close HH…{number[-5:]}</button>") == 1


def test_the_first_form_is_open_without_a_click_and_the_others_are_not(people, condition):
    number, unit = signed(people, condition)

    page = page_of(unit, number)

    assert '<div class="turn"> <h3> Finish handling </h3> <form' in page
    assert page.count('<details class="act" >') == 3
    assert '<details class="act" open' not in page


def test_a_decision_shows_what_was_asked_for(people, condition):
    number, unit = signed(people, condition)
    until = timezone.localdate() + timedelta(days=9)
    act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=f"{until}")

    page = page_of(people.dispatcher, number)

    about = re.search(r'<p class="about">(.*?)</p>', page)
    assert about is not None
    assert about[1].startswith("suspension · asked at ")
    assert about[1].endswith(f" · season · until the end of {until}")


def test_days_and_times_are_suggested_and_bounded(people, condition):
    number, unit = signed(people, condition)
    case, today = Case.objects.get(number=number), timezone.localdate()
    leader = person("leader", Role.LEADER)

    (until,) = [
        field
        for form in action_forms(unit, case)
        if form.action == "request_suspension"
        for field in form.fields
        if field.name == "until"
    ]
    (reply_by,) = [
        field
        for form in action_forms(leader, case)
        if form.action == "supervise"
        for field in form.fields
        if field.name == "reply_by"
    ]

    assert (until.low, until.value, until.high) == tuple(
        f"{today + timedelta(days=days)}" for days in (0, 30, 365)
    )
    assert reply_by.low < reply_by.value < reply_by.high
    assert reply_by.value.startswith(f"{timezone.localtime() + timedelta(hours=24):%Y-%m-%dT}")


def test_suggested_days_and_times_are_taken(people, condition):
    number, _unit = signed(people, condition)
    leader = person("leader", Role.LEADER)
    case = Case.objects.get(number=number)
    forms = {form.action: form for form in action_forms(leader, case)}
    said = {field.name: field.value for field in forms["supervise"].fields if field.value}
    defer = {field.name: field.value for field in forms["defer"].fields if field.value}

    assert send(leader, number, "supervise", note="快办", **said).status_code == 302
    assert send(leader, number, "defer", reason="budget", **defer).status_code == 302


def test_conditions_to_re_classify_stand_under_their_classes(people, condition):
    number = dispatched(people, condition)

    page = page_of(people.chief, number)

    assert page.count("<optgroup") == Condition.objects.values("minor").distinct().count()


def test_several_units_are_asked_to_assist_and_kept_when_refused(people, condition):
    number, _unit = signed(people, condition)
    two = ["hecheng-urban-management", "hecheng-housing"]

    refused = send(people.dispatcher, number, "send_assist", assist=[*two, "nobody"])
    kept = re.findall(r'value="([a-z-]+)"\s+checked', refused.content.decode())

    assert refused.status_code == 422
    assert sorted(kept) == sorted(two)
    assert Event.objects.filter(action="send_assist").count() == 0
    assert send(people.dispatcher, number, "send_assist", assist=two).status_code == 302
    assert sorted(Case.objects.get(number=number).assist_units) == sorted(two)


# --- what the case is beside its stage ----------------------------------------------------------


def test_page_says_what_is_asked_ordered_and_who_helps(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.SEND_ASSIST, people.dispatcher, assist="hecheng-housing")
    act(number, Action.ASSIGN_HANDLER, head_of(number), handler=unit.username)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    leader = person("leader", Role.LEADER)
    act(number, Action.SUPERVISE, leader, note="快办", reply_by=soon())
    Case.objects.filter(number=number).update(border_m=38, cycle=2, photo_doubts=["taken_away"])

    page = page_of(people.dispatcher, number)
    flags = re.findall(r'<li class="light flag-(\w+)">(.*?)</li>', page)

    assert [key for key, _words in flags] == ["soon"] * 6
    said = " | ".join(words for _key, words in flags)
    assert (
        f"Supervised (leader's remark): reply by {soon().replace('T', ' ')}".replace("'", "&#x27;")
        in said
    )
    assert "An assisting unit reports" in said
    assert "The head of unit decides on an extension · extension · asked at" in said
    assert "38 m from the border of the district" in said
    assert "The photo was taken away from the place" in said
    assert "Reopened: cycle 2" in said
    assert f"<dt>Handler</dt> <dd> {unit.name} </dd>" in page
    assert "asked, not yet reported" in page


def test_a_case_near_the_border_names_who_is_across_it(people, condition):
    number = dispatched(people, condition)
    with connection.cursor() as cursor:  # a piece of the border that two districts share
        cursor.execute(
            """
            SELECT ST_AsEWKT(ST_Transform(ST_PointN(ST_GeometryN(ST_CollectionExtract(
                     ST_Intersection(a.line, b.line), 1), 1), 1), 4326)),
                   ST_AsEWKT(ST_Transform(ST_StartPoint(ST_GeometryN(ST_LineMerge(
                     ST_CollectionExtract(ST_Intersection(a.line, b.line), 2)), 1)), 4326))
            FROM cases_border a, cases_border b
            WHERE a.district_id = 'hecheng' AND b.district_id = 'landport'
              AND upper_inf(a.valid) AND upper_inf(b.valid)
            """
        )
        at_point, at_line = cursor.fetchone()
    shared = at_line or at_point
    Case.objects.filter(number=number).update(point=shared, border_m=0, district="hecheng")
    name = District.objects.get(slug="landport").short_en

    page = page_of(people.dispatcher, number)

    assert f"0 m from the border, across it {name}" in page.replace("&#x27;", "'")


def test_border_warning_is_for_what_lies_within_the_citys_distance(people, condition):
    number = dispatched(people, condition)
    Case.objects.filter(number=number).update(border_m=50)
    CityOptions.objects.update(border_warning_m=50)

    assert "from the border" not in page_of(people.dispatcher, number)
    CityOptions.objects.update(border_warning_m=51)
    assert "50 m from the border" in page_of(people.dispatcher, number)


def test_suspension_says_its_last_day_and_an_appeal_its_state(people, condition):
    number, _unit = signed(people, condition)
    until = timezone.localdate() + timedelta(days=5)
    leader = person("leader", Role.LEADER)
    act(number, Action.DEFER, leader, reason="budget", until=f"{until}")
    Case.objects.filter(number=number).update(appeal="upheld")

    page = page_of(leader, number)

    assert f"Deferred by a leader until the end of {until}" in page
    assert "Appeal upheld: exempt in statistics" in page
    assert f"<span>until the end of {until}</span>" in page  # in the timeline


@pytest.mark.parametrize(
    ("role", "shown", "note"),
    [
        ("operator", "张先生 13812342210", "电话13812342210"),
        ("acceptor", "张** 138****2210", "电话138****2210"),
    ],
)
def test_whom_to_answer_is_told_to_operators_and_hinted_at_to_others(
    people, condition, role, shown, note
):
    order = {"order_number": "HT-7", "order_kind": "complaint", "contact": "张先生 13812342210"}
    said = {"source": "hotline", "description": "市民电话13812342210", **order}
    number = report(people, condition, **said)["number"]

    page = page_of(getattr(people, role), number)

    assert shown in page
    assert note in page
    assert page.count("13812342210") == (2 if role == "operator" else 0)
    assert "HT-7 · complaint" in page


def test_merged_cases_point_at_each_other_where_they_are_seen(people, condition):
    first, second = dispatched(people, condition), dispatched(people, condition)
    act(second, Action.MERGE, people.dispatcher, into=first)
    unit = unit_person(first)
    Case.objects.filter(number=second).update(unit=None)

    duplicate, survivor = (page_of(people.dispatcher, number) for number in (second, first))

    assert f'<dt>Merged into</dt> <dd> <a href="/cases/{first}/">{first}</a> </dd>' in duplicate
    assert f'<dt>Duplicates merged in</dt> <dd> <a href="/cases/{second}/">' in survivor
    assert "Duplicates merged in" not in page_of(unit, first)


def test_photos_before_and_after_stand_beside_each_other_and_others_apart(people, condition):
    number = report(people, condition, photos=(photo("near"),))["number"]
    run_dispatch(number)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True, photos=(photo("check"),))

    page = page_of(people.chief, number)
    before, after, apart = (page.index(f"<h3>{h}") for h in ("Before", "After", "From looking"))

    places = [page.index(f'alt="{kind} ') for kind in ("near", "after handling", "at the check")]
    assert before < places[0] < after < places[1] < apart < places[2]


# --- duplicates ---------------------------------------------------------------------------------


def test_duplicates_are_shown_to_who_decides_and_merged_by_one_button(people, condition):
    first = dispatched(people, condition)
    second = report(people, condition, source="hotline")["number"]
    url = f"/cases/{second}/actions/"

    acceptor, dispatcher = (page_of(who, second) for who in (people.acceptor, people.dispatcher))

    assert acceptor.index("Perhaps the same") < acceptor.index('<div class="turn">')
    assert f'<a href="/cases/{first}/">{first}</a>' in acceptor
    assert "0 m away, reported 0:00 h earlier" in acceptor
    assert "Merge into HH" not in acceptor
    form = re.search(
        rf'<form action="{url}"(?:(?!</form>).)*Merge into HH…{first[-5:]}.*?</form>', dispatcher
    )
    assert form is not None
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
    fields.pop("csrfmiddlewaretoken")
    assert client_of(people.dispatcher).post(url, fields).status_code == 302
    merged = Case.objects.get(number=second)
    assert (merged.stage, merged.merged_into_id) == (Stage.MERGED, first)


def test_no_button_merges_into_a_case_filed_later(people, condition):
    first, second = dispatched(people, condition), dispatched(people, condition)
    Case.objects.filter(number=first).update(filed_at=timezone.now() + timedelta(hours=1))

    page = page_of(people.dispatcher, second)

    assert f'<a href="/cases/{first}/">{first}</a>' in page
    assert "Merge into HH" not in page


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "fields", "sentence", "hint"),
    [
        ("return", {}, "“退回”还须填写：理由。", "此项必填"),
        ("request_extension", {"reason": "no"}, "理由：没有“no”。", "请从中选择"),
        (
            "request_suspension",
            {"reason": "season", "until": "2020-01-01"},
            "截止日期须在今后 365 天之内。",
            "日期格式如 2026-12-31",
        ),
    ],
)
def test_a_refusal_is_told_in_the_readers_language_at_its_field(
    people, condition, action, fields, sentence, hint
):
    number, unit = signed(people, condition)
    events = Event.objects.count()

    answer = send(unit, number, action, language="zh-hans", **fields)
    page = answer.content.decode()

    assert answer.status_code == 422
    assert sentence in page
    assert re.search(rf'class="hint" id="{action}-\w+-hint">{hint}', page) is not None
    assert Event.objects.count() == events


def test_a_guard_tells_why_in_the_readers_language(people, condition):
    number, unit = signed(people, condition)
    past = timezone.now() - timedelta(minutes=1)
    Case.objects.filter(number=number).update(due_at=past)

    answer = send(unit, number, "return", language="zh-hans", reason="other")

    assert answer.status_code == 409
    assert "案件已超期：此操作须在时限之前进行。" in answer.content.decode()
    assert Case.objects.get(number=number).stage == "handling"


_REFUSING = [
    Path("cases/workflow.py"),
    Path("cases/policy.py"),
    Path("cases/services/intake.py"),
    *Path("cases/api").glob("*.py"),
    *Path("cases/services/moves").glob("*.py"),
]
_REFUSALS = {"InvalidInput", "MoveNotAllowed", "NotAllowed", "BadPhoto"}


@pytest.mark.parametrize("path", _REFUSING, ids=str)
def test_no_refusal_is_in_one_language_only(path):
    raised = [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _REFUSALS
    ]

    bare = [
        ast.unparse(value)
        for call in raised
        for argument in (*call.args, *(word.value for word in call.keywords))
        for value in (argument, *getattr(argument, "values", ()))
        if isinstance(value, ast.JoinedStr)
        or (isinstance(value, ast.Constant) and isinstance(value.value, str))
    ]
    assert bare == []


# --- timeline -----------------------------------------------------------------------------------


def test_timeline_tells_every_fact_in_words(people, condition):
    number = report(people, condition, source="hotline", photos=(photo("near"),))["number"]
    act(number, Action.SEND_VERIFY, people.acceptor)
    sent_to = Task.objects.get().assignee
    act(number, Action.ANSWER_VERIFY, sent_to, passed=False, photos=(photo("verify"),))
    act(number, Action.ACCEPT, people.acceptor)
    act(number, Action.FILE, people.chief, condition=condition.code)
    run_dispatch(number)
    unit = unit_person(number)
    code = Case.objects.get(number=number).unit_id
    act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.REASSIGN, people.dispatcher, unit=code, ruling="unjustified")
    act(number, Action.SIGN, unit)
    act(number, Action.SEND_ASSIST, people.dispatcher, assist="hecheng-housing")
    leader = person("leader", Role.LEADER)
    act(number, Action.SUPERVISE, leader, note="请联系 13812342210", reply_by=soon())
    act(number, Action.FINISH, unit, photos=(photo(),), place="110.0,27.6")
    case = Case.objects.get(number=number)
    events = list(case.event_set.order_by("case_seq"))

    with translation.override("zh-hans"):
        lines = timeline(events, people.dispatcher, said=said_to(people.dispatcher, case))
    told = {line.event.action: line for line in lines}

    assert len(lines) == len(events)
    words = " ".join(" ".join([line.action, line.by, *line.facts]) for line in lines)
    words = words.replace("i1", "").replace("i2", "").replace("a1", "").replace("c1", "")
    words = words.replace("d1", "").replace("o1", "").replace("leader", "").replace(unit.name, "")
    assert re.findall(r"[A-Za-z_]{2,}", words) == []  # a code would be in Latin letters
    assert "不属实" in told["answer_verify"].facts
    assert told["send_verify"].facts == ["→ " + sent_to.name]
    assert told["sign"].used == "用时 0:00"
    assert told["supervise"].opinion == "请联系 138****2210"
    assert "照片拍摄地点偏离案发地" in "".join(told["finish"].facts)
    assert told["finish"].facts[0] == "1 张照片"


def test_timeline_names_no_person_to_a_unit(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.REMIND, people.dispatcher)

    assert f"dispatcher · {people.dispatcher.name}</span>" in page_of(people.chief, number)
    assert '<span class="muted">dispatcher</span>' in page_of(unit, number)


@pytest.fixture
def english():
    with translation.override("en"):
        yield
