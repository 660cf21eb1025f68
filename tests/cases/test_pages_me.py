"""My own page on the phone: who, what is open, and settings the browser keeps."""

import re

import pytest
from django.test import Client

from cases.choices import Role
from cases.models import Case
from tests.support.people import person
from tests.support.spine import report, run_dispatch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

HTML = re.compile(r"<html [^>]*>")
SETTINGS = {"picture": "2048", "photos": "wifi", "text": "large", "contrast": "high"}


def client_of(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def html_of(client, address="/m/"):
    return HTML.search(client.get(address).content.decode())[0]


def test_settings_are_kept_in_this_browser_and_stand_on_every_page(people):
    client = client_of(people.inspector)

    answer = client.post("/m/me/", SETTINGS, follow=True)

    assert answer.redirect_chain == [("/m/me/", 302)]
    assert "Kept on this phone." in answer.content.decode()
    for address in ("/m/", "/notices/"):
        for name, value in SETTINGS.items():
            assert f'data-{name}="{value}"' in html_of(client, address)
    assert 'data-text="normal"' in html_of(client_of(people.inspector))


def test_what_is_not_chosen_goes_back_to_what_it_was_at_first(people):
    client = client_of(people.inspector)
    client.post("/m/me/", SETTINGS)

    client.post("/m/me/", {"picture": "1024"})

    html = html_of(client)
    first = 'data-picture="1024" data-photos="any" data-text="normal" data-contrast="normal"'
    assert first in html


def test_a_setting_that_is_none_is_neither_kept_nor_shown(people):
    client = client_of(people.inspector)
    client.cookies["phone-text"] = '"><script>'

    client.post("/m/me/", {"picture": "9"})

    assert client.cookies["phone-picture"].value == "1600"
    client.cookies["phone-picture"] = "9"
    assert 'data-picture="1600"' in html_of(client)


@pytest.mark.parametrize("reports", [1, 3])
def test_my_page_says_who_and_what_is_open(people, condition, django_assert_num_queries, reports):
    for _ in range(reports):
        report(people, condition)
    client = client_of(people.inspector)

    with django_assert_num_queries(5):
        page = client.get("/m/me/").content.decode()

    assert '<h2 id="who">i1</h2>' in page
    assert f"My reports <b>{reports}</b>" in page
    assert "Tasks <b>0</b>" in page
    assert "Cases with my unit" not in page


def test_my_page_names_the_unit_and_counts_what_it_holds(people, condition):
    number = report(people, condition)["number"]
    run_dispatch(number)
    unit = Case.objects.get(number=number).unit
    worker = person("u1", Role.UNIT, unit.code)

    page = client_of(worker).get("/m/me/").content.decode()

    assert unit.name_en in page
    assert "Cases with my unit <b>1</b>" in page
    assert "My reports" not in page
