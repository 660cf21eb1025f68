"""What must follow a change: the outbox that the relay hands to Celery."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.choices import SCOPES

QUEUES = (
    "dispatch.city",
    "dispatch.hecheng",
    "dispatch.hightech",
    "dispatch.landport",
    "dispatch.zhongfang",
    "notify",
    "media",
    "scoring",
    "report",
)


STUCK = ("dead", "needs_review")  # what waits for a person


class Effect(models.Model):
    """One piece of work to be done once: dispatch of a case, a tick, a canary.

    `key` is deterministic, so writing the same effect twice is impossible. The relay publishes
    due rows and moves `next_at` on by a lease; a worker claims the row before it works, so a crash
    counts as a run; after `max_runs` runs the row is dead and waits for a person. So does outside
    work of which nobody knows whether it took place: it needs review.
    """

    class State(models.TextChoices):
        """Where an effect stands; a person rules on dead ones and those that need review."""

        DUE = "due", _("to be done")
        DONE = "done", _("done")
        DEAD = "dead", _("given up")
        NEEDS_REVIEW = "needs_review", _("outcome unknown")
        DISCARDED = "discarded", _("discarded")

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=40)
    queue = models.CharField(max_length=40)
    scope = models.CharField(max_length=20, blank=True)  # a district or city; empty: machinery
    case = models.ForeignKey("cases.Case", models.CASCADE, null=True)
    case_seq = models.PositiveIntegerField(null=True)  # the event that asked for it
    payload = models.JSONField(default=dict)
    urgency = models.PositiveSmallIntegerField(default=5)  # class of the limit; 0 first
    due_at = models.DateTimeField(null=True)  # of the same urgency the earliest first
    created_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=12, choices=State.choices, default=State.DUE)
    next_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)  # set while in flight
    claimed_until = models.DateTimeField(null=True)  # set while a worker is at it
    claimed_by = models.IntegerField(
        null=True
    )  # process of PostgreSQL that served who claimed last
    parked_at = models.DateTimeField(null=True)  # when no worker knew the kind
    runs = models.PositiveIntegerField(default=0)
    max_runs = models.PositiveIntegerField(default=8)  # with the waits between some four minutes
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)
    last_error = models.TextField(blank=True)

    objects: ClassVar[models.Manager["Effect"]] = models.Manager()

    class Meta:
        verbose_name = _("effect")
        verbose_name_plural = _("effects")
        constraints = [
            models.CheckConstraint(condition=Q(queue__in=QUEUES), name="effect_queue_known"),
            models.CheckConstraint(condition=Q(scope__in=["", *SCOPES]), name="effect_scope_known"),
            models.CheckConstraint(
                condition=Q(state="done", done_at__isnull=False)
                | Q(state__in=["due", *STUCK, "discarded"], done_at__isnull=True),
                name="effect_done_at_when_done",
            ),
        ]
        indexes = [
            models.Index(
                *("queue", "scope", "urgency", "due_at", "next_at"),
                name="effect_due",
                condition=Q(state="due"),
            ),
            models.Index(
                *("queue", "scope", "next_at"),
                name="effect_in_flight",
                condition=Q(state="due", published_at__isnull=False),
            ),
            models.Index(
                "claimed_until",
                name="effect_claimed",
                condition=Q(state="due", claimed_until__isnull=False),
            ),
            models.Index(
                *("scope", "state", "kind"), name="effect_open", condition=~Q(state="done")
            ),
        ]

    def __str__(self) -> str:
        return self.key


class EffectRuling(models.Model):
    """What a person ruled about an effect that waited for one: run it again, or leave it.

    Appended only: the database lets nobody change or delete a row.
    """

    class Ruling(models.TextChoices):
        """What is to become of the effect."""

        REDRIVE = "redrive", _("run again")
        DISCARD = "discard", _("discard")

    effect = models.ForeignKey(Effect, models.PROTECT)
    ruling = models.CharField(_("ruling"), max_length=8, choices=Ruling.choices)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"))
    at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=12, choices=Effect.State.choices)  # ruled about
    runs = models.PositiveIntegerField()  # until then
    error = models.TextField(blank=True)  # as it stood

    class Meta:
        verbose_name = _("ruling on an effect")
        verbose_name_plural = _("rulings on effects")
        constraints = [
            models.UniqueConstraint(
                fields=["effect", "runs"], condition=Q(state__in=STUCK), name="ruling_once_a_run"
            ),
            models.CheckConstraint(
                condition=Q(ruling="redrive") | ~Q(reason=""), name="ruling_discard_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ruling} {self.effect_id}"
