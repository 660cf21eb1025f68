"""The categories Huaihua ships: complete, in two languages, and no two alike."""

import csv
import re
from collections import Counter, defaultdict

import pytest

from cases.choices import LimitUnit
from cases.models import Condition, MinorClass
from cases.selectors.catalogue import categories
from tests.support.city import HUAIHUA, huaihua

__all__ = ["huaihua"]

CJK = re.compile(r"[一-鿿]")
with (HUAIHUA / "categories.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))
HOURS = {  # how long a unit of limit is at most, to compare two of them
    LimitUnit.EMERGENCY_HOUR: 1,
    LimitUnit.WORK_HOUR: 2,
    LimitUnit.EMERGENCY_DAY: 24,
    LimitUnit.WORK_DAY: 24,
}
# Words of what may wait, because it is small, harmless, or cannot be done without works.
PATIENT = ("轻微", "局部", "不影响", "未侵入", "尚可", "需", "零星")


def code_of(row):
    return f"{row['kind']}-{row['major_code']}{row['minor_code']}"


def hours(row):
    return int(row["limit_value"]) * HOURS[row["limit_unit"]]


def same_problem():
    """Group the conditions that share class and problem class, the shortest limit first."""
    groups = defaultdict(list)
    for row in ROWS:
        groups[code_of(row), row["problem_class"]].append(row)
    return {key: sorted(rows, key=hours) for key, rows in groups.items() if len(rows) > 1}


def test_there_are_190_classes_and_480_conditions():
    assert len({code_of(row) for row in ROWS}) == 190
    assert len(ROWS) == 480
    assert len({(code_of(row), row["condition_no"]) for row in ROWS}) == 480


def test_conditions_of_a_class_are_numbered_from_one():
    numbers = defaultdict(list)
    for row in ROWS:
        numbers[code_of(row)].append(int(row["condition_no"]))

    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


@pytest.mark.parametrize("column", ["text_zh", "closing_zh", "minor_zh", "major_zh"])
def test_chinese_is_chinese(column):
    assert [row[column] for row in ROWS if not CJK.search(row[column])] == []


@pytest.mark.parametrize("column", ["text_en", "closing_en", "minor_en", "major_en"])
def test_english_is_english(column):
    assert [row[column] for row in ROWS if not row[column].isascii()] == []
    assert [row[column] for row in ROWS if len(row[column]) < 4] == []


@pytest.mark.parametrize("column", ["text_zh", "text_en"])
def test_no_two_conditions_of_a_class_read_alike(column):
    readings = Counter((code_of(row), re.sub(r"\W", "", row[column]).casefold()) for row in ROWS)

    assert [reading for reading, times in readings.items() if times > 1] == []


def test_81_conditions_share_class_and_problem_with_another():
    assert sum(len(rows) for rows in same_problem().values()) == 81


@pytest.mark.parametrize("key", same_problem(), ids=lambda key: "-".join(key))
def test_of_the_same_problem_the_shorter_limit_reads_more_urgent(key):
    first, *others = same_problem()[key]

    assert len({hours(row) for row in (first, *others)}) == 1 + len(others)
    assert not any(word in first["text_zh"] for word in PATIENT if word != "尚可")
    told_apart = all(any(word in row["text_zh"] for word in PATIENT) for row in others[-1:])
    assert told_apart or key in LIGHTER


# Where the longer limit is told apart by a lighter case instead of by one of those words.
LIGHTER = {
    ("component-0201", "damage"),
    ("component-0305", "dirty"),
}


def test_every_text_of_ours_is_marked_so():
    assert {row["own"] for row in ROWS} == {"yes"}


@pytest.mark.django_db
@pytest.mark.usefixtures("huaihua")
class TestCatalogue:
    def test_lists_all_with_their_conditions(self, django_assert_num_queries):
        with django_assert_num_queries(2):
            listed = categories()

        assert len(listed) == 190
        assert sum(len(minor["conditions"]) for minor in listed) == 480

    def test_of_one_kind_lists_only_that(self):
        assert {minor["kind"] for minor in categories("event")} == {"event"}
        assert len(categories("component")) + len(categories("event")) == 190

    def test_shows_a_condition_with_limit_photos_and_closing(self):
        cover = categories("component")[0]

        assert (cover["code"], cover["name_zh"], cover["initials"]) == (
            *("component-0101", "上水井盖", "ssjg"),
        )
        first = cover["conditions"][0]
        assert (first["code"], first["limit_value"], first["limit_unit"]) == (
            *("component-0101-1", 2, "emergency_hour"),
        )
        assert (first["photo_rule"], first["photos_needed"]) == ("one", 1)
        assert first["needs_after_photo"] is True
        assert first["is_own"] is True

    def test_leaves_out_what_is_out_of_use(self):
        Condition.objects.filter(code="component-0101-2").update(is_active=False)
        MinorClass.objects.filter(code="component-0102").update(is_active=False)

        codes = {minor["code"]: minor for minor in categories()}

        assert "component-0102" not in codes
        assert [c["no"] for c in codes["component-0101"]["conditions"]] == [1, 3, 4]
