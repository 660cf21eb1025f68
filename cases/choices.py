"""Closed word lists of the domain (docs/domain.md). Imports nothing of ours but the roles."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from cityops.accounts.roles import Role  # a user holds roles, so that list lives with the users

__all__ = [
    "CITY",
    "DISTRICT_SLUGS",
    "EMERGENCY_UNITS",
    "ENDED_STAGES",
    "FILED_STAGES",
    "OPEN_STAGES",
    "SCOPES",
    "UNIT_STAGES",
    "Action",
    "ClockKind",
    "LimitUnit",
    "OrderKind",
    "Role",
    "Source",
    "Stage",
    "Waiting",
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


# In the order of a case's life; from `filed` on it counts in the assessment.
FILED_STAGES = frozenset(
    {
        *(Stage.FILED, Stage.DISPATCHED, Stage.HANDLING, Stage.HANDLED, Stage.CHECKING),
        *(Stage.CHECKED, Stage.RETURNED, Stage.DISPUTED, Stage.REWORK, Stage.SUSPENDED),
    }
)
ENDED_STAGES = frozenset({Stage.CLOSED, Stage.DECLINED, Stage.VOIDED, Stage.MERGED})
OPEN_STAGES = frozenset(set(Stage) - ENDED_STAGES)
UNIT_STAGES = frozenset({Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK})  # the handling clock runs


class Action(TextChoices):
    """What can be done to a case (domain.md §3)."""

    REPORT = "report", _("report")
    SELF_HANDLE = "self_handle", _("self-handle")
    ACCEPT = "accept", _("accept")
    SEND_VERIFY = "send_verify", _("send for verification")
    ANSWER_VERIFY = "answer_verify", _("answer the verification")
    DECLINE = "decline", _("decline")
    FILE = "file", _("file")
    DECLINE_FILING = "decline_filing", _("decline to file")
    RECLASSIFY = "reclassify", _("re-classify")
    DISPATCH = "dispatch", _("dispatch")
    TRANSFER = "transfer", _("transfer to another district")
    SIGN = "sign", _("sign for")
    FINISH = "finish", _("finish handling")
    ASSIST = "assist", _("report on assisting")
    REQUEST_EXTENSION = "request_extension", _("request an extension")
    DECIDE_EXTENSION = "decide_extension", _("decide on the extension")
    REQUEST_SUSPENSION = "request_suspension", _("request a suspension")
    DECIDE_SUSPENSION = "decide_suspension", _("decide on the suspension")
    DEFER = "defer", _("defer")
    RESUME = "resume", _("resume")
    ASSIGN_HANDLER = "assign_handler", _("assign a handler")
    RELEASE_HANDLER = "release_handler", _("take back from the handler")
    REDISPATCH = "redispatch", _("redispatch to a sub-unit")
    SEND_ASSIST = "send_assist", _("ask a unit to assist")
    RETURN = "return", _("return")
    REASSIGN = "reassign", _("re-assign")
    DISPUTE = "dispute", _("open a dispute")
    ARBITRATE = "arbitrate", _("arbitrate")
    SEND_CHECK = "send_check", _("send for check")
    ANSWER_CHECK = "answer_check", _("answer the check")
    REWORK = "rework", _("rework")
    CLOSE = "close", _("close")
    REPLY_SUPERVISION = "reply_supervision", _("reply to the supervision")
    REMIND = "remind", _("remind")
    SUPPORT = "support", _("support")
    SUPERVISE = "supervise", _("supervise")
    MERGE = "merge", _("merge")
    UNMERGE = "unmerge", _("unmerge")
    REOPEN = "reopen", _("reopen")
    APPEAL = "appeal", _("appeal")
    DECIDE_APPEAL = "decide_appeal", _("decide on the appeal")
    REVISIT = "revisit", _("revisit")
    AUDIT_CLOSURE = "audit_closure", _("audit the closing")
    AUDIT_DECLINE = "audit_decline", _("audit the declining")
    ANSWER_AUDIT = "answer_audit", _("answer the audit")
    CONFIRM_EXIT = "confirm_exit", _("confirm the exit")
    PROPOSE_ADJUST = "propose_adjust", _("propose an adjustment")
    ADJUST = "adjust", _("adjust")
    FORCE_CLOSE = "force_close", _("force-close")
    VOID = "void", _("void")
    RECOMPUTE_DEADLINE = "recompute_deadline", _("recompute the deadline")
    # Written by the system about a case, never chosen by a person:
    ROUTE = "route", _("look for the unit")
    DUE_SOON = "due_soon", _("due soon")
    OVERDUE = "overdue", _("overdue")
    MOVED_OUT = "moved_out", _("moved out")
    MOVED_IN = "moved_in", _("moved in")
    TAKE_IN = "take_in", _("take in a duplicate")
    LET_GO = "let_go", _("let go of a duplicate")
    STORE_PHOTO = "store_photo", _("store a photo")


class Source(TextChoices):
    """Who brought the case in."""

    INSPECTOR = "inspector", _("inspector")
    HOTLINE = "hotline", _("12345 hotline")
    CITIZEN = "citizen", _("citizen")
    LEADER = "leader", _("leader's order")
    MEDIA = "media", _("media")
    SYSTEM = "system", _("other system")


class OrderKind(TextChoices):
    """Kind of a 12345 order; its limit hangs on it (domain.md §8)."""

    CONSULTATION = "consultation", _("consultation")
    COMPLAINT = "complaint", _("complaint")


class ClockKind(TextChoices):
    """The clock of a stage (domain.md §4)."""

    ACCEPT = "accept", _("accept and file")
    DISPATCH = "dispatch", _("dispatch")
    SIGN = "sign", _("sign")
    HANDLE = "handle", _("handle")
    VERIFY = "verify", _("verify")
    CHECK = "check", _("check")
    ARBITRATE = "arbitrate", _("arbitrate")
    EXTEND = "extend", _("decide on the extension")
    SUSPEND = "suspend", _("suspended until")
    SUPERVISE = "supervise", _("reply to the supervision")
    HOTLINE = "hotline", _("answer the 12345 order")


class Waiting(TextChoices):
    """What a case waits for beside its stage: a decision or an answer somebody was asked for."""

    EXTENSION_HEAD = "extension_head", _("the head of unit decides on an extension")
    EXTENSION = "extension", _("the dispatcher decides on an extension")
    SUSPENSION = "suspension", _("the dispatcher decides on a suspension")
    ASSIST = "assist", _("an assisting unit reports")
    REPLY = "reply", _("a supervision is replied to")
    AUDIT = "audit", _("an audit is answered")
    APPEAL = "appeal", _("the dispatcher decides on an appeal")
    APPEAL_ACCEPTOR = "appeal_acceptor", _("the acceptor decides on an appeal")
    ADJUST = "adjust", _("a second assessor decides on an adjustment")


class LimitUnit(TextChoices):
    """Unit of a time limit; the two emergency units run nights and holidays too (domain.md §4)."""

    EMERGENCY_HOUR = "emergency_hour", _("emergency hour")
    EMERGENCY_DAY = "emergency_day", _("emergency day")
    WORK_HOUR = "work_hour", _("work hour")
    WORK_DAY = "work_day", _("work day")


EMERGENCY_UNITS = frozenset({LimitUnit.EMERGENCY_HOUR, LimitUnit.EMERGENCY_DAY})
