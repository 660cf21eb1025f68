"""What must follow a change: the outbox that the relay hands to Celery."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

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


class Effect(models.Model):
    """One piece of work to be done once: dispatch of a case, a tick, a canary.

    `key` is deterministic, so writing the same effect twice is impossible. The relay publishes
    due rows and moves `next_at` on by a lease; a worker claims the row before it works, so a crash
    counts as a run; after `max_runs` runs the row is dead and waits for a person.
    """

    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=40)
    queue = models.CharField(max_length=40)
    case = models.ForeignKey("cases.Case", models.CASCADE, null=True)
    case_seq = models.PositiveIntegerField(null=True)  # the event that asked for it
    payload = models.JSONField(default=dict)
    urgency = models.PositiveSmallIntegerField(default=5)  # 1 first
    created_at = models.DateTimeField(db_default=Now())
    next_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)
    claimed_until = models.DateTimeField(null=True)
    runs = models.PositiveIntegerField(default=0)
    max_runs = models.PositiveIntegerField(default=5)
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=40, blank=True)
    dead = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)

    objects: ClassVar[models.Manager["Effect"]] = models.Manager()

    class Meta:
        verbose_name = _("effect")
        verbose_name_plural = _("effects")
        constraints = [
            models.CheckConstraint(condition=Q(queue__in=QUEUES), name="effect_queue_known"),
            models.CheckConstraint(
                condition=Q(done_at__isnull=True) | Q(dead=False), name="effect_done_or_dead"
            ),
        ]
        indexes = [
            models.Index(
                "queue",
                "urgency",
                "next_at",
                name="effect_due",
                condition=Q(done_at__isnull=True, dead=False),
            ),
        ]

    def __str__(self) -> str:
        return self.key
