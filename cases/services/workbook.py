"""Rows as a file an office opens: a workbook with typed cells, and CSV. No cell is a formula."""

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import xlsxwriter
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.selectors.columns import Cell, Value
from cases.selectors.row_words import Light

MOST_LETTERS = 32_767  # a cell holds no more
WIDEST = 60
_CUT = "…"
# What a spreadsheet takes for the beginning of a formula, full-width signs and blanks included.
FORMULA_SIGNS = frozenset("=+-@\t\r\n＝＋－＠")
# The fill beside the word of a light, and the colour of the word on it (cityops/site.css).
_LIGHTS = {
    "normal": ("#DDF0E4", "#0F5130"),
    "soon": ("#FFC233", "#14202E"),
    "late": ("#C4221B", "#FFFFFF"),
    "paused": ("#5B6673", "#FFFFFF"),
}
_HEAD = {"bold": True, "bg_color": "#E8EDF3", "bottom": 1, "text_wrap": True, "valign": "top"}
_MOMENT = {"num_format": "yyyy-mm-dd hh:mm", "align": "left"}


def write_workbook(
    target: Path | IO[bytes],
    cells: Sequence[Cell],
    rows: Iterable[Sequence[Value]],
    about: Callable[[int], list[tuple[str, str]]],
    *,
    scratch: Path | None = None,
) -> int:
    """Write rows and a sheet that says what they are; returns how many rows.

    `about` is asked last, with that number. Rows are not kept in memory but in files below
    `scratch`, the folder of the system where none is named. What raises leaves `target` unwritten.
    """
    options = {"constant_memory": True, "tmpdir": str(scratch) if scratch else None}
    book = xlsxwriter.Workbook(str(target) if isinstance(target, Path) else target, options)
    try:
        count = _write_rows(book, cells, rows, about)
    except BaseException:
        for sheet in book.worksheets():  # the library leaves its files to whoever collects them
            sheet.row_data_fh.close()
        raise
    book.close()
    return count


def _write_rows(
    book: Any,
    cells: Sequence[Cell],
    rows: Iterable[Sequence[Value]],
    about: Callable[[int], list[tuple[str, str]]],
) -> int:
    styles = _Styles(book)
    sheet = book.add_worksheet(_("Cases"))
    sheet.freeze_panes(1, 0)
    for place, cell in enumerate(cells):
        sheet.set_column(place, place, cell.width)
        styles.write(sheet, 0, place, str(cell.label), head=True)
    count = 0
    for count, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            styles.write(sheet, count, place, value)
    sheet.autofilter(0, 0, count, len(cells) - 1)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    _tell_about(book, styles, about(count))
    return count


def _tell_about(book: Any, styles: "_Styles", lines: list[tuple[str, str]]) -> None:
    sheet = book.add_worksheet(_("About"))
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, WIDEST)
    for place, (label, words) in enumerate(lines):
        styles.write(sheet, place, 0, label, head=True)
        styles.write(sheet, place, 1, words, wrapped=True)


class _Styles:
    """The few formats of a workbook, and one way of writing a value by its type."""

    def __init__(self, book: Any) -> None:
        self._head = book.add_format(_HEAD)
        self._moment = book.add_format(_MOMENT)
        self._wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        # A sign before the text says that it is one, also when somebody edits the cell.
        self._quoted = book.add_format({"quote_prefix": True})
        self._lights = {
            key: book.add_format({"bg_color": fill, "font_color": ink, "bold": True})
            for key, (fill, ink) in _LIGHTS.items()
        }

    def write(
        self,
        sheet: Any,
        row: int,
        place: int,
        value: Value,
        *,
        head: bool = False,
        wrapped: bool = False,
    ) -> None:
        """Write one cell; nothing where there is nothing to say."""
        if isinstance(value, datetime):
            sheet.write_datetime(row, place, _local(value), self._moment)
        elif isinstance(value, Light):
            sheet.write_string(row, place, value.word, self._lights[value.key])
        elif isinstance(value, str):
            if value:
                plain = self._head if head else self._wrapped if wrapped else None
                style = self._quoted if not plain and value[0] in FORMULA_SIGNS else plain
                sheet.write_string(row, place, _fitting(value), style)
        elif value is not None:
            sheet.write_number(row, place, value)


def write_csv(target: IO[str], cells: Sequence[Cell], rows: Iterable[Sequence[Value]]) -> None:
    """Write rows as CSV that Excel reads as UTF-8; a text like a formula gets a ' before it."""
    target.write("\ufeff")
    lines = csv.writer(target)
    lines.writerow([_plain(str(cell.label)) for cell in cells])
    lines.writerows([_plain(value) for value in row] for row in rows)


def _plain(value: Value) -> str | int | float:
    if isinstance(value, datetime):
        return f"{_local(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Light):
        return value.word
    if isinstance(value, str):
        return f"'{value}" if value and value[0] in FORMULA_SIGNS else value
    return "" if value is None else value


def _local(moment: datetime) -> datetime:
    """Return a moment as a clock in the city shows it: a sheet knows no zones."""
    return timezone.localtime(moment).replace(tzinfo=None)


def _fitting(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + _CUT
