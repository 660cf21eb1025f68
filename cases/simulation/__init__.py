"""A living city for demonstrations: invented reports and people, led through the real services."""

from cases.simulation.busy import keep_busy
from cases.simulation.city import CannotSimulateError
from cases.simulation.gaming import ABOUT, read_moves
from cases.simulation.month import district_counts, simulate

__all__ = [
    "ABOUT",
    "CannotSimulateError",
    "district_counts",
    "keep_busy",
    "read_moves",
    "simulate",
]
