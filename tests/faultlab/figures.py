"""What a fault measured, and the size it ran in."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

SHORT_TIMES = 3  # a shortened run shares the machine, so its times may be this much longer


class Red(AssertionError):
    """A pass figure was missed, or a fault did not take effect."""


@dataclass(frozen=True)
class Size:
    """How large a run is, and the seed of its schedule."""

    seed: int = 1
    short: bool = False

    def pick(self, full: T, short: T) -> T:
        """Return the one of two sizes that this run has."""
        return short if self.short else full


@dataclass
class Figures:
    """Named figures of one fault with their limits."""

    size: Size
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        hard: bool = False,
    ) -> None:
        """Keep a figure; limits in seconds are loosened in a shortened run unless `hard`."""
        if at_most is not None and unit in ("s", "ms") and self.size.short and not hard:
            at_most *= SHORT_TIMES
        figure = {"value": round(value, 3), "unit": unit, "at_most": at_most, "at_least": at_least}
        self.found[name] = {key: given for key, given in figure.items() if given is not None}

    def compare(
        self, name: str, when: str, *, calm_s: float, found_s: float, times: float, hiccup_s: float
    ) -> None:
        """Keep a time of those a fault should leave alone beside that of a calm city, in seconds.

        It may be so many times as long, or a hiccup of the machine more. A shortened run shares
        its machine and is not judged by it.
        """
        self.note(f"{name}, p95 calm", calm_s, "s")
        limit_s = None if self.size.short else max(times * calm_s, calm_s + hiccup_s)
        self.note(f"{name}, p95 {when}", found_s, "s", at_most=limit_s)

    def missed(self) -> list[str]:
        """Return a sentence for each figure outside its limits."""
        return [
            f"{name} is {figure['value']} {figure['unit']}".rstrip()
            + f", not {word} {figure[limit]}"
            for name, figure in self.found.items()
            for limit, word, is_wrong in (
                ("at_most", "at most", figure["value"] > figure.get("at_most", figure["value"])),
                ("at_least", "at least", figure["value"] < figure.get("at_least", figure["value"])),
            )
            if is_wrong
        ]


def share(values: list[float], part: float) -> float:
    """Return the value below which `part` (0 to 1) of the values lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
