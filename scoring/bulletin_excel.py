"""The bulletin as an Excel file: numbers are numbers, each with the address of its cases."""

import io

import xlsxwriter
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from scoring.bulletin import Annex, Bulletin, Cell
from scoring.bulletin_word import qr_png

_FONT = "宋体"


def excel_of(bulletin: Bulletin) -> bytes:
    """Return the .xlsx: the same bytes for the same bulletin."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    made = bulletin.dated.replace(microsecond=0, tzinfo=None)
    book.set_properties({"title": bulletin.title, "author": "cityops", "created": made})
    _Sheets(book, bulletin).write()
    book.close()
    return out.getvalue()


class _Sheets:
    """The sheets of one book."""

    def __init__(self, book: xlsxwriter.Workbook, bulletin: Bulletin) -> None:
        self.book, self.bulletin = book, bulletin
        font = {"font_name": _FONT, "font_size": 12, "valign": "vcenter"}
        self.plain = book.add_format({**font, "border": 1})
        self.points = book.add_format({**font, "border": 1, "num_format": "0.00"})
        self.head = book.add_format({**font, "border": 1, "bold": True, "align": "center",
                                     "text_wrap": True})  # fmt: skip
        self.title = book.add_format({**font, "font_size": 16, "bold": True})
        self.words = book.add_format(font)
        self.wrapped = book.add_format({**font, "text_wrap": True, "valign": "top"})

    def write(self) -> None:
        """Write the scores, the text, the annexes and the sources."""
        self._scores()
        self._text()
        for annex in self.bulletin.annexes:
            self._annex(annex)
        self._sources()

    def _scores(self) -> None:
        one = self.bulletin
        sheet = self.book.add_worksheet(pgettext("bulletin", "Scores"))
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(2)
        sheet.write_string(0, 0, one.title, self.title)
        sheet.write_string(1, 0, self._stamp(), self.words)
        self._row(sheet, 2, one.table_heads, self.head)
        for place, row in enumerate(one.rows, 3):
            for column, cell in enumerate(row):
                self._cell(sheet, place, column, cell)
        last = 3 + len(one.rows)
        for place, note in enumerate(one.notes, last + 1):
            sheet.write_string(place, 0, note, self.words)
        sheet.set_column(1, 1, 22)
        sheet.set_column(2, len(one.table_heads), 11)
        below = last + len(one.notes) + 2
        sheet.write_string(below, 0, _("Seal: %s") % one.seal, self.words)
        heads = ", ".join(f"{scope} {head}" for scope, head in one.heads.items())
        sheet.write_string(below + 1, 0, _("Heads of the logs: %s") % heads, self.words)
        code = {"image_data": io.BytesIO(qr_png(one)), "x_scale": 0.5, "y_scale": 0.5}
        sheet.insert_image(below + 2, 0, "seal.png", code)
        sheet.freeze_panes(3, 2)

    def _stamp(self) -> str:
        one = self.bulletin
        edition = _("edition %d") % one.edition if one.edition else ""
        return f"{one.stamp} {edition} · {one.scheme}"

    def _cell(
        self, sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, cell: Cell
    ) -> None:
        if cell.value is None:
            sheet.write_string(row, column, cell.text, self.plain)
        elif isinstance(cell.value, int):
            sheet.write_number(row, column, cell.value, self.plain)
        else:
            sheet.write_number(row, column, float(cell.value), self.points)

    def _row(
        self, sheet: xlsxwriter.worksheet.Worksheet, row: int, texts: list[str], how: object
    ) -> None:
        for column, text in enumerate(texts):
            sheet.write_string(row, column, text, how)

    def _text(self) -> None:
        sheet = self.book.add_worksheet(pgettext("bulletin", "Text"))
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 1, 110)
        for place, one in enumerate(one for one in self.bulletin.paragraphs if one.text):
            sheet.write_string(place, 0, one.heading, self.head)
            sheet.write_string(place, 1, f"{one.text} {one.numbers}", self.wrapped)

    def _annex(self, annex: Annex) -> None:
        sheet = self.book.add_worksheet(annex.name[:31])
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        self._row(sheet, 0, annex.heads, self.head)
        for place, row in enumerate(annex.rows, 1):
            self._row(sheet, place, row, self.plain)
        sheet.set_column(0, 0, 6)
        sheet.set_column(1, len(annex.heads), 20)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(len(annex.rows), 1), len(annex.heads) - 1)

    def _sources(self) -> None:
        """Say where the cases behind each number are listed."""
        sheet = self.book.add_worksheet(pgettext("bulletin", "Sources"))
        names = [_("Where"), _("Number"), pgettext("bulletin", "Value"), _("Address of the list")]
        self._row(sheet, 0, names, self.head)
        place = 1
        listed = [
            (row[1].text, cell.number) for row in self.bulletin.rows for cell in row if cell.number
        ]
        listed += [(f"[{one.no}]", one.number) for one in self.bulletin.origins]
        for where, number in listed:
            sheet.write_string(place, 0, where, self.plain)
            sheet.write_string(place, 1, str(number.name), self.plain)
            sheet.write_number(place, 2, number.value, self.plain)
            sheet.write_string(place, 3, number.address, self.plain)
            place += 1
        sheet.set_column(0, 2, 18)
        sheet.set_column(3, 3, 60)
