"""The bulletin: Word, PDF and Excel from one structure, the text and the template of the office."""

import hashlib
import io
import re
import zipfile

import pypdf
import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from docx import Document
from docx.oxml.ns import qn

from cases.models import Unit
from cityops.accounts.roles import Role
from scoring import bulletin_pages
from scoring.annexes import case_rows
from scoring.bulletin_texts import SHIPPED_TEMPLATE
from scoring.models import BulletinTemplate, BulletinText
from scoring.versions import scheme_of
from tests.scoring.ledger import write
from tests.scoring.logs import Story, day
from tests.scoring.test_indicators import OCTOBER
from tests.scoring.test_pages import a_few_cases, keep_heads
from tests.support.people import person
from tests.support.scores import score_now
from tests.support.workbooks import read_workbook

ADDRESS = "/score/2026-10/bulletin/"


@pytest.fixture
def run(huaihua, db):
    rows = a_few_cases()
    rows += Story("HH9", "zhongfang").filed(day("10-07")).given(day("10-07"), day("10-11")).rows
    write(rows)
    keep_heads()
    return score_now(OCTOBER, scheme_of())


@pytest.fixture(autouse=True)
def in_english(monkeypatch):
    """Print the papers in the language of the message ids, as assertions read them."""
    monkeypatch.setattr(bulletin_pages, "PAPER_LANGUAGE", "en")


@pytest.fixture
def assessor(db):
    return person("a1", Role.ASSESSOR)


def file_of(client, run, form):
    answer = client.get(f"{ADDRESS}{form}/?run={run.pk}")
    assert answer.status_code == 200
    return answer


def tables_of(content):
    document = Document(io.BytesIO(content))
    return [[[cell.text for cell in row.cells] for row in t.rows] for t in document.tables]


def edited(change):
    """Return our template with its text changed, as somebody would in Word."""
    out = io.BytesIO()
    with zipfile.ZipFile(SHIPPED_TEMPLATE) as parts, zipfile.ZipFile(out, "w") as kept:
        for name in parts.namelist():
            content = parts.read(name)
            if name == "word/document.xml":
                content = change(content.decode()).encode()
            kept.writestr(name, content)
    return out.getvalue()


def upload(client, run, content):
    return client.post(
        f"{ADDRESS}template/?run={run.pk}", {"template": io.BytesIO(content)}, format="multipart"
    )


# --- the three files ----------------------------------------------------------------------------


def test_word_pdf_and_excel_say_the_same(client, run):
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"{ADDRESS}?run={run.pk}")
    word = file_of(client, run, "word").content
    pdf = file_of(client, run, "pdf").content
    book = read_workbook(file_of(client, run, "excel").content)

    made = page.context["bulletin"]
    shown = [[cell.text for cell in row] for row in made.rows]
    assert tables_of(word)[0][1:] == shown
    assert [row[0] for row in tables_of(word)[2]] == ["No.", "1", "2"]
    sheet = book[0].rows[3 : 3 + len(shown)]
    assert [[as_text(cell, said) for cell, said in zip(*pair, strict=True)]
            for pair in zip(sheet, shown, strict=True)] == shown  # fmt: skip
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    for row in shown:
        assert row[1] in text
    assert run.seal in text.replace("\n", "").replace(" ", "")
    assert [one.name for one in book] == [
        "Scores", "Text", "Overdue cases", "Suspended cases", "Cases carried forward", "Sources",
    ]  # fmt: skip


def as_text(cell, said):
    """Return a cell of the book as the table prints it."""
    if isinstance(cell, float):
        return f"{cell:.2f}" if "." in said else f"{cell:.0f}"
    return cell


@pytest.mark.parametrize("form", ["word", "pdf", "excel"])
def test_the_same_bulletin_is_the_same_file(client, run, form):
    client.force_login(person("l1", Role.LEADER))

    first, again = (file_of(client, run, form).content for _ in range(2))

    assert first == again


def test_the_file_names_its_period_and_that_it_is_provisional(client, run):
    client.force_login(person("l1", Role.LEADER))

    answer = file_of(client, run, "excel")

    assert answer["Content-Disposition"] == (
        'attachment; filename="bulletin_2026-10_Provisional.xlsx"'
    )


def test_word_has_a_chinese_font_in_its_style_and_tables_that_break_well(client, run):
    client.force_login(person("l1", Role.LEADER))

    document = Document(io.BytesIO(file_of(client, run, "word").content))

    fonts = document.styles["Normal"].element.rPr.rFonts
    assert fonts.get(qn("w:eastAsia")) == "仿宋_GB2312"
    for table in (document.tables[0], *document.tables[2:]):
        first, *rows = table.rows
        assert first._tr.trPr.find(qn("w:tblHeader")) is not None
        for row in (first, *rows):
            assert row._tr.trPr.find(qn("w:cantSplit")) is not None
    header = document.sections[0].header.part.blob.decode()
    assert 'string="Provisional"' in header


def test_another_district_gets_headers_only(client, run):
    client.force_login(person("d1", Role.DISPATCHER, "zhongfang"))

    tables = tables_of(file_of(client, run, "word").content)

    late = {row[1]: row[3:] for row in tables[2][1:]}
    assert late["HH1"] == ["a case of another district", "–", "–", "–"]
    assert late["HH9"][2:] == ["2026-10-07 00:00", "2026-10-11 00:00"]


def test_an_annex_shows_a_case_as_it_stood_at_the_end_of_the_period(huaihua, db):
    one, other = Unit.objects.order_by("code")[:2]

    def told(number):
        return Story(number).filed(day("10-05")).given(day("10-05"), day("10-30"), unit=one.code)

    given_away = told("HH1").returned(day("11-02"))
    given_away.given(day("11-02"), day("11-06"), unit=other.code, action="reassign")
    mended = told("HH2").recomputed(day("11-03"), day("10-31"))
    mended.returned(day("11-04")).given(day("11-04"), day("11-09"), action="reassign")
    mended.recomputed(day("11-05"), day("11-10"))
    held = told("HH3").signed(day("10-06")).suspended(day("10-07"), approved=True)
    held.resumed(day("11-02"), day("11-25"))
    numbers = ["HH1", "HH2", "HH3"]
    write([*given_away.rows, *mended.rows, *held.rows])
    keep_heads()
    made = score_now(OCTOBER, scheme_of())

    rows = case_rows(made, [("hecheng", number) for number in numbers], set(numbers))

    assert [row[3:] for row in rows] == [
        [one.name, "2026-10-05 00:00", "2026-10-30 00:00"],
        [one.name, "2026-10-05 00:00", "2026-10-31 00:00"],
        [one.name, "2026-10-05 00:00", "–"],
    ]


def test_annexes_may_be_left_out(client, run):
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"{ADDRESS}?run={run.pk}&choose=1&annex=overdue_unhandled")
    none = client.get(f"{ADDRESS}?run={run.pk}&choose=1")

    assert [annex.key for annex in page.context["bulletin"].annexes] == ["overdue_unhandled"]
    assert none.context["bulletin"].annexes == []


def test_each_number_of_the_text_opens_as_many_cases(client, run):
    client.force_login(person("l1", Role.LEADER))

    made = client.get(f"{ADDRESS}?run={run.pk}").context["bulletin"]

    assert made.origins
    for origin in made.origins:
        page = client.get(origin.number.address)
        assert page.context["total"] == origin.number.value, origin
    said = re.findall(r"\d+ cases are overdue", made.paragraphs[0].text)
    assert said == ["2 cases are overdue"]


# --- the text -----------------------------------------------------------------------------------


def test_the_office_writes_over_a_paragraph_and_takes_it_back(client, run, assessor):
    client.force_login(assessor)
    address = f"{ADDRESS}?run={run.pk}"
    generated = client.get(address).context["bulletin"].paragraphs[0].generated

    client.post(ADDRESS, {"overall": "本月形势平稳。", "commended": "  "})
    written = client.get(address).context["bulletin"].paragraphs
    seen = BulletinText.objects.get().pk
    client.post(ADDRESS, {"overall": "", "seen.overall": seen})
    again = client.get(address).context["bulletin"].paragraphs

    assert (written[0].text, written[0].generated) == ("本月形势平稳。", generated)
    assert [one.key for one in written] == ["overall", "ranks", "next"]
    assert again[0].text == generated
    assert list(BulletinText.objects.values_list("key", "text")) == [
        ("overall", "本月形势平稳。"),
        ("overall", ""),
    ]


def fields_of(page):
    """Return what the form of the text sends when nothing is changed."""
    written = page.context["written"]
    return {one["key"]: one["text"] for one in written} | {
        f"seen.{one['key']}": one["seen"] for one in written
    }


def last_words():
    return dict(BulletinText.objects.order_by("pk").values_list("key", "text"))


def test_two_write_different_paragraphs_and_both_are_kept(client, run, assessor):
    client.force_login(assessor)
    address = f"{ADDRESS}?run={run.pk}"
    client.post(address, {"weak": "旧", "next": "旧"})
    one, other = fields_of(client.get(address)), fields_of(client.get(address))

    client.post(address, one | {"weak": "甲写"})
    answer = client.post(address, other | {"next": "乙写"})

    assert answer.status_code == 302
    assert last_words() == {"weak": "甲写", "next": "乙写"}
    assert BulletinText.objects.count() == 4


def test_two_write_one_paragraph_and_the_second_is_told(client, run, assessor):
    client.force_login(assessor)
    address = f"{ADDRESS}?run={run.pk}"
    one, other = fields_of(client.get(address)), fields_of(client.get(address))
    client.post(address, one | {"weak": "甲写", "next": "甲写"})

    answer = client.post(address, other | {"weak": "乙写", "overall": "乙写"})
    before = last_words()
    again = fields_of(answer)
    client.post(address, again)

    assert answer.status_code == 422
    assert "Somebody has written here since: “甲写”" in answer.content.decode()
    assert before == {"weak": "甲写", "next": "甲写"}
    assert again["weak"] == "乙写"
    assert last_words() == {"weak": "乙写", "next": "甲写", "overall": "乙写"}


def test_nobody_else_writes_and_nothing_too_long_is_kept(client, run, assessor):
    client.force_login(person("l1", Role.LEADER))
    refused = client.post(ADDRESS, {"overall": "a"})
    client.force_login(assessor)
    too_long = client.post(f"{ADDRESS}?run={run.pk}", {"overall": "a" * 2001})

    assert (refused.status_code, too_long.status_code) == (403, 422)
    assert "at most 2000 characters" in too_long.content.decode()
    assert not BulletinText.objects.exists()


# --- the template -------------------------------------------------------------------------------


def kept_template(content, by, confirmed_by=None, *, name="a.docx"):
    """Keep a template without a trial, as one that was good when it was sent."""
    now = timezone.now()
    return BulletinTemplate.objects.create(
        content=content, name=name, digest=hashlib.sha256(content).hexdigest(), by=by, at=now,
        confirmed_by=confirmed_by, confirmed_at=now if confirmed_by else None,
    )  # fmt: skip


def first_line(client, run):
    return Document(io.BytesIO(file_of(client, run, "word").content)).paragraphs[0].text


def test_the_office_edits_the_template_and_a_second_assessor_confirms_it(client, run, assessor):
    client.force_login(assessor)
    given = client.get(f"{ADDRESS}template/").content
    shipped = first_line(client, run)

    answer = upload(client, run, edited(lambda text: text.replace("城市管理工作通报", "简报")))
    sent = BulletinTemplate.objects.get()
    own = client.post(f"{ADDRESS}template/?run={run.pk}", {"confirm": sent.pk})
    unconfirmed = first_line(client, run)
    client.force_login(person("a2", Role.ASSESSOR))
    shown = client.get(f"{ADDRESS}?run={run.pk}").content.decode()
    client.post(f"{ADDRESS}template/?run={run.pk}", {"confirm": sent.pk})

    assert given == SHIPPED_TEMPLATE.read_bytes()
    assert (answer.status_code, own.status_code) == (302, 403)
    assert sent.digest in shown
    assert "Confirm this template" in shown
    assert (unconfirmed, first_line(client, run)) == (shipped, "简报")
    again = client.post(f"{ADDRESS}template/?run={run.pk}", {"confirm": sent.pk})
    assert again.status_code == 409


def test_the_paper_says_which_template_it_was_made_with(client, run, assessor):
    other = person("a2", Role.ASSESSOR)
    content = edited(lambda text: text.replace("城市管理工作通报", "简报"))
    template = kept_template(content, assessor, other)
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"{ADDRESS}?run={run.pk}").content.decode()
    word = Document(io.BytesIO(file_of(client, run, "word").content))

    assert f'a.docx · <code class="digest">{template.digest}</code>' in page
    assert word.core_properties.comments == f"template SHA-256 {template.digest}"
    assert "Templates sent" not in page


def test_what_was_confirmed_stands_and_nobody_confirms_his_own(run, assessor):
    other = person("a2", Role.ASSESSOR)
    kept_template(b"1", assessor, other)
    waits = kept_template(b"2", assessor)
    changes = [
        lambda: BulletinTemplate.objects.filter(content=b"1").update(confirmed_by=None),
        lambda: BulletinTemplate.objects.filter(content=b"1").delete(),
        lambda: BulletinTemplate.objects.filter(pk=waits.pk).update(content=b"3"),
        lambda: BulletinTemplate.objects.filter(pk=waits.pk).update(
            confirmed_by=assessor, confirmed_at=timezone.now()
        ),
    ]
    before = list(BulletinTemplate.objects.order_by("pk").values())

    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()

    assert list(BulletinTemplate.objects.order_by("pk").values()) == before


def test_a_template_that_fails_at_the_print_gives_way_to_the_shipped_one(client, run, assessor):
    content = edited(lambda text: text.replace("{{ title }}", "{{ annexes[2].name }}"))
    kept_template(content, assessor, person("a2", Role.ASSESSOR))
    client.force_login(person("l1", Role.LEADER))

    answer = client.get(f"{ADDRESS}word/?run={run.pk}&choose=1")
    page = client.get(f"{ADDRESS}?run={run.pk}").content.decode()

    word = Document(io.BytesIO(answer.content))
    assert answer.status_code == 200
    assert any("could not be filled in" in one.text for one in word.paragraphs)
    assert "the file was made with the shipped one" in page


def without(change, name="word/document.xml"):
    """Return our template with a part put in another's place."""
    out = io.BytesIO()
    with zipfile.ZipFile(SHIPPED_TEMPLATE) as parts, zipfile.ZipFile(out, "w") as kept:
        for part in parts.namelist():
            kept.writestr(part, change(parts.read(part)) if part == name else parts.read(part))
    return out.getvalue()


def with_a_picture_from_elsewhere(rels):
    one = b'<Relationship Id="rX" Type="http://x/image" Target="http://x/a.png"'
    return rels.replace(b"</Relationships>", one + b' TargetMode="External"/></Relationships>')


def encrypted():
    """Return our template with the flag of an encrypted part, which no reader opens."""
    content = bytearray(SHIPPED_TEMPLATE.read_bytes())
    for mark, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flag] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no zip", "it is no Word file (.docx)"),
        (edited(lambda text: text.replace("{{ title }}", "{{ title | nofilter }}")), "nofilter"),
        (edited(lambda text: text.replace("{{ title }}", "{{ title.__class__.__mro__ }}")),
         "unsafe"),
        (edited(lambda text: text.replace("{{ title }}", "{{ annexes[2].name }}")),
         "it cannot be filled in: list object has no element 2"),
        (without(with_a_picture_from_elsewhere, "word/_rels/document.xml.rels"),
         "it points outside"),
        (without(lambda part: part[: len(part) // 2]), "it cannot be filled in"),
        (without(lambda part: b"<", "word/_rels/document.xml.rels"), "it cannot be filled in"),
        (encrypted(), "it is encrypted"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_filled_in_is_refused(client, run, assessor, content, why):
    client.force_login(assessor)

    answer = upload(client, run, content)

    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert not BulletinTemplate.objects.exists()
