"""Heat and trend say what the log says, to each reader of what is theirs, from few rows."""

import json
import random
from collections import Counter
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import RedisError

from cases.choices import Role
from cases.errors import InvalidInput
from cases.models import Rollup
from cases.selectors import heat as selected
from cases.selectors.heat import Asked, classes, step_of
from cases.selectors.spans import Span, parse_span
from cases.services.rollup import advance_rollup
from cityops.accounts.models import User
from tests.cases.test_rollup import recounted
from tests.support.months import UNTIL, logged
from tests.support.people import person
from tests.support.spine import report

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("days")]
NOVEMBER = "2026-11"
COLUMNS = ("reported", "filed", "closed", "overdue", "recurrent")


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def read(user, **query):
    answer = client_of(user).get("/desk/heat/", {"period": NOVEMBER, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()


def by_place(length, column, *, districts=None):
    """Return what a recount of the log puts at each place, and how much it puts elsewhere."""
    places, elsewhere = Counter(), 0
    for (grain, _start, place, district, _minor), counts in recounted(logged()).items():
        if grain != "day" or (districts and district not in districts) or not counts[column]:
            continue
        if len(place) >= length:
            places[place[:length]] += counts[column]
        else:
            elsewhere += counts[column]
    return dict(places), elsewhere


@pytest.fixture
def city():
    return person("city", Role.SUPERVISOR)


@pytest.fixture
def hecheng():
    return person("hecheng", Role.DISPATCHER, "hecheng")


# --- heat ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zoom", "length"), [(11, 12), (15, 15)])
@pytest.mark.parametrize("count", COLUMNS[:4])  # nothing comes back within so few days
def test_heat_equals_a_recount_of_the_log(city, count, zoom, length):
    found = read(city, count=count, zoom=zoom)

    places, elsewhere = by_place(length, count)
    assert dict(zip(found["place"], found["n"], strict=True)) == places
    assert places
    assert found["elsewhere"] == elsewhere
    assert found["total"] == sum(places.values()) + elsewhere


def test_each_place_has_the_step_of_its_count_among_those_around(city):
    found = read(city, zoom=15)

    for n, step, area in zip(found["n"], found["step"], found["area"], strict=True):
        low, high, _ = next(c for c in found["scales"][area] if c[2] == step)
        assert low <= n <= high
    for area, scale in found["scales"].items():
        own = [n for n, where in zip(found["n"], found["area"], strict=True) if where == area]
        assert [tuple(one) for one in scale] == classes(own)
    assert set(found["areas"]) == set(found["scales"]) - {""}
    assert len(found["scales"]) > 1


def test_a_district_reads_its_own_and_nothing_tells_of_another(hecheng):
    before = [read(hecheng, zoom=zoom, count=c) for zoom in (11, 15) for c in COLUMNS]
    etag = client_of(hecheng).get("/desk/heat/", {"period": NOVEMBER})["ETag"]
    trend = client_of(hecheng).get("/desk/trend/", {"period": NOVEMBER}).context["totals"]
    place = before[0]["place"][0]
    canary = {"filed": 999_983, "closed": 999_983, "overdue": 999_983, "reported": 999_983}
    for at in (place, f"{place}777", ""):  # at a place of theirs, a cell, and no place
        for grain, start in (("day", date(2026, 11, 18)), ("month", date(2026, 11, 1))):
            Rollup.objects.create(
                grain=grain,
                start=start,
                place=at,
                district="zhongfang",
                minor="event-0101",
                **canary,
            )

    after = [read(hecheng, zoom=zoom, count=c) for zoom in (11, 15) for c in COLUMNS]

    assert after == before
    assert {scope for found in after for scope in found["heads"]} == {"hecheng"}
    assert client_of(hecheng).get("/desk/heat/", {"period": NOVEMBER})["ETag"] == etag
    asked = {"period": NOVEMBER, "district": "zhongfang"}
    assert read(hecheng, **asked)["total"] == 0
    page = client_of(hecheng).get("/desk/trend/", {"period": NOVEMBER})
    assert page.context["totals"] == trend
    assert b"999" not in page.content
    assert b"zhongfang" not in page.content
    own, elsewhere = by_place(12, "filed", districts={"hecheng"})
    assert dict(zip(after[1]["place"], after[1]["n"], strict=True)) == own
    assert after[1]["elsewhere"] == elsewhere


def test_who_holds_a_unit_or_nothing_reads_no_counts():
    unit = person("u", Role.UNIT, "office")

    found = selected.totals(User.objects.with_grants().get(pk=unit.pk), Asked(span_of(NOVEMBER)))

    assert found == dict.fromkeys(COLUMNS, 0)
    assert client_of(unit).get("/desk/heat/").status_code == 404
    assert client_of(unit).get("/desk/trend/").status_code == 404
    assert client_of(unit).get("/desk/heat/areas/").status_code == 404


def test_class_and_kind_are_asked_for_by_their_codes(city):
    whole = read(city)["total"]
    kinds = [read(city, category=kind)["total"] for kind in ("event", "component")]
    minors = {row.minor for row in Rollup.objects.all()}
    by_minor = [read(city, category=minor)["total"] for minor in minors]

    assert sum(kinds) == whole == sum(by_minor)
    assert min(kinds) > 0


def test_a_window_keeps_the_places_in_it_and_the_steps_of_all(city):
    found = read(city, zoom=15)
    lon, lat = found["lon"][0], found["lat"][0]
    box = (lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)

    part = read(city, zoom=15, bbox=",".join(map(str, box)))

    kept = [
        code
        for code, x, y in zip(found["place"], found["lon"], found["lat"], strict=True)
        if box[0] <= x <= box[2] and box[1] <= y <= box[3]
    ]
    assert part["place"] == kept
    assert 0 < len(kept) < len(found["place"])
    assert part["scales"] == found["scales"]
    assert part["total"] == found["total"]


@pytest.mark.parametrize(
    "query",
    [
        {"count": "n"}, {"period": "0d"}, {"period": "2026-02-31..2026-03-01"}, {"period": "9999d"},
        {"category": "event-1"}, {"bbox": "1,2,3"}, {"bbox": "3,2,1,4"}, {"zoom": "nan"},
        {"place": "a"},
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused(city, query):
    assert client_of(city).get("/desk/heat/", query).status_code == 422


def test_a_window_however_written_is_the_window(city):
    answer = client_of(city).get("/desk/heat/", {"bbox": "109\n,27,110,28"})

    assert answer.status_code == 200
    assert answer["ETag"] == client_of(city).get("/desk/heat/", {"bbox": "109,27,110,28"})["ETag"]
    assert answer["ETag"] != client_of(city).get("/desk/heat/")["ETag"]


def test_unchanged_heat_is_not_sent_again_and_changes_with_the_log(city, people, condition):
    client, query = client_of(city), {"period": "7d"}
    first = client.get("/desk/heat/", query)

    again = client.get("/desk/heat/", query, headers={"If-None-Match": first["ETag"]})
    report(people, condition)
    advance_rollup()
    changed = client.get("/desk/heat/", query, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200
    assert changed.json()["total"] == first.json()["total"] + 1


MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def statements(client, query):
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/desk/heat/", query).status_code == 200
    return [q["sql"] for q in captured if "cases_rollup" in q["sql"] or "cases_area" in q["sql"]]


@override_settings(CACHES=MEMORY)
def test_heat_is_counted_once_a_head_and_kept(city, hecheng):
    cache.clear()
    client, query = client_of(city), {"period": NOVEMBER, "zoom": 15}

    cold, warm = statements(client, query), statements(client, query)
    other = statements(client_of(hecheng), query)

    assert len(cold) == 4
    assert len(warm) == 1  # where the logs and areas stand
    assert len(other) == 4  # nothing kept for one reader is told another


def test_a_cache_that_is_away_is_a_miss_and_not_asked_again_at_once(city, monkeypatch):
    asked = []

    def away(*words, **more):
        asked.append(words)
        raise RedisError("away")

    monkeypatch.setattr(selected, "cache", SimpleNamespace(get=away, set=away))
    monkeypatch.setattr(selected, "_away_until", 0.0)

    assert read(city) == read(city)
    assert len(asked) == 1
    monkeypatch.setattr(selected, "_away_until", 0.0)


# --- how it is found ----------------------------------------------------------------------------


def plan_of(sql, values):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # few rows here: show what many would use
        cursor.execute(f"EXPLAIN {sql}", values)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")
    return plan


def captured(work):
    with CaptureQueriesContext(connection) as found:
        work()
    return [q["sql"] for q in found]


def test_a_tile_of_cells_is_found_by_the_index_of_outlines():
    plan = plan_of(selected.CELLS, {"z": 14, "x": 13197, "y": 6887})

    assert "cases_area_geom" in plan
    assert "Seq Scan" not in plan


def test_heat_reads_the_rows_of_its_days_and_a_trend_those_of_its_place(city):
    asked = Asked(span_of("7d"))
    (city_sql,) = (
        s for s in captured(lambda: selected.heat(city, asked, count="filed", level="cell",
                                                  stand=selected.standing(city)))
        if "FROM cases_rollup " in s
    )  # fmt: skip
    (place_sql,) = captured(lambda: selected.totals(city, Asked(asked.span, place="431202001")))

    assert "rollup_once" in plan_of(city_sql, None)
    assert "rollup_place" in plan_of(place_sql, None)
    for sql in (city_sql, place_sql):
        assert "cases_case" not in sql
        assert "cases_event" not in sql


def test_a_month_is_read_off_its_own_rows(city):
    Rollup.objects.filter(grain="day").delete()
    found = selected.totals(city, Asked(span_of(NOVEMBER)))

    assert found["filed"] > 0
    within = Span("a", date(2026, 11, 2), date(2026, 12, 1))
    assert selected.totals(city, Asked(within))["filed"] == 0


def test_outlines_come_whole_or_by_tile(city):
    client = client_of(city)
    communities = client.get("/desk/heat/areas/").json()["features"]
    tile = client.get("/desk/heat/areas/", {"x": 13197, "y": 6887})

    assert len(communities) == 278
    codes = {one["properties"]["code"] for one in tile.json()["features"]}
    assert {len(code) for code in codes} == {15}
    assert "max-age=86400" in tile["Cache-Control"]
    assert client.get("/desk/heat/areas/", {"x": -1, "y": 2}).status_code == 422


# --- classes and spans --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_classes_hold_every_count_once_and_grow(seed):
    draw = random.Random(seed)  # noqa: S311  # counts, not secrets
    counts = [draw.choice([1, 1, 2, 3, 5, 8, 40, 900]) for _ in range(draw.randint(1, 60))]

    found = classes(counts)

    assert 1 <= len(found) <= 5
    assert [low for low, _, _ in found][1:] == [high + 1 for _, high, _ in found][:-1]
    steps = [step for _, _, step in found]
    assert steps == sorted(set(steps))
    assert set(steps) <= set(range(1, 6))
    for n in counts:
        _low, _high, step = next(c for c in found if c[0] <= n <= c[1])
        assert step_of(n, found) == step


def span_of(name):
    return parse_span(name, today=UNTIL.date())


def test_spans():
    today = date(2026, 11, 20)
    week, month = parse_span("7d", today=today), parse_span("2026-03", today=today)

    assert (week.first, week.after) == (date(2026, 11, 14), date(2026, 11, 21))
    assert (week.before.first, week.before.after) == (date(2026, 11, 7), date(2026, 11, 14))
    assert (month.first, month.after) == (date(2026, 3, 1), date(2026, 4, 1))
    assert (month.before.name, month.before.first) == ("2026-02", date(2026, 2, 1))
    assert month.whole_months == (date(2026, 3, 1), date(2026, 4, 1))
    long = parse_span("2026-01-15..2026-04-02", today=today)
    assert long.whole_months == (date(2026, 2, 1), date(2026, 4, 1))
    assert long.starts("month") == [date(2026, n, 1) for n in (1, 2, 3, 4)]
    assert [d.weekday() for d in long.starts("week")] == [0] * len(long.starts("week"))
    assert len(week.starts("day")) == 7
    with pytest.raises(InvalidInput):
        parse_span("2026-13", today=today)


# --- trend --------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["day", "week", "month"])
def test_a_trend_adds_up_to_its_totals(city, by):
    asked = Asked(span_of("2026-10-20..2026-11-20"))

    rows = selected.trend(city, asked, by=by)
    totals = selected.totals(city, asked)

    assert {n: sum(row[n] for row in rows.values()) for n in COLUMNS} == totals
    assert totals["filed"] == by_place(0, "filed")[0][""]
    assert list(rows) == asked.span.starts(by)


def test_the_page_of_a_cell_compares_with_the_span_before(city):
    cell = max(read(city, zoom=15)["place"])
    page = client_of(city).get("/desk/trend/", {"place": cell, "period": "2026-11-18..2026-11-20"})

    asked = Asked(span_of("2026-11-18..2026-11-20"), place=cell)
    now = selected.totals(city, asked)
    before = selected.totals(city, Asked(asked.span.before, place=cell))
    assert page.status_code == 200
    assert [(n, m) for _, n, m, _ in page.context["totals"]] == [
        (now[name], before[name]) for name in COLUMNS
    ]
    assert page.context["asked"].span.before.first == date(2026, 11, 15)
    assert page.content.count(b'class="t-filed"') == 3
    assert b"style=" not in page.content
    assert len(page.context["rows"]) == 3


def test_trend_takes_as_many_statements_for_a_year_as_for_a_week(city):
    client = client_of(city)
    client.get("/desk/trend/")
    taken = []
    for period in ("7d", "365d"):
        with CaptureQueriesContext(connection) as found:
            client.get("/desk/trend/", {"period": period, "by": "day"})
        taken.append(len(found))

    assert taken[0] == taken[1]


def test_today_ends_now(city):
    page = client_of(city).get("/desk/trend/")

    assert page.context["asked"].span.after == timezone.localdate() + timedelta(days=1)
    assert json.dumps(str(page.context["asked"].span.first))
