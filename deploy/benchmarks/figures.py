"""What a benchmark returns: figures beside their limit, and how they are printed."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Figure:
    """A measured rate (1/s) or time, its limit in the same unit, and other figures of interest."""

    what: str
    unit: str
    value: float
    limit_is: str
    limit: float
    more: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """The share of the limit that is reached, 1 at best; of times the inverse share."""
        share = self.value / self.limit
        return share if self.unit == "1/s" else 1 / share

    def lines(self) -> list[str]:
        """Return the figure for a person."""
        head = f"{self.what}: {self.value:,.4g} {self.unit}"
        against = f"{self.limit_is}: {self.limit:,.4g} {self.unit}"
        more = [f"{name}: {value:,.4g}" for name, value in self.more.items()]
        return [f"{head} | {against} | ratio {self.ratio:.2f}", *more]

    def plain(self) -> dict[str, Any]:
        """Return the figure for a program."""
        return {
            "unit": self.unit,
            "value": self.value,
            "limit": self.limit,
            "ratio": self.ratio,
            **self.more,
        }


def median_s(work: Callable[[], object], *, times: int) -> float:
    """Return the median wall time of `work` in seconds, after one run that warms up."""
    work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
