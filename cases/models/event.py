"""The ledger: immutable events and the head of each scope's log."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.utils.translation import gettext_lazy as _

from cases.choices import SCOPES, Action, ClockKind, Stage
from cases.workflow import steps


def _allowed_steps() -> Q:
    """Return the workflow table as a condition on (action, from_stage, to_stage)."""
    sources: dict[tuple[str, str], set[str]] = {}
    for action, source, target in steps():
        sources.setdefault((action.value, target.value), set()).add(source.value if source else "")
    allowed = Q()
    for (action_, target_), froms in sorted(sources.items()):
        allowed |= Q(action=action_, from_stage__in=sorted(froms), to_stage=target_)
    return allowed


class DistrictHead(models.Model):
    """Where the log of a scope ends. Locked to the commit of every change, last of all locks."""

    scope = models.CharField(max_length=20, primary_key=True)
    dseq = models.BigIntegerField(default=0)
    hash = models.BinaryField(max_length=32, default=bytes(32))
    at = models.DateTimeField()  # time of the last event

    class Meta:
        verbose_name = _("head of log")
        verbose_name_plural = _("heads of logs")
        constraints = [models.CheckConstraint(condition=Q(scope__in=SCOPES), name="head_known")]

    def __str__(self) -> str:
        return f"{self.scope}@{self.dseq}"


class Event(models.Model):
    """One thing that happened, in the words of domain.md §3; never changed or deleted.

    hash = SHA-256(prev_hash ‖ header ‖ body_digest), body_digest = SHA-256(salt ‖ private).
    `header` is canonical JSON and holds all that scores and routing read; the typed columns
    repeat it for queries. `private` holds opinions, addresses and persons, and may be erased with
    its salt without breaking the chain. Times are UTC; `at` is the time of the transaction.
    """

    scope = models.CharField(max_length=20)
    dseq = models.BigIntegerField()  # gap-free within the scope, in commit order
    case = models.ForeignKey("cases.Case", models.PROTECT, null=True)
    case_seq = models.PositiveIntegerField()  # gap-free within the case
    action = models.CharField(max_length=20, choices=Action.choices)
    from_stage = models.CharField(max_length=12, blank=True)  # empty for the first event
    to_stage = models.CharField(max_length=12, choices=Stage.choices)
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    actor_role = models.CharField(max_length=20)  # "system" for timers and automatic steps
    district = models.CharField(max_length=20, blank=True)  # assessment district, after the action
    body = models.CharField(max_length=20, blank=True)  # body of the run concerned
    unit = models.CharField(max_length=60, blank=True)  # unit code of the run concerned

    clock_kind = models.CharField(max_length=10, choices=ClockKind.choices, blank=True)
    clock_started_at = models.DateTimeField(null=True)  # of the clock this action ended
    clock_due_at = models.DateTimeField(null=True)
    on_time = models.BooleanField(null=True)
    used_s = models.BigIntegerField(null=True)

    sets_clock = models.BooleanField(default=False)  # the next two are this event's word on it
    due_at = models.DateTimeField(null=True)
    base_due_at = models.DateTimeField(null=True)

    data = models.JSONField(default=dict)  # header's "facts" and "set", for queries
    move_id = models.UUIDField(null=True)
    claimed_at = models.DateTimeField(null=True)  # the phone's own time: shown, never scored

    header = models.TextField()
    private = models.TextField(null=True)  # noqa: DJ001  # null once erased
    salt = models.BinaryField(max_length=16, null=True)
    body_digest = models.BinaryField(max_length=32)
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    objects: ClassVar[models.Manager["Event"]] = models.Manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            models.UniqueConstraint(fields=["scope", "dseq"], name="event_dseq"),
            models.UniqueConstraint(fields=["case", "case_seq"], name="event_case_seq"),
            models.CheckConstraint(condition=Q(dseq__gt=0), name="event_dseq_positive"),
            models.CheckConstraint(condition=_allowed_steps(), name="event_follows_the_table"),
        ]
        indexes = [
            models.Index("action", "at", name="event_action_at"),
            models.Index("at", name="event_at"),
            # By when a clock runs out, for scores that go on from an earlier moment.
            models.Index("due_at", name="event_due", condition=Q(sets_clock=True)),
            models.Index(
                KeyTextTransform("due_at", KeyTransform("starts", "data")),
                name="event_stage_due",
                condition=Q(data__has_key="starts"),
            ),
            models.Index(
                "case",
                name="event_late",
                condition=Q(action="overdue") | Q(clock_kind="handle", on_time=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope}/{self.dseq} {self.action}"
