"""Load the component register from a CSV file: every row is right, or nothing is written."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.gis.geos import Point
from django.db import connection
from django.db.models import Field
from django.utils.translation import gettext as _

from cases.datum import CRS_NAMES, to_wgs84
from cases.errors import OutsideCity, Refusal
from cases.ledger import retrying
from cases.models import Component, ComponentState, Kind, MinorClass, Unit
from cases.selectors.place import locate

_LOCK = 0x70617274  # "part": two imports at once would both find a component new

# Each column with the headings it may bear: the word of this program, and what registers call it.
COLUMNS = {
    "code": ("标识码", "部件标识码", "部件编码", "部件代码"),
    "name": ("名称", "部件名称"),
    "lon": ("经度",),
    "lat": ("纬度",),
    "crs": ("坐标系",),
    "state": ("状态", "部件状态"),
    "competent": ("主管部门",),
    "owner": ("权属单位",),
    "maintainer": ("养护单位",),
}
_REQUIRED = ("code", "name", "lon", "lat")
_DEPARTMENTS = ("competent", "owner", "maintainer")
_STATES = {
    "完好": ComponentState.INTACT,
    "破损": ComponentState.DAMAGED,
    "丢失": ComponentState.MISSING,
    "废弃": ComponentState.ABANDONED,
    "占用": ComponentState.OCCUPIED,
    **{state.value: state for state in ComponentState},
}
_PLACE = ("district", "county", "street", "community", "grid_cell")
_COMPARED = ("name", "state", "point", *_PLACE, *_DEPARTMENTS)
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Fault:
    """What is wrong in one field; `row` counts from 1 with the headings, as a spreadsheet does.

    Row 0 stands for the file as a whole, an empty column for the whole row.
    """

    row: int
    column: str
    value: str
    problem: str

    def __str__(self) -> str:
        where = _("row %(row)d") % {"row": self.row} if self.row else _("the file")
        if self.column:
            where = _("%(where)s, column %(column)s") % {"where": where, "column": self.column}
        return f"{where}: {self.problem}" + (f" ({self.value})" if self.value else "")


@dataclass(frozen=True)
class Change:
    """A component of the file as it will be; `was` holds what differs from the register."""

    row: int
    component: Component
    was: dict[str, Any] = field(default_factory=dict)

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Each changed column in the reader's words: name, before, after."""
        return [
            (_label(name), _words(name, was), _words(name, _value(self.component, name)))
            for name, was in self.was.items()
        ]


@dataclass
class Plan:
    """What a file would do to the register. With faults, nothing."""

    new: list[Change] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # headings nobody reads
    columns: list[str] = field(default_factory=list)  # of known components, that it sets

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of new, changed and unchanged components, and of faults."""
        return {
            "new": len(self.new),
            "changed": len(self.changed),
            "unchanged": self.unchanged,
            "faults": len(self.faults),
        }


def plan_components(raw: bytes) -> Plan:
    """Return what loading this CSV file would do; reads only."""
    return _Reader().plan(raw)


@retrying
def load_components(raw: bytes) -> Plan:
    """Load a CSV file of components (docs/components.md) and return what was done.

    Components that are not in the file stay as they are. A plan with faults has written nothing.
    Raises Busy when another import goes on.
    """
    _hold_register()
    plan = plan_components(raw)
    if not plan.faults:
        Component.objects.bulk_create(
            [change.component for change in (*plan.new, *plan.changed)],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["code"],
            update_fields=plan.columns,
        )
    return plan


def _hold_register() -> None:
    """Wait for whoever else writes many components, to the end of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def place_component(component: Component) -> None:
    """Set the place columns from the point. Raises OutsideCity, InvalidInput."""
    place = locate(component.point.x, component.point.y)
    component.district, component.county = place.district, place.county
    component.street, component.community = place.street, place.community
    component.grid_cell = place.cell or ""


def place_again() -> dict[str, int]:
    """Find every component's place anew, for areas may have changed; return counts.

    One that now lies outside the city or in another county than its code says keeps its place
    until the register is corrected. Runs in the caller's transaction.
    """
    _hold_register()
    total, moved = 0, []
    for component in Component.objects.iterator(2000):
        total += 1
        before = [getattr(component, name) for name in _PLACE]
        try:
            place_component(component)
        except OutsideCity:
            continue
        after = [getattr(component, name) for name in _PLACE]
        if before != after and component.county == component.code[:6]:
            moved.append(component)
    Component.objects.bulk_update(moved, _PLACE, batch_size=500)
    return {"added": 0, "changed": len(moved), "closed": 0, "kept": total - len(moved)}


# --- the file -----------------------------------------------------------------------------------


def _text(raw: bytes) -> str | Fault:
    """Return the text of a file in UTF-8, with or without BOM, or GBK: what spreadsheets write."""
    has_bom = raw.startswith(b"\xef\xbb\xbf")
    for encoding in ("utf-8-sig",) if has_bom else ("utf-8", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return Fault(0, "", "", _("It is neither UTF-8 nor GBK text. Save it as CSV (UTF-8)."))


def _table(text: str) -> list[list[str]] | Fault:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [[cell.strip() for cell in row] for row in reader]
    except csv.Error:
        problem = _("A quotation mark opens or closes in the wrong place.")
        return Fault(reader.line_num, "", "", problem)


class _Reader:
    """Reads one file against the register, the classes and the units as they are now."""

    def __init__(self) -> None:
        self.result = Plan()
        classes = MinorClass.objects.filter(kind=Kind.COMPONENT, is_active=True)
        self.classes = set(classes.values_list("code", flat=True))
        self.units: dict[str, set[str]] = defaultdict(set)  # by code and by name
        for unit in Unit.objects.filter(is_active=True):
            for word in (unit.code, unit.name_zh, unit.name_en):
                self.units[word].add(unit.code)
        self.columns: dict[str, int] = {}
        self.rows_of: dict[str, int] = {}  # component code: the row it stands in

    def plan(self, raw: bytes) -> Plan:
        text = _text(raw)
        table = _table(text) if isinstance(text, str) else text
        if isinstance(table, Fault):
            self.result.faults.append(table)
        elif self._read_headings(table[0] if table else []):
            self._compare(list(self._components(table)))
        return self.result

    def _fault(self, row: int, column: str, value: str, problem: str) -> None:
        """Note a fault under the heading the file itself uses."""
        self.result.faults.append(Fault(row, self.headings.get(column, column), value, problem))

    def _read_headings(self, headings: list[str]) -> bool:
        self.headings: dict[str, str] = {}
        keys = {word: key for key, words in COLUMNS.items() for word in (key, *words)}
        for position, heading in enumerate(headings):
            key = keys.get(heading.lower())
            if key is None:
                self.result.ignored += [heading] if heading else []
            elif key in self.columns:
                self.result.faults.append(Fault(1, heading, "", _("This column stands twice.")))
            else:
                self.columns[key], self.headings[key] = position, heading
        for key in _REQUIRED:
            if key not in self.columns:
                words = " / ".join((key, *COLUMNS[key]))
                self._fault(1, key, "", _("This column is missing: %(words)s") % {"words": words})
        return not self.result.faults

    def _components(self, table: list[list[str]]) -> Iterator[Change]:
        width = len(table[0])
        for number, cells in enumerate(table[1:], start=2):
            if not any(cells):
                continue  # an empty line at the end, most often
            if len(cells) != width:
                problem = _("The row has %(found)d fields, the headings are %(wanted)d.")
                words = {"found": len(cells), "wanted": width}
                self._fault(number, "", "", problem % words)
                continue
            component = self._component(number, {k: cells[i] for k, i in self.columns.items()})
            if component is not None:
                yield Change(number, component)

    def _component(self, row: int, said: dict[str, str]) -> Component | None:
        """Return the component a row tells of, or None after noting all that is wrong in it."""
        before = len(self.result.faults)
        code = self._code(row, said["code"])
        name = said["name"]
        if not name:
            self._fault(row, "name", "", _("The name is missing."))
        elif len(name) > _LONGEST_NAME:
            self._fault(row, "name", name, _("The name is longer than 60 characters."))
        component = Component(code=code, minor_id=f"component-{code[6:10]}", name=name)
        if "state" in said:
            state = _STATES.get(said["state"].lower())
            component.state = state or ""
            if state is None:
                words = ", ".join(_STATES)
                problem = _("There is no such state. Write one of: %(words)s")
                self._fault(row, "state", said["state"], problem % {"words": words})
        for column in _DEPARTMENTS:
            if column in said:
                setattr(component, f"{column}_id", self._unit(row, column, said[column]))
        self._set_place(row, said, component)
        return component if len(self.result.faults) == before else None

    def _code(self, row: int, code: str) -> str:
        problem = ""
        if "E+" in code.upper():
            problem = _(
                "A spreadsheet has rounded this code. Give the column the format “text” and enter"
                " the codes again."
            )
        elif len(code) != 16 or not (code.isascii() and code.isdigit()):
            problem = _("A component code is 16 digits.")
        elif f"component-{code[6:10]}" not in self.classes:
            problem = _("Digits 7 to 10, %(digits)s, name no component class in use.")
            problem %= {"digits": code[6:10]}
        elif code in self.rows_of:
            problem = _("The code stands in row %(row)d already.") % {"row": self.rows_of[code]}
        self.rows_of.setdefault(code, row)
        if problem:
            self._fault(row, "code", code, problem)
        return "" if problem else code

    def _unit(self, row: int, column: str, word: str) -> str | None:
        found = self.units.get(word, set()) if word else set()
        if len(found) == 1:
            return next(iter(found))
        if word:
            problem = _("No unit in use has this name or code.")
            if found:
                problem = _("Several units have this name: give the code of one.")
            self._fault(row, column, word, problem)
        return None

    def _set_place(self, row: int, said: dict[str, str], component: Component) -> None:
        degrees = {name: self._degrees(row, name, said[name]) for name in ("lon", "lat")}
        crs = said.get("crs", "").lower() or "wgs84"
        if crs not in CRS_NAMES:
            problem = _("There is no such coordinate system. Write one of: %(words)s")
            self._fault(row, "crs", crs, problem % {"words": ", ".join(CRS_NAMES)})
        lon, lat = degrees["lon"], degrees["lat"]
        if lon is None or lat is None or crs not in CRS_NAMES:
            return
        lon, lat = to_wgs84(lon, lat, crs)
        component.point = Point(round(lon, 7), round(lat, 7), srid=4326)
        try:
            place_component(component)
        except Refusal as refusal:
            self._fault(row, "lon", "", refusal.message)
            return
        if component.code and component.county != component.code[:6]:
            problem = _("The code begins with %(code)s, but the place lies in county %(county)s.")
            words = {"code": component.code[:6], "county": component.county}
            self._fault(row, "code", component.code, problem % words)

    def _degrees(self, row: int, column: str, text: str) -> float | None:
        try:
            return float(text)
        except ValueError:
            self._fault(row, column, text, _("This is not a number of degrees, such as 109.9765."))
            return None

    def _compare(self, read: list[Change]) -> None:
        """Sort what was read by what it changes; a column that is not given keeps its value."""
        stored = Component.objects.in_bulk([change.component.code for change in read])
        given = {*self.columns, "point", *_PLACE}
        self.result.columns = [name for name in _COMPARED if name in given]
        for change in read:
            known = stored.get(change.component.code)
            if known is None:
                self.result.new.append(change)
                continue
            for name in self.result.columns:
                was = _value(known, name)
                if _value(change.component, name) != was:
                    change.was[name] = was
            if change.was:
                self.result.changed.append(change)
            else:
                self.result.unchanged += 1


# --- words --------------------------------------------------------------------------------------


def _value(component: Component, column: str) -> Any:
    return getattr(component, f"{column}_id" if column in _DEPARTMENTS else column)


def _label(column: str) -> str:
    described = Component._meta.get_field(column)
    assert isinstance(described, Field)
    return str(described.verbose_name)


def _words(column: str, value: Any) -> str:
    if isinstance(value, Point):
        return f"{value.x:.7f}, {value.y:.7f}"
    if column == "state":
        return str(ComponentState(value).label)
    if column in _DEPARTMENTS and value:
        return str(Unit.objects.get(pk=value))
    return str(value or "–")
