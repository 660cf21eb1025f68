"""A simulated month and its score: four different scores, every number with exactly its cases."""

import io
import json
import re
from datetime import UTC, datetime
from io import StringIO

import pypdf
import pytest
from django.core.management import call_command
from django.db import connection
from docx import Document

from cases.choices import Role
from cases.models import Case, Request
from cases.services.city import load_city
from cases.services.demo_users import create_demo_users
from cases.services.ledger_check import verify_ledger
from cases.simulation import simulate
from deploy import verify_log
from scoring import bulletin_pages, drill
from scoring.drill import numbers_of
from scoring.indicators import facts_of
from scoring.periods import parse_period
from scoring.selectors import facts_between
from scoring.services import compute_run
from scoring.versions import scheme_for
from tests.scoring.ledger import read
from tests.support.city import HUAIHUA, open_logs
from tests.support.people import person
from tests.support.workbooks import read_workbook

pytestmark = pytest.mark.django_db(transaction=True)
OCTOBER = parse_period("2026-10")
DISTRICTS = {"hecheng", "hightech", "landport", "zhongfang"}


@pytest.fixture
def month(settings, tmp_path):
    """Half a month of the whole city, the rest of it quiet."""
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    open_logs()
    load_city(HUAIHUA, since=None, progress=lambda line: None)
    create_demo_users()
    until = datetime(2026, 10, 20, tzinfo=UTC)
    simulate(days=12, per_day=25, seed=1, until=until, progress=lambda line: None)


def test_four_scores_with_their_cases_and_a_ledger_that_tells(month, client, monkeypatch, tmp_path):
    monkeypatch.setattr(drill, "ROWS_A_PAGE", 10_000)
    client.force_login(person("l1", Role.LEADER))

    run = compute_run(OCTOBER)

    bodies = {body["body"]: body for body in json.loads(run.result)["bodies"]}
    assert bodies.keys() == DISTRICTS
    assert len({body["total"] for body in bodies.values()} - {None}) == 4
    adjusted = Request.objects.filter(kind="adjust", state="approved", effect="leave_out")
    left_out = adjusted.values("case")
    for slug, body in bodies.items():
        filed = Case.objects.filter(district=slug, filed_at__isnull=False)
        filed = filed.exclude(stage__in=["merged", "voided"]).exclude(pk__in=left_out).count()
        assert body["counts"]["filed"] == filed > 0
        for count, number in body["counts"].items():
            page = client.get(f"/score/2026-10/{slug}/{count}/?run={run.pk}")
            assert len(page.context["rows"]) == number
    assert verify_ledger() == []
    log = tmp_path / "october.log"
    call_command("export_log", period="2026-10", out=str(log), stdout=StringIO())
    with log.open() as lines:
        told, is_right = verify_log.verify(lines)
    assert is_right
    assert f"seal {run.seal}" in told
    assert [path.name for path in tmp_path.glob("october*")] == ["october.log"]
    again = tmp_path / "again.log"
    call_command("export_log", seal=run.seal, out=str(again), stdout=StringIO())
    assert again.read_bytes() == log.read_bytes()
    shown = client.get(f"/score/2026-10/?run={run.pk}").content.decode()
    heads = [line.split() for line in told if line.startswith("head ")]
    assert len(heads) == 5
    for _, scope, dseq, hash_ in heads:
        row = rf">{scope}</th>\s*<td>{dseq}</td>\s*<td>\s*<code>{hash_}</code>"
        assert re.search(row, shown), scope
    rows = read()
    for by in ("body", "unit", "street", "cell"):
        for as_of in (None, datetime(2026, 10, 12, tzinfo=UTC)):
            words = {"as_of": as_of, "by": by}
            selected = facts_between(OCTOBER.start, OCTOBER.end, **words)
            folded = facts_of(rows, OCTOBER.start, OCTOBER.end, **words)
            assert selected.members == folded.members
            assert selected.assessed == folded.assessed

    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_event SET on_time = NOT on_time
            WHERE scope = 'zhongfang' AND clock_kind = 'handle' AND dseq = (
              SELECT max(dseq) FROM cases_event
              WHERE scope = 'zhongfang' AND clock_kind = 'handle')
            RETURNING dseq
            """
        )
        (dseq,) = cursor.fetchone()
    faults = [str(fault) for fault in verify_ledger()]
    assert faults == [f"zhongfang/{dseq}: a column differs from the header"]


ADDRESS = re.compile(r"/score/2026-10/([\w-]+)/(\w+)/\?run=(\d+)(?:&class=([\w-]+))?")
LINK = re.compile(
    r'<a href="(/score/2026-10/[\w-]+/\w+/\?run=\d+(?:&amp;class=[\w-]+)?)"[^>]*>\s*([\d,]+)\s*</a>'
)


def test_every_number_on_pages_and_papers_is_the_rows_behind_it(month, client, monkeypatch):
    monkeypatch.setattr(bulletin_pages, "PAPER_LANGUAGE", "en")
    run = compute_run(OCTOBER)
    units = compute_run(OCTOBER, scheme_for(OCTOBER, "unit"))
    for district in ("hecheng", "zhongfang"):
        reader = person(f"l-{district}", Role.LEADER, district)
        client.force_login(reader)
        see_every_number(client, reader, run, units)


def see_every_number(client, reader, run, units):
    totals = {}

    def rows_behind(address):
        """Return how long the list behind a link is; each twentieth link is followed, too."""
        if address not in totals:
            body, count, pk, code = ADDRESS.fullmatch(address).groups()
            found = numbers_of({run.pk: run, units.pk: units}[int(pk)], body, count, code or "")
            totals[address] = len(found)
            if len(totals) % 20 == 1:
                assert client.get(address).context["total"] == len(found), address
        return totals[address]

    pages = [f"/score/2026-10/?run={run.pk}", f"/score/2026-10/?run={units.pk}"]
    pages += [f"/score/2026-10/{body}/?run={run.pk}" for body in (*sorted(DISTRICTS), "city")]
    pages += [f"/score/2026-10/?run={run.pk}&class=event-01"]
    for page in pages:
        text = client.get(page).content.decode()
        found = [(address.replace("&amp;", "&"), number) for address, number in LINK.findall(text)]
        assert found, page
        for address, number in found:
            assert rows_behind(address) == int(number.replace(",", "")), address

    address = "/score/2026-10/bulletin/"
    made = client.get(f"{address}?run={run.pk}").context["bulletin"]
    word, pdf, excel = (
        client.get(f"{address}{form}/?run={run.pk}").content for form in ("word", "pdf", "excel")
    )
    shown = [[cell.text for cell in row] for row in made.rows]
    tables = [
        [[cell.text for cell in row.cells] for row in table.rows]
        for table in Document(io.BytesIO(word)).tables
    ]
    assert tables[0][1:] == shown
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    for row in shown:
        assert " ".join(row) in " ".join(text.split())
    for row in made.rows:
        if row[-1].value is not None:
            assert row[-3].value + row[-2].value == row[-1].value
        for cell in row:
            if cell.number:
                assert rows_behind(cell.number.address) == cell.value
    sources = next(sheet.rows for sheet in read_workbook(excel) if sheet.name == "Sources")
    assert len(sources) == 1 + 2 * len(made.rows) + len(made.origins)
    for _, _, value, listed in sources[1:]:
        assert rows_behind(listed) == value
    for annex, printed in zip(made.annexes, tables[2:], strict=False):
        listed = client.get(f"/score/2026-10/all/{annex.key}/?run={run.pk}")
        assert len(printed) - 1 == len(annex.rows) == listed.context["total"]
        hidden = {row[1] for row in annex.rows if row[3] == "a case of another district"}
        visible = Case.objects.visible_to(reader).values_list("number", flat=True)
        assert hidden == {row[1] for row in annex.rows} - set(visible)
