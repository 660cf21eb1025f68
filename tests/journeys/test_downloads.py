"""Lists as files in a real browser: a few cases at once, many by a worker, through nginx."""

import pytest
from playwright.sync_api import expect

from tests.journeys.test_main_job import open_case
from tests.support.browsers import MONITOR, PHONE
from tests.support.workbooks import read_workbook

pytestmark = pytest.mark.journey

ASK = """
import uuid
from cases.selectors.case_search import Filters
from cases.selectors.columns import DEFAULT, columns_named
from cases.services.exports import Asked, request_export
from cityops.accounts.models import User
owner = User.objects.with_grants().get(username="dispatcher1")
asked = Asked(Filters({"stage": "open"}), columns_named(DEFAULT), [("Stage", "all open")])
request_export(owner=owner, asked=asked, total=1, language="en", key=uuid.uuid4())
"""


def numbers_of(download) -> list[str]:
    rows = read_workbook(download.path().read_bytes())[0].rows
    place = rows[0].index("Case number")
    return [str(row[place]) for row in rows[1:]]


def test_a_few_cases_are_had_at_once(desks, running_city):
    numbers = [open_case(running_city) for _ in range(3)][::-1]
    page = desks.open("dispatcher1", f"/cases/?q={numbers[-1][:9]}", MONITOR)
    listed = page.locator("tr[data-row]").evaluate_all("rows => rows.map(r => r.dataset.row)")
    assert set(numbers) <= set(listed)

    with page.expect_download() as whole:
        page.get_by_role("button", name="Export all").click()
    for number in numbers[:2]:
        page.check(f'tr[data-row="{number}"] input[name=rows]')
    with page.expect_download() as chosen:
        page.get_by_role("button", name="Export (2)").click()

    assert whole.value.suggested_filename.endswith(".xlsx")
    assert numbers_of(whole.value) == listed
    assert numbers_of(chosen.value) == numbers[:2]
    expect(page.get_by_role("button", name="Export (2)")).to_be_enabled()  # for another time


def test_columns_are_chosen_and_stay(desks, running_city):
    open_case(running_city)
    page = desks.open("supervisor1", "/cases/?stage=open", MONITOR)

    page.locator(".columns summary").click()
    page.get_by_role("checkbox", name="Time limit").check()
    page.get_by_role("checkbox", name="Place").uncheck()
    page.locator(".columns").get_by_role("button", name="Save").click()

    heads = page.locator("table.cases thead")
    expect(heads).to_contain_text("Time limit")
    expect(heads).not_to_contain_text("Place")
    assert "stage=open" in page.url
    other = desks.open("supervisor1", "/cases/", MONITOR)
    expect(other.locator("table.cases thead")).to_contain_text("Time limit")


@pytest.mark.parametrize("viewport", [PHONE, MONITOR], ids=["phone", "desk"])
def test_a_long_list_is_written_and_its_link_works(desks, running_city, viewport):
    number = open_case(running_city)
    page = desks.open("dispatcher1", "/downloads/", viewport)
    before = page.get_by_role("link", name="Download (xlsx)").count()

    running_city.manage("shell", "-c", ASK)
    page.reload()

    links = page.get_by_role("link", name="Download (xlsx)")
    expect(links).to_have_count(before + 1)
    with page.expect_download() as download:
        links.first.click()
    assert number in numbers_of(download.value)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("link", name="Download (xlsx)")).to_have_count(before)
