"""Reads the workbooks the city writes: only the parts of the format that they use."""

import io
import re
import zipfile
from typing import NamedTuple
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


class Sheet(NamedTuple):
    """The values of a sheet by row and column, and its XML."""

    name: str
    rows: list[list[str | float | None]]
    xml: str


def read_workbook(content: bytes) -> list[Sheet]:
    """Return the sheets in their order. Raises AssertionError for a cell of another kind."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        shared = _shared(book)
        return [
            _sheet(name, book.read(f"xl/worksheets/sheet{place}.xml").decode(), shared)
            for place, name in enumerate(names, start=1)
        ]


def _shared(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    root = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314  # our own file
    return ["".join(item.itertext()) for item in root]


def _sheet(name: str, xml: str, shared: list[str]) -> Sheet:
    root = ElementTree.fromstring(xml)  # noqa: S314  # our own file
    rows = []
    for row in root.iter(f"{_MAIN}row"):
        cells: dict[int, str | float | None] = {}
        for cell in row:
            cells[_column(cell.attrib["r"])] = _value(cell, shared)
        rows.append([cells.get(place) for place in range(max(cells, default=-1) + 1)])
    return Sheet(name, rows, xml)


def _unescaped(text: str) -> str:
    return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), text)


def _column(place: str) -> int:
    number = 0
    for letter in re.match(r"[A-Z]+", place).group():
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: ElementTree.Element, shared: list[str]) -> str | float | None:
    assert cell.find(f"{_MAIN}f") is None, f"{cell.attrib['r']} is a formula"
    kind = cell.attrib.get("t", "n")
    if kind == "inlineStr":
        return _unescaped("".join(cell.itertext()))
    held = cell.find(f"{_MAIN}v")
    if held is None:
        return None
    assert kind in ("s", "n"), kind
    return _unescaped(shared[int(held.text)]) if kind == "s" else float(held.text)
