"""The faults by name. A fault does its steps, asserts that they took effect, and gives figures.

Healing, waiting for rest and checking what must always hold are the same for all: trial.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.faultlab.figures import Figures, Size
from tests.faultlab.runner import Lab

Steps = Callable[[Lab, Size], Figures]


@dataclass(frozen=True)
class Fault:
    """One row of the fault matrix."""

    name: str
    title: str
    steps: Steps
    is_told: bool  # every change is of a recorded client


FAULTS: dict[str, Fault] = {}


def fault(name: str, title: str, *, is_told: bool = True) -> Callable[[Steps], Steps]:
    """Register a function as the steps of a fault."""

    def register(steps: Steps) -> Steps:
        FAULTS[name] = Fault(name, title, steps, is_told)
        return steps

    return register


def all_faults() -> dict[str, Fault]:
    """Return every fault of this package by name; last, whose changes no client recorded."""
    for module in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        import_module(f"{__name__}.{module.stem}")
    ordered = sorted(FAULTS.values(), key=lambda each: (not each.is_told, each.name))
    return {each.name: each for each in ordered}
