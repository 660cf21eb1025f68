"""A month of the assessment and those it concerns: from its closing to its second edition.

Each step is taken in the browser of the one whose step it is, in Chinese or English. In a city of
its own: a month that is over has to have been there before.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from docx import Document
from playwright.sync_api import Locator, Page, expect
from pypdf import PdfReader

from tests.support.barriers import TAGS, axe, too_wide
from tests.support.browsers import MONITOR, PHONE, form_of
from tests.support.running import RunningCity, started
from tests.support.workbooks import read_workbook

pytestmark = pytest.mark.journey

MONTH = "2026-10"
RANKING, COURSE = f"/score/{MONTH}/", f"/score/{MONTH}/standing/"
LATE, RIVALS_LATE = "HHhecheng0", "HHzhongfang0"
OFFICE, SECOND = "assessor1", "assessor2"
OWN, RIVAL = "supervisor-hecheng", "supervisor-zhongfang"
# The cases of the month, as if the city had run then; the heads count them.
TELL = """
from cases.models import Case, Condition, DistrictHead
from tests.scoring.ledger import write
from tests.scoring.periods_city import cases_of_october
rows = cases_of_october()
write(rows)
condition = Condition.objects.get(pk="event-0110-1")
Case.objects.update(condition=condition, minor=condition.minor, address="迎丰中路与红星路交叉口",
                    limit_value=4, limit_unit="work_hour", calendar_version=1)
DistrictHead.objects.update(dseq=len(rows))
"""
# By its default dates it closed and nobody objected. Nobody may set other ones then, so the guard
# is left out.
DATES = """
ALTER TABLE scoring_scoredperiod DISABLE TRIGGER scoring_period_stands;
INSERT INTO scoring_scoredperiod (name, ends_at, closes_at, window_until)
VALUES ('2026-10', '2026-11-01 00:00+08', now() + {closes}, now() + {until})
ON CONFLICT (name) DO UPDATE
SET closes_at = EXCLUDED.closes_at, window_until = EXCLUDED.window_until;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE scoring_scoredperiod ENABLE TRIGGER scoring_period_stands;
"""
WIDTHS = (360, 1366)


@pytest.fixture(scope="module")
def running_city(tmp_path_factory) -> Iterator[RunningCity]:
    """Start a city that has an October, which has not closed yet."""
    with started(tmp_path_factory.mktemp("period")) as city:
        city.manage("shell", "-v0", "-c", TELL)
        date(city, closes="4 days", until="9 days")
        yield city


def date(city: RunningCity, *, closes: str, until: str) -> None:
    """Let the month close, and objections end, so long from now."""
    said = {"closes": f"interval '{closes}'", "until": f"interval '{until}'"}
    with psycopg.connect(city.variables["DATABASE_URL"]) as connection:
        connection.execute(DATES.format(**said))


class Readers:
    """Everybody's page, each in their language and on their screen; what keeps people out."""

    def __init__(self, desks) -> None:
        self.pages = {
            OFFICE: desks.open(OFFICE, RANKING, MONITOR),
            SECOND: desks.open(SECOND, RANKING, MONITOR, locale="zh-CN"),
            OWN: desks.open(OWN, RANKING, PHONE, locale="zh-CN"),
            RIVAL: desks.open(RIVAL, RANKING, MONITOR),
        }
        self.barriers: list[str] = []

    def at(self, username: str, address: str) -> Page:
        """Go to an address, and look at the page in both themes and at two widths."""
        page = self.pages[username]
        page.goto(address)
        self.look(page)
        return page

    def look(self, page: Page) -> None:
        where = page.url.rpartition(MONTH)[2]
        usual = page.viewport_size
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            self.barriers += [f"{where} {theme} {one}" for one in axe(page, tags=TAGS, rules=[])]
        page.emulate_media(color_scheme="light")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 768})
            self.barriers += [f"{where} {width} {one}" for one in too_wide(page)]
        page.set_viewport_size(usual)

    def adjust(self, number: str) -> None:
        """Excuse a case: one assessor proposes it, the other decides."""
        page = self.pages[OFFICE]
        page.goto(f"/cases/{number}/")
        form = form_of(page, "propose_adjust")
        form.locator('[name="period"]').fill(MONTH)
        form.locator('[name="effect"]').select_option("exempt")
        form.locator('[name="note"]').fill("道路当日封闭")
        form.locator("button[type=submit]").click()
        expect(page.get_by_text("done").first).to_be_visible()
        page = self.pages[SECOND]
        page.goto(f"/cases/{number}/")
        form_of(page, "adjust").locator("button[type=submit]").first.click()
        expect(page.get_by_role("status").first).to_be_visible()


@pytest.fixture
def readers(desks) -> Iterator[Readers]:
    readers = Readers(desks)
    yield readers
    assert readers.barriers == []


def total_of(page: Page, body: str) -> str:
    return page.locator(f'tr[data-body="{body}"] .total a').inner_text()


def downloaded(page: Page, name: str) -> tuple[str, bytes]:
    """Follow the link to a file; return its name and what it holds."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name=name, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def papers_of(page: Page) -> dict[str, tuple[str, bytes]]:
    return {name: downloaded(page, name) for name in ("Word", "PDF", "Excel")}


def test_a_month_is_closed_objected_to_published_and_corrected(readers, running_city):
    closed(readers)
    objection = objected(readers)
    seen_by_the_rival(readers, objection)
    date(running_city, closes="-3 days", until="-1 day")
    answered(readers, objection)
    first = published(readers)
    corrected(readers, first)


def closed(readers: Readers) -> None:
    page = readers.at(OFFICE, RANKING)
    page.get_by_role("link", name="Close the period").click()
    readers.look(page)
    page.get_by_role("button", name="Close now").click()
    expect(page.get_by_text("The districts may object now.")).to_be_visible()
    page.get_by_role("link", name="Back to the ranking").click()
    expect(page.locator(".life-strip")).to_contain_text("Open to objections")
    page = readers.at(RIVAL, "/notices/")
    page.get_by_role("button", name="The period is closed").click()
    page.wait_for_url(f"**{COURSE}")


def objected(readers: Readers) -> str:
    """Object to a number of the district's own, on a telephone; return where that is."""
    page = readers.at(OWN, RANKING)
    page.locator('tr[data-body="hecheng"] .total a').click()
    readers.look(page)
    page.locator(".life-object").first.click()
    readers.look(page)
    page.locator("#text").fill(f"{LATE} 当日道路封闭，不应计超期。")
    page.get_by_role("button", name="提出异议").click()
    expect(page.locator("h1 .life-chip")).to_have_attribute("data-state", "open")
    page.locator("#text").fill("封路通知另附。")
    page.get_by_role("button", name="发送").click()
    expect(page.get_by_text("封路通知另附。")).to_be_visible()
    readers.look(page)
    return urlsplit(page.url).path


def seen_by_the_rival(readers: Readers, objection: str) -> None:
    page = readers.at(RIVAL, f"{RANKING}objections/")
    page.locator(f'main a[href="{objection}"]').click()
    expect(page.get_by_text("当日道路封闭")).to_be_visible()
    expect(page.get_by_text("封路通知另附。")).to_have_count(0)
    expect(page.locator("main form")).to_have_count(0)
    page.goto(f"{RANKING}hecheng/filed/")
    case = page.locator(f'[data-case="{LATE}"]')
    expect(case).to_contain_text("a case of another district")
    expect(case.locator("a")).to_have_count(0)


def answered(readers: Readers, objection: str) -> None:
    page = readers.at(OFFICE, COURSE)
    expect(page.locator(".life-block")).to_contain_text("To be decided")
    expect(page.get_by_role("button", name="Submit this run")).to_be_disabled()
    readers.adjust(LATE)
    page = readers.at(OFFICE, objection)
    page.get_by_role("button", name="This answers it").click()
    page.locator("#answer").fill("查实，已核定豁免。")
    page.get_by_role("button", name="Uphold").click()
    expect(page.locator("h1 .life-chip")).to_have_attribute("data-state", "upheld")
    page = readers.at(OWN, objection)
    expect(page.get_by_text("查实，已核定豁免。")).to_be_visible()
    expect(page.get_by_role("link", name=LATE)).to_be_visible()


def published(readers: Readers) -> dict[str, tuple[str, bytes]]:
    """Publish the month, by two; return its papers."""
    page = readers.at(OFFICE, COURSE)
    page.get_by_role("button", name="Submit this run").click()
    expect(page.get_by_text("A second assessor approves it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve and publish")).to_have_count(0)
    page = readers.at(SECOND, COURSE)
    page.get_by_role("button", name="核定并发布").click()
    expect(page.locator(".life-strip")).to_contain_text("第 1 版")
    readers.look(page)
    presented(readers, page)
    page.get_by_role("link", name="通报", exact=True).click()
    readers.look(page)
    papers = papers_of(page)
    read(papers, page.locator(".paper table").first)
    assert papers_of(page) == papers  # printed again, they are the same to the last byte
    return papers


def presented(readers: Readers, page: Page) -> None:
    """Open the presentation by its key, which opens nothing where keys are switched off."""
    page.evaluate("localStorage.setItem('desk-keys', 'off')")
    page.reload()
    expect(page.locator("#present kbd")).to_be_hidden()
    page.keyboard.press("p")
    page.evaluate("localStorage.setItem('desk-keys', 'on')")
    page.reload()  # and is still the ranking
    expect(page.locator("#present kbd")).to_be_visible()
    page.keyboard.press("p")
    page.wait_for_url("**/show/*")
    readers.look(page)
    page.goto(RANKING)


def read(papers: dict[str, tuple[str, bytes]], shown: Locator) -> None:
    """Compare the three files with the table of the page."""
    rows = [
        [cell.strip() for cell in row.split("\t")]
        for row in shown.locator("tbody tr").all_inner_texts()
    ]
    names = {name for name, _content in papers.values()}
    assert {re.sub(r"_v\d+\..*", "", name) for name in names} == {f"通报_{MONTH}_已核定"}
    word = Document(io.BytesIO(papers["Word"][1]))
    table = [[cell.text for cell in row.cells] for row in word.tables[0].rows[1:]]
    assert table == rows
    pdf = PdfReader(io.BytesIO(papers["PDF"][1]))
    text = "".join(page.extract_text() for page in pdf.pages)
    assert all(cell in text for row in rows for cell in row)
    assert "试算" not in text
    sheet = read_workbook(papers["Excel"][1])[0]
    totals = [row[-1] for row in sheet.rows[3 : 3 + len(rows)]]
    assert totals == [*(float(row[-1]) for row in rows[:-1]), "–"]


def corrected(readers: Readers, first: dict[str, tuple[str, bytes]]) -> None:
    """Re-issue the month, after a ruling came too late for its first edition."""
    readers.adjust(RIVALS_LATE)
    page = readers.at(OFFICE, RANKING)
    before = total_of(page, "zhongfang")
    page.get_by_role("link", name="1 ruling came after").click()
    expect(page.get_by_role("link", name=RIVALS_LATE).first).to_be_visible()
    readers.look(page)
    page.get_by_label("Reason of the re-issue").fill("发布后核定一起豁免")
    page.get_by_role("button", name="Submit the re-issue").click()
    expect(page.get_by_text("A second assessor approves it.")).to_be_visible()
    assert total_of(readers.at(RIVAL, RANKING), "zhongfang") == before
    page = readers.at(SECOND, COURSE)
    page.get_by_role("button", name="核定并发布").click()
    expect(page.locator(".life-strip")).to_contain_text("第 2 版")

    after = total_of(readers.at(RIVAL, RANKING), "zhongfang")
    assert float(after) > float(before)
    page = readers.at(RIVAL, f"{RANKING}editions/2/")
    expect(page.get_by_text("发布后核定一起豁免")).to_be_visible()
    expect(page.locator(".life-ranks").last).to_contain_text(f"{before} → {after}")
    page = readers.at(OWN, f"{RANKING}editions/1/")
    expect(page.locator(".note").first).to_contain_text("第 2 版")
    page = readers.at(RIVAL, f"{RANKING}bulletin/")
    second = papers_of(page)
    read(second, page.locator(".paper table").first)
    assert second.keys() == first.keys()
    assert not {name for name, _content in first.values()} & {
        name for name, _content in second.values()
    }
