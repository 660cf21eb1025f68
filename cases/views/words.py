"""A case in the reader's words: its time light, its place, what the reader may read of people."""

from collections.abc import Iterable
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases import policy
from cases.choices import ClockKind, Waiting
from cases.guards import CHECK_FAILED, REOPENED
from cases.models import (
    Attachment,
    Case,
    Event,
    Responsibility,
    Task,
)
from cases.selectors.deadline import deadlines_of
from cases.selectors.responsibility import REGISTER
from cases.selectors.row_words import LIGHT_WORDS, Light, left_words
from cityops.accounts.models import User

REASON_WORDS = {
    "not_responsible": gettext_lazy("not our responsibility"),
    "unclear_place": gettext_lazy("the place is unclear"),
    "not_in_scope": gettext_lazy("not in scope"),
    "not_found": gettext_lazy("nothing found on site"),
    "duplicate": gettext_lazy("reported before"),
    "other": gettext_lazy("another reason"),
    CHECK_FAILED: gettext_lazy("the check failed"),
    REOPENED: gettext_lazy("reopened"),
    "wrong_report": gettext_lazy("the report was wrong"),
    "no_longer_there": gettext_lazy("the problem is no longer there"),
    "cannot_be_done": gettext_lazy("it cannot be handled"),
    "not_solved": gettext_lazy("the problem was not solved"),
    "came_back": gettext_lazy("the problem came back"),
    "new_evidence": gettext_lazy("new evidence"),
    "weather": gettext_lazy("weather"),
    "material": gettext_lazy("waiting for material"),
    "coordination": gettext_lazy("coordination with others"),
    "planned_works": gettext_lazy("planned works"),
    "budget": gettext_lazy("budget"),
    "season": gettext_lazy("season"),
    "border": gettext_lazy("on the border of the districts"),
    "wrong_place": gettext_lazy("the place was wrong"),
}
RULING_WORDS = {
    "justified": gettext_lazy("the return was justified"),
    "unjustified": gettext_lazy("the return was not justified"),
}
EFFECT_WORDS = {
    "exempt": gettext_lazy("exempt from timeliness"),
    "leave_out": gettext_lazy("leave out of the period"),
    "put_in": gettext_lazy("put into the period"),
}
SATISFACTION_WORDS = {
    "5": gettext_lazy("very satisfied"),
    "4": gettext_lazy("satisfied"),
    "3": gettext_lazy("fairly satisfied"),
    "2": gettext_lazy("dissatisfied"),
    "1": gettext_lazy("very dissatisfied"),
}
WAITING_WORDS = {  # what a case waits for beside its stage, as a mark in a list
    Waiting.EXTENSION_HEAD: gettext_lazy("extension: the head of unit decides"),
    Waiting.EXTENSION: gettext_lazy("extension: the dispatcher decides"),
    Waiting.SUSPENSION: gettext_lazy("suspension: the dispatcher decides"),
    Waiting.ASSIST: gettext_lazy("assistance asked for"),
    Waiting.REPLY: gettext_lazy("supervised, no reply yet"),
    Waiting.AUDIT: gettext_lazy("being audited"),
    Waiting.APPEAL: gettext_lazy("appeal: the dispatcher decides"),
    Waiting.APPEAL_ACCEPTOR: gettext_lazy("appeal: the acceptor decides"),
    Waiting.ADJUST: gettext_lazy("adjustment: a second assessor decides"),
}
DOUBT_WORDS = {
    "taken_before": gettext_lazy("the photo was taken before the case was dispatched"),
    "taken_away": gettext_lazy("the photo was taken away from the place"),
}


def light_of_task(task: Task, *, at: datetime) -> Light:
    """Return the time light of a task at `at`; what is asked of inspectors runs day and night."""
    soon_at = task.sent_at + (task.due_at - task.sent_at) * 0.8
    key = "late" if at > task.due_at else "soon" if at >= soon_at else "normal"
    shape, word = LIGHT_WORDS[key]
    left_s = int((task.due_at - at).total_seconds())
    return Light(key, shape, str(word), left_words(left_s), task.due_at)


def photos_of(case: Case) -> list[Attachment]:
    """Return the photos of a case in the order they came."""
    return list(Attachment.objects.filter(case=case).order_by("added_at", "pk"))


def first_photos(cases: Iterable[Case]) -> dict[int, int]:
    """Return the first photo of each case's report that can be shown, by case."""
    reported = (Attachment.Kind.NEAR, Attachment.Kind.FAR)
    shown = Attachment.objects.filter(case__in=list(cases), kind__in=reported)
    first = shown.exclude(stored_sha256="").order_by("case", "added_at", "pk").distinct("case")
    return dict(first.values_list("case", "pk"))


def rule_words(case: Case, events: list[Event]) -> str:
    """Return why this unit answers for the case, by the rule as it was; empty where one chose."""
    if not case.rule:
        return ""
    if case.rule == REGISTER:
        return _("The component register names this unit.")
    given = [event.at for event in events if event.data["facts"].get("rule") == case.rule]
    versions = Responsibility.objects.filter(code=case.rule, valid__contains=given[-1])
    rule = versions.first()
    return f"{rule.reason} ({case.rule})" if rule else case.rule


def deadline_words(case: Case, events: list[Event]) -> list[tuple[str, list[str]]]:
    """Return each deadline's clock and the lines that tell how it came about."""
    kinds = dict(ClockKind.choices)
    told = deadlines_of(case, events)
    return [(str(kinds[ClockKind(one["kind"])]), one["lines"]) for one in told]


# --- whom the reader may read of ------------------------------------------------------------------


def may_see_people(reader: User) -> bool:
    """Whether the reader sees who acted: the posts of the centres do, units and inspectors not."""
    reach = policy.reach_of(reader)
    return reach.is_whole or bool(reach.districts)
