"""What the reconciler found, and the alarms that stand until it no longer finds it."""

from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.choices import SCOPES


class Reconciliation(models.Model):
    """One run of the reconciler: each minute over what is new and open, nightly over everything.

    `positions` says per log how far it has looked, `counts` how many cases the log puts in each
    stage, `findings` what did not add up. A nightly run goes on in slices until `finished_at`.
    """

    class Kind(models.TextChoices):
        """How much a run looks at."""

        MINUTE = "minute", _("each minute")
        NIGHTLY = "nightly", _("nightly, everything")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    positions = models.JSONField(default=dict)  # {scope: {"dseq": …, "hash": hex, …}}
    counts = models.JSONField(default=dict)  # {scope: {stage: cases by the log}}
    findings = models.JSONField(default=list)  # [{what, scope, key, how_many, since, numbers}]

    objects: ClassVar[models.Manager["Reconciliation"]] = models.Manager()

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(finished_at__isnull=True),
                name="reconciliation_one_under_way",
            ),
        ]
        indexes = [models.Index(fields=["kind", "-finished_at"], name="reconciliation_last")]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"


class AlarmQuerySet(models.QuerySet["Alarm"]):
    """Alarms of the reconciler."""

    def open(self) -> Self:
        """Keep what stands now."""
        return self.filter(cleared_at__isnull=True)


class Alarm(models.Model):
    """Something that did not add up, from when it was first seen until it was found right again.

    One row an occurrence: what clears and comes back is another alarm.
    """

    class What(models.TextChoices):
        """What does not add up."""

        CHAIN = "chain", _("a log does not verify")
        STATE = "state", _("cases are not as their log says")
        COUNT = "count", _("open cases are not accounted for")
        COUNT_ENDED = "count_ended", _("ended cases are not accounted for")
        UNDISPATCHED = "undispatched", _("filed cases nobody is dispatching")
        CLOCK = "clock", _("cases whose clock is missing or wrong")
        DEAD = "dead", _("work that failed every time")
        REVIEW = "needs_review", _("work of which nobody knows whether it was done")
        PARKED = "parked", _("work of a kind that no worker knows")
        WAITING = "waiting", _("work no worker takes")
        UNROUTED = "unrouted", _("cases for which no unit was found")
        SURGE = "surge", _("a unit suddenly receives far more than usual")
        ROLLUP = "rollup", _("the counts of heat and trend are not those of the cases")

    what = models.CharField(max_length=16, choices=What.choices)
    scope = models.CharField(max_length=20)
    key = models.CharField(max_length=60, blank=True)  # the unit or kind of work it is about
    how_many = models.PositiveIntegerField()
    usual = models.PositiveIntegerField(null=True)  # of a surge: as many are usual
    numbers = ArrayField(models.CharField(max_length=15), default=list)  # of cases, the first
    words = models.CharField(max_length=300, blank=True)  # the first mismatch as it was found
    position = models.JSONField(null=True)  # [dseq, hash] of the last good event of a chain
    since = models.DateTimeField()  # when it began, as far as can be told
    seen_at = models.DateTimeField()  # first found
    cleared_at = models.DateTimeField(null=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        constraints = [
            models.UniqueConstraint(
                fields=["what", "scope", "key"],
                condition=Q(cleared_at__isnull=True),
                name="alarm_stands_once",
            ),
            models.CheckConstraint(condition=Q(scope__in=SCOPES), name="alarm_scope_known"),
        ]
        indexes = [models.Index("cleared_at", name="alarm_cleared")]

    def __str__(self) -> str:
        return f"{self.what} {self.scope} {self.key}".rstrip()
