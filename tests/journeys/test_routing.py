"""Routing in a real browser: why a unit, a draft, which cases it moves, and then it moves those."""

import pytest
from playwright.sync_api import expect

from tests.support.browsers import MONITOR, ZHONGFANG, one

pytestmark = pytest.mark.journey

TRADING = "event-0405-1"  # trading outside the shop, which no other journey files
ADS = "event-0201-1"  # small advertisements, nor these
IN_HECHENG = (109.9765, 27.5505)
IN_ZHONGFANG = (ZHONGFANG["longitude"] + 0.006, ZHONGFANG["latitude"])


def routed(city, token: str, condition: str, place: tuple[float, float]) -> tuple[str, str]:
    """File a case; return its number and the unit dispatch found."""
    number = city.file_case(token, condition, condition.rpartition("-")[0], place)
    city.wait_for(number, "dispatched")
    return number, one(city, "SELECT unit_id FROM cases_case WHERE number = %s", number)


def test_a_rule_change_moves_exactly_the_cases_its_preview_names(desks, running_city):
    token = running_city.manage("token", "inspector1")
    asked = ((TRADING, IN_HECHENG), (TRADING, IN_ZHONGFANG), (ADS, IN_HECHENG))
    before = [routed(running_city, token, *case) for case in asked]
    number, brigade = before[0]

    page = desks.open("admin", f"/cases/{number}/", MONITOR)
    page.get_by_role("link", name="Why this unit").click()
    rule = one(running_city, "SELECT rule FROM cases_case WHERE number = %s", number)
    expect(page.locator(".is-winner")).to_contain_text(rule)
    expect(page.get_by_text("rules do not match: see why")).to_be_visible()

    page.goto("/desk/routing/drafts/")
    page.fill("#id_title", "Trading in Hecheng goes to the streets")
    page.fill("#id_reason", "The streets police it from today.")
    page.get_by_role("button", name="Open the draft").click()
    page.get_by_role("link", name="Add a rule").click()
    page.fill("#id_code", "trading-hecheng-streets")
    page.fill("#id_reason_zh", "鹤城区店外经营由街道管理")
    page.fill("#id_reason_en", "In Hecheng the streets police trading outside shops")
    page.select_option("#id_rank", "locality")
    page.select_option("#id_unit_kind", "street_office")
    page.select_option("#id_unit", brigade)
    page.select_option("#id_category", TRADING.rpartition("-")[0])
    page.select_option("#id_district", "hecheng")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Not saved yet")
    assert all("422" in complaint for complaint in desks.complaints)
    desks.complaints.clear()  # a browser logs the refusal this asked for
    page.select_option("#id_unit", "")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("Street or township office: the unit serving")).to_be_visible()

    page.get_by_role("link", name="Which cases would go elsewhere").click()
    named = page.locator("tr[data-row]")
    expect(named).to_have_count(1)
    assert named.get_attribute("data-row") == number
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == [number]
    assert routed(running_city, token, *asked[0])[1] == brigade  # a draft changes nothing

    page.get_by_label("Why it goes live").fill("Decided at the monthly meeting.")
    page.get_by_role("button", name="Publish 1 change").click()
    expect(page.get_by_role("status")).to_contain_text("is live")

    after = [routed(running_city, token, *case) for case in asked]
    moved = [old != new for (_, old), (_, new) in zip(before, after, strict=True)]
    assert moved == [True, False, False]
    kind = one(running_city, "SELECT kind FROM cases_unit WHERE code = %s", after[0][1])
    assert kind == "street_office"
    stays = one(running_city, "SELECT unit_id FROM cases_case WHERE number = %s", number)
    assert stays == brigade  # what was dispatched stays where it is
    page.goto(f"/desk/routing/explain/?case={after[0][0]}")
    expect(page.locator(".is-winner")).to_contain_text("trading-hecheng-streets")
