"""The working calendar under /admin/: edit a year, look at what it changes, publish."""

import re
from datetime import date, timedelta

import pytest
from django.test import Client

from cases.choices import Role
from cases.models import Case, WorkCalendar
from cases.selectors.calendars import (
    changed_days,
    current_version,
    load_calendar,
    stretches,
    with_year,
)
from cases.services.calendars import SHIPPED, publish_calendar, read_calendar
from cases.services.known_holidays import known_year
from cityops.accounts.models import User
from tests.support.people import person
from tests.support.spine import dispatched

ADD = "/admin/cases/workcalendar/add/"
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def admin():
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_superuser("boss", name="boss"))
    return client


def text_of(answer):
    return " ".join(answer.content.decode().split())


def filled(page):
    """Return the form of a page as a browser would send it untouched."""
    edit = page.context["edit"]
    sent = {
        "year": edit.year,
        "seen_version": edit.version,
        "note": edit.form["note"].value() or "",
    }
    if edit.form["is_provisional"].value():
        sent["is_provisional"] = "on"
    for form in (edit.days.management_form, *edit.days.forms):
        for field in form:
            value = field.value()
            if field.name != "DELETE" or value:
                sent[field.html_name] = "" if value is None else value
    if page.context["preview"]:
        sent["previewed"] = page.context["preview"].digest
    return sent


def add_line(sent, first, kind="holiday", last="", name="防汛"):
    """Fill the first empty line."""
    number = next(n for n in range(100) if not sent.get(f"days-{n}-first"))
    line = {"first": first, "last": last, "kind": kind, "name_zh": name, "name_en": "Flood"}
    return sent | {f"days-{number}-{name}": value for name, value in line.items()}


def edited(admin, year=2026, **line):
    """Preview a year with one more line."""
    page = admin.get(ADD, {"year": year})
    return admin.post(ADD, {**add_line(filled(page), **line), "preview": "1"})


def test_years_lead_to_their_forms(admin):
    page = admin.get(ADD)

    assert re.findall(r"\?year=(\d+)\"", page.content.decode()) == ["2025", "2026", "2027", "2028"]
    assert "not announced yet" in text_of(page)
    assert "not covered yet" in text_of(page)


def test_a_year_as_it_stands_changes_nothing(admin):
    page = admin.get(ADD, {"year": 2026})

    preview = admin.post(ADD, {**filled(page), "preview": "1"})

    assert preview.status_code == 200
    assert "No day differs." in text_of(preview)


@pytest.mark.parametrize("year", [2025, 2026])
def test_the_holidays_package_knows_an_announced_year_as_it_was_shipped(admin, year):
    page = admin.get(ADD, {"year": year, "from": "holidays"})

    preview = admin.post(ADD, {**filled(page), "preview": "1"})

    assert "No day differs." in text_of(preview)
    assert known_year(year).is_announced


def test_a_year_not_announced_says_so_and_stays_provisional(admin):
    page = admin.get(ADD, {"year": 2027, "from": "holidays"})

    assert "No make-up workdays of 2027 are known" in text_of(page)
    assert page.context["edit"].form["is_provisional"].value() is True
    assert filled(page)["days-1-last"] == date(2027, 2, 10)  # 除夕 to 初五


def test_preview_shows_the_days_and_publishes_nothing(admin):
    before = current_version()

    preview = edited(admin, first="2026-07-06")

    assert preview.status_code == 200
    (row,) = preview.context["preview"].days
    assert (row[0].day, row[1], row[2]) == (date(2026, 7, 6), "workday", "holiday · Flood")
    assert current_version() == before


def test_preview_counts_the_deadlines_that_would_move_and_names_the_largest(
    admin, people, condition
):
    moved = [Case.objects.get(number=dispatched(people, condition)) for _ in range(2)]
    day = moved[0].due_at.astimezone(load_calendar(current_version()).zone).date()

    preview = edited(admin, year=day.year, first=str(day)).context["preview"]

    assert (preview.moves.cases, preview.moves.moved, preview.moves.later) == (2, 2, 2)
    assert [row[0] for row in preview.largest] == sorted(
        (case.number for case in moved), key=dict(_later(preview)).get, reverse=True
    )
    assert all(row[1] < row[2] for row in preview.largest)
    assert all(row[3].endswith("later") for row in preview.largest)


def _later(preview):
    return [(number, new - old) for number, old, new, _ in preview.largest]


def test_what_was_looked_at_is_published_with_its_note(admin):
    before = current_version()
    preview = edited(admin, first="2026-07-06")

    answer = admin.post(
        ADD, {**filled(preview), "note": "Flood, order 12", "publish": "1"}, follow=True
    )

    version = current_version()
    assert version > before
    assert answer.redirect_chain == [(f"/admin/cases/workcalendar/{version}/change/", 302)]
    assert f"Version {version} is published." in text_of(answer)
    assert "Flood, order 12" in text_of(answer)
    row = WorkCalendar.objects.get(version=version)
    assert (row.created_by.username, row.is_seed) == ("boss", False)
    assert [one.day for one in changed_days(load_calendar(before), load_calendar(version))] == [
        date(2026, 7, 6)
    ]


def test_a_year_not_covered_is_added(admin):
    page = admin.get(ADD, {"year": 2028, "from": "holidays"})
    preview = admin.post(ADD, {**filled(page), "preview": "1"})

    admin.post(ADD, {**filled(preview), "note": "2028", "publish": "1"})

    calendar = load_calendar(current_version())
    assert calendar.last == date(2028, 12, 31)
    assert calendar.provisional_years == {2027, 2028}
    assert not calendar.is_workday(date(2028, 1, 26))  # 初一


def refused(admin, sent, words, *, status):
    before = current_version()

    answer = admin.post(ADD, sent)

    assert answer.status_code == status
    assert words in text_of(answer)
    assert current_version() == before


def test_nothing_is_published_without_a_note(admin):
    preview = edited(admin, first="2026-07-06")

    refused(admin, {**filled(preview), "publish": "1"}, "Say why", status=422)


def test_what_was_not_looked_at_is_not_published(admin):
    preview = edited(admin, first="2026-07-06")
    sent = add_line(filled(preview), first="2026-07-07")

    refused(admin, {**sent, "note": "x", "publish": "1"}, "changed since the preview", status=409)


def test_an_edit_of_an_older_version_is_not_published(admin):
    preview = edited(admin, first="2026-07-06")
    other = known_year(2027).days
    current = load_calendar(current_version())
    publish_calendar(with_year(current, 2027, other, is_provisional=True), note="other", actor=None)
    sent = {**filled(preview), "note": "x", "publish": "1"}

    answer = admin.post(ADD, sent)

    assert answer.status_code == 409
    assert WorkCalendar.objects.first().note == "other"
    again = {**filled(answer), "note": "x", "publish": "1"}
    assert admin.post(ADD, again).status_code == 302
    calendar = load_calendar(current_version())
    assert calendar.special_day(date(2026, 7, 6)).name_en == "Flood"
    assert calendar.special_day(date(2027, 2, 10)).name_en == "Spring Festival"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"first": "2027-07-06"}, "This is not in 2026"),
        ({"first": "2026-07-06", "last": "2026-07-01"}, "lies before the first day"),
        ({"first": "2026-07-06", "last": "2026-09-01"}, "over a month"),
        ({"first": "2026-10-03"}, "2026-10-03 stands twice"),
        ({"first": "2026-07-06", "kind": "makeup"}, "A weekday is worked anyway"),
        ({"first": "2026-07-06", "name": ""}, "This field is required"),
        ({"first": "6 July"}, "Enter a valid date"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(admin, line, words):
    page = admin.get(ADD, {"year": 2026})

    refused(admin, {**add_line(filled(page), **line), "preview": "1"}, words, status=422)


@pytest.mark.parametrize("year", ["2024", "2029", "x", "99999999999", ""])
def test_a_year_out_of_reach_leads_back_to_the_choice(admin, year):
    assert "years" in admin.get(ADD, {"year": year}).context


def test_a_line_taken_away_is_a_day_less(admin):
    page = admin.get(ADD, {"year": 2026})
    sent = filled(page) | {"days-0-DELETE": "on"}

    answer = admin.post(ADD, {**sent, "preview": "1"})

    preview = answer.context["preview"]
    assert len(answer.context["edit"].days.forms) == 12 + 4  # and empty lines for more
    days = [row[0].day for row in preview.days]
    assert days == [date(2026, 1, 1) + timedelta(n) for n in range(3)]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DISPATCHER])
def test_the_edit_is_for_superusers(role):
    client = Client()
    client.force_login(person("someone", role))

    assert client.get(ADD).status_code == 302
    assert client.post(ADD, {"year": 2026}).status_code == 302


def test_stretches_are_the_lines_of_an_announcement():
    calendar = read_calendar(SHIPPED)

    told = stretches(one for one in calendar.special if one.day.year == 2026)

    assert len(told) == 13
    assert (told[2].first, told[2].last, told[2].name_en) == (
        date(2026, 2, 14),
        date(2026, 2, 14),
        "Spring Festival",
    )
    assert [day for one in told for day in one.days()] == [
        one for one in calendar.special if one.day.year == 2026
    ]
