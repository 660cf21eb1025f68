"""Closed word lists of the domain (docs/domain.md). Imports nothing of ours but the roles."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from cityops.accounts.roles import Role  # a user holds roles, so that list lives with the users

__all__ = [
    "CITY",
    "DISTRICT_SLUGS",
    "OPEN_STAGES",
    "SCOPES",
    "UNIT_STAGES",
    "Action",
    "ClockKind",
    "LimitUnit",
    "Role",
    "Source",
    "Stage",
]

CITY = "city"  # the scope of cases with no place yet, and the body of city-wide utilities
DISTRICT_SLUGS = ("hecheng", "hightech", "landport", "zhongfang")
SCOPES = (CITY, *DISTRICT_SLUGS)  # in slug order: the order heads are locked in


class Stage(TextChoices):
    """Where a case stands (domain.md §3)."""

    REPORTED = "reported", _("to be accepted")
    VERIFYING = "verifying", _("being verified")
    ACCEPTED = "accepted", _("to be filed")
    FILED = "filed", _("to be dispatched")
    DISPATCHED = "dispatched", _("to be signed for")
    HANDLING = "handling", _("being handled")
    HANDLED = "handled", _("to be checked")
    CHECKING = "checking", _("being checked")
    CHECKED = "checked", _("to be closed")
    CLOSED = "closed", _("closed")
    RETURNED = "returned", _("returned, to be dispatched")
    DISPUTED = "disputed", _("disputed, to be ruled on")
    REWORK = "rework", _("being reworked")
    SUSPENDED = "suspended", _("suspended")
    DECLINED = "declined", _("declined")
    VOIDED = "voided", _("voided")
    MERGED = "merged", _("merged")


ENDED_STAGES = frozenset({Stage.CLOSED, Stage.DECLINED, Stage.VOIDED, Stage.MERGED})
OPEN_STAGES = frozenset(set(Stage) - ENDED_STAGES)
UNIT_STAGES = frozenset({Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK})  # the handling clock runs


class Action(TextChoices):
    """What can be done to a case (domain.md §3)."""

    REPORT = "report", _("report")
    ACCEPT = "accept", _("accept")
    DECLINE = "decline", _("decline")
    FILE = "file", _("file")
    DECLINE_FILING = "decline_filing", _("decline to file")
    DISPATCH = "dispatch", _("dispatch")
    SIGN = "sign", _("sign for")
    RETURN = "return", _("return")
    REASSIGN = "reassign", _("re-assign")
    ARBITRATE = "arbitrate", _("arbitrate")
    FINISH = "finish", _("finish handling")
    SEND_CHECK = "send_check", _("send for check")
    ANSWER_CHECK = "answer_check", _("answer the check")
    REWORK = "rework", _("rework")
    CLOSE = "close", _("close")
    # Written by the system about a case, never chosen by a person:
    ROUTE = "route", _("look for the unit")
    DUE_SOON = "due_soon", _("due soon")
    OVERDUE = "overdue", _("overdue")
    MOVED_OUT = "moved_out", _("moved out")
    MOVED_IN = "moved_in", _("moved in")
    STORE_PHOTO = "store_photo", _("store a photo")


class Source(TextChoices):
    """Who brought the case in."""

    INSPECTOR = "inspector", _("inspector")
    HOTLINE = "hotline", _("12345 hotline")
    CITIZEN = "citizen", _("citizen")
    LEADER = "leader", _("leader's order")
    MEDIA = "media", _("media")
    SYSTEM = "system", _("other system")


class ClockKind(TextChoices):
    """The clock of a stage (domain.md §4)."""

    ACCEPT = "accept", _("accept and file")
    DISPATCH = "dispatch", _("dispatch")
    SIGN = "sign", _("sign")
    HANDLE = "handle", _("handle")
    CHECK = "check", _("check")
    ARBITRATE = "arbitrate", _("arbitrate")


class LimitUnit(TextChoices):
    """Unit of a time limit; the two emergency units run nights and holidays too (domain.md §4)."""

    EMERGENCY_HOUR = "emergency_hour", _("emergency hour")
    EMERGENCY_DAY = "emergency_day", _("emergency day")
    WORK_HOUR = "work_hour", _("work hour")
    WORK_DAY = "work_day", _("work day")
