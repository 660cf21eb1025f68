"""One case and every post: disputed, extended, suspended, reworked, closed late, appealed.

Each step is taken in the browser of the post it belongs to, on the page that post works with.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browsers import MONITOR, PHONE, ZHONGFANG, form_of, one, picture
from tests.support.reporting import choose, take_photo

pytestmark = pytest.mark.journey

CITY_TIME = ZoneInfo("Asia/Shanghai")
CONDITION = "event-0110-1"  # exposed refuse
STAGE = "SELECT stage FROM cases_case WHERE number = %s"
UNIT = "SELECT unit_id FROM cases_case WHERE number = %s"
ASSIGNEE = """
    SELECT u.username FROM cases_task t JOIN accounts_user u ON u.id = t.assignee_id
    JOIN cases_case c ON c.id = t.case_id WHERE c.number = %s AND t.answered_at IS NULL
"""


class Posts:
    """The browser of each post, opened when it is first needed."""

    def __init__(self, desks, city) -> None:
        self.desks, self.city = desks, city
        self.pages: dict[str, Page] = {}

    def of(self, username: str, viewport: dict[str, int] = MONITOR) -> Page:
        if username not in self.pages:
            self.pages[username] = self.desks.open(username, "/", viewport)
        return self.pages[username]

    def act(
        self,
        username: str,
        number: str,
        action: str,
        *,
        press: str = "",
        fill: Callable[[Locator], None] | None = None,
    ) -> None:
        """Take an action on the case page: open its form, fill it, press its button."""
        page = self.of(username)
        page.goto(f"/cases/{number}/")
        form = form_of(page, action)
        if fill is not None:
            fill(form)
        buttons = form.locator("button[type=submit]")
        (buttons.filter(has_text=press) if press else buttons).first.click()
        expect(page.get_by_text("done").first).to_be_visible()

    def answer_on_site(self, number: str, press: str) -> None:
        """Answer the open task of the case as the inspector it was sent to, with a photo."""
        username = one(self.city, ASSIGNEE, number)
        page = self.of(username, PHONE)
        page.goto("/m/")
        page.locator(f'a[href*="/m/tasks/{number}/"]').first.click()
        page.locator("input[type=file]").first.set_input_files(picture("lightblue"))
        page.get_by_role("button", name=press, exact=True).click()
        page.wait_for_url("**/m/")
        expect(page.locator(f'a[href*="/m/tasks/{number}/"]')).to_have_count(0)  # it was sent

    def stage(self, number: str) -> str:
        return one(self.city, STAGE, number)


def chosen(name: str, value: str) -> Callable[[Locator], None]:
    return lambda form: form.locator(f'select[name="{name}"]').select_option(value)


def said(**fields: str) -> Callable[[Locator], None]:
    def fill(form: Locator) -> None:
        for name, value in fields.items():
            field = form.locator(f'[name="{name}"]').first
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)

    return fill


def with_photo(form: Locator) -> None:
    form.locator("input[type=file]").first.set_input_files(picture("lightgreen"))


def reported_by_hotline(posts: Posts) -> str:
    page = posts.of("operator1")
    page.goto("/m/report/")
    take_photo(page, "near", "saddlebrown")
    take_photo(page, "far", "olive")
    page.locator("#degrees").evaluate("details => { details.open = true }")
    page.fill("#id_lon", str(ZHONGFANG["longitude"]))
    page.fill("#id_lat", str(ZHONGFANG["latitude"]))
    choose(page, CONDITION)
    page.select_option("#id_source", "hotline")
    page.fill("#id_order_number", "12345-2026-0001")
    page.select_option("#id_order_kind", "complaint")
    page.fill("#id_contact", "王先生")
    page.click("button[type=submit].primary")
    return page.get_by_role("status").filter(has_text="Received").inner_text().split()[-1]


def day(days: int) -> str:
    return f"{datetime.now(CITY_TIME) + timedelta(days=days):%Y-%m-%d}"


@pytest.fixture
def posts(desks, running_city) -> Posts:
    return Posts(desks, running_city)


def test_one_case_and_every_post(posts, running_city):
    number = reported_by_hotline(posts)

    posts.act("acceptor1", number, "send_verify")
    posts.answer_on_site(number, "It is so")
    posts.act("acceptor1", number, "accept")
    posts.act("chief1", number, "file")
    running_city.wait_for(number, "dispatched")

    unit = f"unit-{one(running_city, UNIT, number)}"
    head = unit.replace("unit-", "head-")
    code = unit.removeprefix("unit-")
    posts.act(unit, number, "return", fill=said(reason="not_responsible", note="不属本单位职责"))
    posts.act("dispatcher1", number, "dispute")
    posts.act("supervisor1", number, "arbitrate", fill=said(unit=code, ruling="unjustified"))
    posts.act(unit, number, "sign")
    posts.act(head, number, "assign_handler", fill=chosen("handler", unit))

    posts.act(unit, number, "request_extension", fill=chosen("reason", "weather"))
    posts.act(head, number, "decide_extension", press="Approve")
    posts.act("dispatcher1", number, "decide_extension", press="Approve")
    order = said(note="请尽快办理", reply_by=f"{day(1)}T18:00")
    posts.act("leader1", number, "supervise", fill=order)
    posts.act(unit, number, "reply_supervision", fill=said(note="已安排人员"))
    posts.act(unit, number, "request_suspension", fill=said(reason="season", until=day(20)))
    posts.act("dispatcher1", number, "decide_suspension", press="Approve")
    assert posts.stage(number) == "suspended"
    posts.act("dispatcher1", number, "resume")

    posts.act(unit, number, "finish", fill=with_photo)
    posts.answer_on_site(number, "Failed")
    posts.act("dispatcher1", number, "rework")
    running_city.let_pass(number, "handle")
    posts.act(unit, number, "finish", fill=with_photo)
    posts.answer_on_site(number, "Passed")
    posts.act("chief1", number, "close")

    posts.act(unit, number, "appeal", fill=said(note="连日暴雨，无法施工"))
    posts.act("dispatcher1", number, "decide_appeal", press="Approve")
    posts.act("acceptor1", number, "decide_appeal", press="Approve")
    operator = posts.of("operator1")
    operator.goto("/replies/")
    expect(operator.get_by_text("12345-2026-0001").first).to_be_visible()
    posts.act("operator1", number, "revisit", fill=chosen("satisfaction", "4"))

    told = "SELECT stage, appeal, was_late, rework_count, extension_count FROM cases_case"
    assert running_city.rows(f"{told} WHERE number = %s", number) == [
        ("closed", "upheld", True, 1, 1)
    ]
    reader = posts.desks.open(
        "supervisor1", f"/cases/{number}/?tab=timeline", MONITOR, locale="zh-CN"
    )
    for words in ("已结案", "申请延期", "审批挂账", "指定管辖", "返工", "裁定申诉", "回访"):
        expect(reader.get_by_text(words).locator("visible=true").first).to_be_visible()
    assert "0 faults" in running_city.manage("verify_ledger")
