"""Outside work: what an effect does in other systems, where no transaction of ours reaches."""

from collections.abc import Callable
from dataclasses import dataclass

from cases.models import Effect


class Failed(Exception):
    """The work certainly did not take place: it may be tried again."""


class NotConfigured(Failed):
    """The settings of this machine do not let the work go out; those of another may."""


class Unknown(Exception):
    """The work may have taken place: only a person may have it tried again."""


class NotNow(Exception):
    """The work was not tried and should not be for a while; the run does not count."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"not before {wait_s:.0f} s from now")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Outside:
    """Work whose `do` runs between two transactions, once, and returns its outcome.

    `do` raises Failed, Unknown, or NotNow; any other error counts as Unknown. It ends within
    10 s: whoever takes longer than the lease, or dies, leaves an outcome nobody knows.
    """

    do: Callable[[Effect], str]
