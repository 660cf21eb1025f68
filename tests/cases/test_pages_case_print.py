"""The case page as paper: its code, its address, and where the case lies."""

import re

import pytest
import segno
from django.test import Client
from django.utils import translation

from cases.models import Case
from cases.selectors.locator import locator
from tests.support.spine import dispatched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def page_of(user, number):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return " ".join(client.get(f"/cases/{number}/").content.decode().split())


def test_the_sheet_ends_in_its_address_its_time_and_a_code_that_leads_back(people, condition):
    number = dispatched(people, condition)
    address = f"http://testserver/cases/{number}/"

    page = page_of(people.dispatcher, number)
    foot = page[page.index('<footer class="sheet-foot">') :]

    code = segno.make_qr(address, error="m").svg_inline(border=0, omitsize=True)
    assert code in foot
    assert f"<p>{address}</p>" in foot
    assert re.search(rf"Printed \d{{4}}-\d\d-\d\d \d\d:\d\d, {people.dispatcher.name}", foot)


def test_the_panel_of_the_desk_carries_no_sheet(people, condition):
    number = dispatched(people, condition)
    client = Client(headers={"accept-language": "en", "hx-request": "true"})
    client.force_login(people.dispatcher)

    panel = client.get(f"/cases/{number}/panel/").content.decode()

    assert "sheet-foot" not in panel
    assert "<svg" not in panel


def test_the_drawing_names_the_areas_around_a_case(people, condition):
    case = Case.objects.get(number=dispatched(people, condition))

    drawn = locator(case)

    assert drawn is not None
    assert {outline.level for outline in drawn.outlines} == {"district", "street"}
    with translation.override("zh-hans"):
        assert "城中街道" in {outline.name for outline in locator(case).outlines}
    assert all(outline.path.startswith("M") for outline in drawn.outlines)


def test_a_case_without_a_place_is_not_drawn(people, condition):
    number = dispatched(people, condition)
    Case.objects.filter(number=number).update(point=None)

    assert locator(Case.objects.get(number=number)) is None
    assert '<svg class="locator"' not in page_of(people.dispatcher, number)
