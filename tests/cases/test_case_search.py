"""Finding cases: every filter, words and initials, one page after another, and only one's own."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.gis.geos import Point

from cases.choices import OPEN_STAGES, Role, Stage
from cases.errors import InvalidInput
from cases.models import Case, CaseWords, Condition, Unit
from cases.selectors import case_search
from cases.selectors.case_list import case_list
from cases.selectors.case_search import LIGHTS, SORTS, page, read_filters, search
from tests.cases.test_api import client_of
from tests.support.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
_numbers = iter(range(1, 100_000))


def write(**columns):
    """Write a case past the ledger: only what finds it is looked at."""
    unit = columns.pop("unit", None)
    made = Case(
        number=f"HH20261123{next(_numbers):05}",
        scope="hecheng",
        district="hecheng",
        stage=Stage.FILED,
        source="inspector",
        minor_id="event-0112",
        reported_at=AT,
    )
    aside = columns.get("stage")
    if aside == Stage.SUSPENDED:
        unit = unit or Unit.objects.filter(is_active=True).earliest("pk")
        made.stage_before, made.suspended_until = Stage.HANDLING, AT + timedelta(days=30)
    if unit is not None:
        made.unit, made.body = unit, unit.body
        made.condition = Condition.objects.filter(minor="event-0112").earliest("code")
        made.due_at = made.base_due_at = None if aside == Stage.SUSPENDED else AT
    for name, value in columns.items():
        setattr(made, name, value)
    made.save()
    return made


def found(user, **asked):
    filters = read_filters(asked)
    return set(search(user, filters, at=AT).values_list("pk", flat=True))


@pytest.fixture
def reader():
    return person("d1", Role.DISPATCHER)


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ({"stage": "accepted"}, {"stage": "accepted"}),
        ({"stage": "open"}, {"stage": "reported"}),
        ({"stage": "ended"}, {"stage": "closed", "closed_at": AT}),
        ({"district": "landport"}, {"district": "landport", "scope": "landport"}),
        ({"source": "hotline"}, {"source": "hotline"}),
        ({"category": "component"}, {"minor_id": "component-0101"}),
        ({"category": "event-05"}, {"minor_id": "event-0501"}),
        ({"category": "event-0104"}, {"minor_id": "event-0104"}),
        ({"from": "2026-11-24"}, {"reported_at": AT + timedelta(days=1)}),
        ({"to": "2026-11-22"}, {"reported_at": AT - timedelta(days=1)}),
        ({"period": "filed"}, {"filed_at": AT}),
        (
            {"period": "closed", "from": "2026-11-23", "to": "2026-11-23"},
            {"stage": "closed", "closed_at": AT},
        ),
        ({"light": "late"}, {"lamp_due_at": AT - timedelta(seconds=1)}),
        (
            {"light": "soon"},
            {"lamp_due_at": AT + timedelta(hours=1), "lamp_soon_at": AT - timedelta(hours=1)},
        ),
        ({"light": "normal"}, {"lamp_due_at": AT + timedelta(hours=1)}),
        ({"light": "paused"}, {"stage": "suspended"}),
    ],
    ids=lambda value: json.dumps(value, default=str)[:40],
)
def test_a_filter_keeps_what_it_names(reader, asked, columns):
    other = write(stage="voided" if asked == {"stage": "open"} else "checked")
    wanted = write(**columns)

    assert found(reader, **asked) == {wanted.pk}
    assert found(reader) == {other.pk, wanted.pk}


def test_cases_without_a_place_are_found(reader):
    wanted = write()
    write(point=Point(109.97, 27.55, srid=4326))

    assert found(reader, place="none") == {wanted.pk}


def test_days_are_of_shanghai_and_both_included(reader):
    first = write(reported_at=datetime(2026, 11, 22, 16, 0, tzinfo=UTC))  # midnight there
    last = write(reported_at=datetime(2026, 11, 23, 15, 59, 59, tzinfo=UTC))
    write(reported_at=datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC))
    write(reported_at=datetime(2026, 11, 23, 16, 0, tzinfo=UTC))

    assert found(reader, **{"from": "2026-11-23", "to": "2026-11-23"}) == {first.pk, last.pk}


def test_a_light_is_found_as_the_case_shows_it(reader):
    hour = timedelta(hours=1)
    for stage in sorted(OPEN_STAGES - {"dispatched", "handling", "rework", "handled"}):
        for due, soon in [(-2, -3), (2, -1), (3, 1), (0, -1)]:
            write(stage=stage, lamp_due_at=AT + due * hour, lamp_soon_at=AT + soon * hour)

    for light in LIGHTS:
        shown = {case.pk for case in Case.objects.all() if case.light(at=AT) == light}
        assert shown
        assert found(reader, light=light) == shown


@pytest.mark.parametrize(
    "words",
    [
        "红星路",
        "红星 井盖",
        "hxl",  # pinyin initials of the address
        "bbg",
        "步",
        "no. 7",
        "NO",
        "道路不洁",  # the class, by its name and its initials
        "dlbj",
        "城中",  # the street
        "czjd",
        "chengzhong",
    ],
)
def test_words_find_text_names_and_initials(reader, words):
    wanted = write(
        address="红星路步步高旁 No. 7", description="井盖丢失", street="431202001", stage="filed"
    )
    write(address="迎丰路", description="垃圾", minor_id="event-0501", street="431202003")

    assert found(reader, q=words) == {wanted.pk}


def test_words_find_the_unit(reader):
    unit = Unit.objects.get(code="hecheng-sanitation")
    wanted = write(unit=unit, stage="handling")
    write()

    assert found(reader, q=unit.name_zh) == {wanted.pk}
    assert found(reader, unit=unit.code) == {wanted.pk}


def test_a_number_is_found_by_a_part(reader):
    wanted, other = write(), write()

    assert found(reader, q=wanted.number) == {wanted.pk}
    assert found(reader, q=wanted.number[-5:]) == {wanted.pk}
    assert found(reader, q="hh20261123") == {wanted.pk, other.pk}


@pytest.mark.parametrize("words", ["红星 迎丰", "%", "_", "没有", "\\"])
def test_words_that_are_not_there_find_nothing(reader, words):
    write(address="红星路", description="井盖")

    assert found(reader, q=words) == set()


def test_the_words_follow_the_text(reader):
    case = write(address="红星路", description="某人的电话")
    Case.objects.filter(pk=case.pk).update(address="迎丰路", description="")

    assert found(reader, q="hxl") == found(reader, q="电话") == set()
    assert found(reader, q="yfl") == {case.pk}
    assert CaseWords.objects.get().text == "迎丰路  yfl"


def test_nobody_finds_what_they_may_not_see(reader):
    write(address="红星路")
    mine = write(address="红星路", district="landport", scope="landport")
    near = person("d2", Role.DISPATCHER, "landport")

    assert found(near) == found(near, q="红星") == found(near, q="hxl") == {mine.pk}
    assert found(near, district="hecheng") == set()
    assert len(found(reader, q="红星")) == 2
    assert found(person("i9", Role.INSPECTOR, grids=("431202",)), q="红星") == set()


@pytest.mark.parametrize(
    "asked",
    [
        {"stage": "lost"},
        {"light": "green"},
        {"district": "beijing"},
        {"source": "rumour"},
        {"place": "any"},
        {"category": "event-1"},
        {"category": "event_%"},
        {"from": "yesterday"},
        {"to": "0001-01-01"},
        {"period": "ever"},
        {"sort": "random"},
        {"q": "a b c d e f g h i"},
        {"q": "x" * 201},
    ],
    ids=str,
)
def test_a_wrong_filter_is_named(asked):
    with pytest.raises(InvalidInput) as refused:
        read_filters(asked)

    assert list(refused.value.fields) == list(asked)[-1:]


def test_a_search_has_one_address(reader):
    filters = read_filters({"sort": "newest", "q": " 井盖 ", "stage": "", "unit": "x", "page": "9"})

    assert filters.query == "q=%E4%BA%95%E7%9B%96&unit=x"


def test_the_count_is_bounded(reader, monkeypatch):
    monkeypatch.setattr(case_search, "MOST_COUNTED", 3)
    for _ in range(5):
        write()

    assert case_search.count(search(reader, read_filters({}), at=AT)) == 4


# --- one page after another ---------------------------------------------------------------------


def walk(reader, sort, size, *, between):
    """Return the keys of all pages; `between` is called after each page."""
    filters, cursor, seen = read_filters({"sort": sort}), "", []
    while len(seen) < 50:
        rows, cursor = page(search(reader, filters, at=AT), filters, cursor=cursor, size=size)
        seen.append([case.pk for case in rows])
        if not cursor:
            return seen
        between()
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_every_case_once_while_others_come_in(reader, sort):
    hour = timedelta(hours=1)
    old = [
        write(
            reported_at=AT + (n // 3) * hour,
            lamp_due_at=AT + (n // 3) * hour if n % 2 else None,
            stage="closed" if n % 3 == 0 else "filed",
            closed_at=AT + (n // 2) * hour if n % 3 == 0 else None,
        ).pk
        for n in range(12)
    ]

    def come_in():
        for moment in (AT - hour, AT, AT + hour, AT + 9 * hour):
            write(reported_at=moment, lamp_due_at=moment)
            write(reported_at=moment, stage="closed", closed_at=moment)

    seen = [pk for rows in walk(reader, sort, 5, between=come_in) for pk in rows]

    assert len(seen) == len(set(seen))
    assert set(old) <= set(seen)
    assert [pk for pk in seen if pk in old] == [
        pk for rows in walk(reader, sort, 200, between=lambda: None) for pk in rows if pk in old
    ]


def test_json_and_rows_are_the_same_pages(reader):
    for n in range(7):
        write(reported_at=AT + timedelta(hours=n // 2))
    for sort in SORTS:
        filters = read_filters({"sort": sort})
        rows, text, cursor, other = [], [], "", ""
        for _ in range(3):
            here, cursor = page(search(reader, filters, at=AT), filters, cursor=cursor, size=3)
            found = search(reader, filters, at=AT)
            there, other = case_list(found, filters, reader=reader, cursor=other, size=3)
            rows += [case.number for case in here]
            text += [row["number"] for row in json.loads(there)]
            assert cursor == other
        assert text == rows
        assert len(set(rows)) == 7
        assert cursor == ""


def test_the_api_takes_the_same_filters_and_cursor(reader):
    for n in range(5):
        write(reported_at=AT + timedelta(hours=n), address="红星路")
    write(address="迎丰路")
    client = client_of(reader)

    first = client.get("/api/v1/cases/?q=hxl&sort=oldest&limit=3").json()
    rest = client.get(f"/api/v1/cases/?q=hxl&sort=oldest&limit=3&cursor={first['next']}").json()

    numbers = [row["number"] for row in first["cases"] + rest["cases"]]
    assert numbers == sorted(numbers)
    assert (len(first["cases"]), len(rest["cases"]), rest["next"]) == (3, 2, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("stage=lost", "stage"),
        ("after=HH2026112300001", "after"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=bnVsbA", "cursor"),
        ("cursor=WyJuZXdlc3QiLCBudWxsLCAxXQ", "cursor"),  # ["newest", null, 1]
        ("cursor=WyJkdWUiLCBudWxsLCAxXQ", "cursor"),  # ["due", null, 1], of another order
        ("sort=due&cursor=WyJkdWUiLCBudWxsLCAiMSJd", "cursor"),  # ["due", null, "1"]
        ("sort=due&cursor=WyJkdWUiLCAiMDAwMS0wMS0wMSIsIDFd", "cursor"),  # ["due", "0001-01-01", 1]
    ],
)
def test_the_api_names_what_is_wrong(reader, query, field):
    answer = client_of(reader).get(f"/api/v1/cases/?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert list(answer.json()["fields"]) == [field]


def test_a_good_cursor_is_taken(reader):
    write()

    answer = client_of(reader).get("/api/v1/cases/?sort=due&cursor=WyJkdWUiLCBudWxsLCAwXQ")

    assert len(answer.json()["cases"]) == 1
