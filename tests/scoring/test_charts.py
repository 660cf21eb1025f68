"""Lines of charts: gaps stay gaps, names do not cover each other."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scoring.charts import chart, spark

TOTALS = st.lists(st.one_of(st.none(), st.decimals(0, 100, places=2)), min_size=1, max_size=12)


def numbers(*texts):
    return [None if text is None else Decimal(text) for text in texts]


def test_a_gap_parts_the_line_and_a_lone_value_is_a_dot():
    drawn = spark(numbers("80", "81", None, "90", None, "84"))

    assert [line.count(",") for line in drawn.lines] == [2]
    assert len(drawn.dots) == 2


def test_what_scatters_little_is_drawn_flat():
    quiet = spark(numbers("90.00", "90.50"))
    loud = spark(numbers("60.00", "90.00"))

    def rise(drawn):
        (line,) = drawn.lines
        first, last = (Decimal(point.split(",")[1]) for point in line.split())
        return first - last

    assert rise(quiet) < 3
    assert rise(loud) == 26


@given(TOTALS)
def test_every_value_lies_on_the_drawing(values):
    drawn = spark(values)

    points = [point for line in drawn.lines for point in line.split()]
    places = [tuple(map(Decimal, point.split(","))) for point in points]
    places += [(Decimal(dot.x), Decimal(dot.y)) for dot in drawn.dots]
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in places)
    assert bool(places) == any(value is not None for value in values)


def test_nothing_known_draws_nothing():
    assert spark(numbers(None, None)).dots == []
    assert chart([("a", numbers(None))], ["01"]) is None


def test_names_at_the_ends_keep_apart_and_the_scale_holds_all_values():
    drawn = chart(
        [("a", numbers("80", "85.1")), ("b", numbers("81", "85.2")), ("c", numbers("70", None))],
        ["01", "02"],
    )

    ends = sorted(Decimal(line.end.y) for line in drawn.lines)
    assert all(below - above >= 18 for above, below in pairwise(ends))
    assert [words for _, words in drawn.scale] == ["70", "75", "80", "85", "90"]
