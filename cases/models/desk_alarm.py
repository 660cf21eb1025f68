"""What rings at the desk until somebody says that they know of it, or until its reason is gone.

Not to be taken for `Alarm`, which is the reconciler's and is about the machinery.
"""

from datetime import time
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.choices import Role
from cases.models.case import Case
from cases.ringing import HEARERS, Ring, Tier
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind


class DeskAlarmRule(models.Model):
    """How loud one kind of alarm is, and when it is told to the shift lead; edited by the city."""

    ring = models.CharField(_("alarm"), max_length=12, choices=Ring.choices, primary_key=True)
    tier = models.CharField(_("tier"), max_length=1, choices=Tier.choices)
    wait_s = models.PositiveIntegerField(
        _("rings after, seconds"),
        default=0,
        help_text=_("only where time alone makes it ring: not accepted, connection lost"),
    )
    escalate_min = models.PositiveIntegerField(
        _("told to the duty chief after, minutes"),
        default=10,
        validators=[MinValueValidator(1)],
        help_text=_("of tier 1, while nobody has said that they know"),
    )

    objects: ClassVar[models.Manager["DeskAlarmRule"]] = models.Manager()

    class Meta:
        verbose_name = _("alarm of the desk")
        verbose_name_plural = _("alarms of the desk")
        ordering = ["tier", "ring"]
        constraints = [
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="desk_rule_tier_known"),
        ]

    def __str__(self) -> str:
        return str(self.get_ring_display())


class DeskAlarmQuerySet(models.QuerySet["DeskAlarm"]):
    """Alarms of the desk; every screen starts at `heard_by`."""

    def heard_by(self, user: User) -> Self:
        """Keep those of cases `user` may see that ring for one of their roles over its district."""
        wanted = Q(pk__in=[])
        for grant in user.grants if user.is_active else ():
            if grant.role not in HEARERS:
                continue
            mine = Q(roles__contains=[grant.role])
            if grant.scope_kind == ScopeKind.DISTRICT:
                mine &= Q(case__district=grant.scope_key)
            elif grant.scope_kind != ScopeKind.CITY:
                continue
            wanted |= mine
        return self.filter(wanted, case__in=Case.objects.all().visible_to(user))

    def open(self) -> Self:
        """Keep those whose reason stands."""
        return self.filter(ended_at=None)

    def ringing(self) -> Self:
        """Keep those that ring until somebody says that they know."""
        return self.open().filter(tier=Tier.RINGS, acknowledged_at=None)


class DeskAlarm(models.Model):
    """One reason for a desk to ring about a case, once; written beside the event that explains it.

    `ended_at` is set in the transaction that ends the reason. One person's 知道了 ends the ringing
    for all who hear it. `escalated_at` says when the duty chief was told, `told` by how many
    channels: 0 means that there is none.
    """

    case = models.ForeignKey(Case, models.CASCADE)
    event = models.ForeignKey(
        "cases.Event", models.SET_NULL, null=True, db_index=False, related_name="+"
    )  # null where time alone made it ring
    ring = models.CharField(max_length=12, choices=Ring.choices)
    key = models.CharField(max_length=60)  # the very clock and due time, order or cycle
    clock = models.CharField(max_length=10, blank=True)
    tier = models.CharField(max_length=1, choices=Tier.choices)
    roles = ArrayField(models.CharField(max_length=20, choices=Role.choices))
    due_at = models.DateTimeField(null=True)
    raised_at = models.DateTimeField()
    escalate_at = models.DateTimeField(null=True)  # of tier 1 only
    escalated_at = models.DateTimeField(null=True)
    told = models.PositiveSmallIntegerField(default=0)  # channels
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["DeskAlarm"]] = DeskAlarmQuerySet.as_manager()

    class Meta:
        verbose_name = _("ringing of the desk")
        verbose_name_plural = _("ringings of the desk")
        constraints = [
            models.UniqueConstraint(fields=["case", "key"], name="desk_alarm_once"),
            models.CheckConstraint(condition=Q(tier__in=["1", "2"]), name="desk_alarm_tier_known"),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False),
                name="desk_alarm_says_who_knows",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("raised_at")),
                name="desk_alarm_ends_after_start",
            ),
        ]
        indexes = [
            models.Index("case", name="desk_alarm_open", condition=Q(ended_at=None)),
            models.Index("tier", "raised_at", name="desk_alarm_rings", condition=Q(ended_at=None)),
            models.Index("ended_at", name="desk_alarm_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.key}"


class DeskAlarmChoice(models.Model):
    """How somebody wants to hear alarms: volume, and the quiet hours of their shift.

    Times of Asia/Shanghai; `quiet_from` later than `quiet_until` goes over midnight.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    volume = models.PositiveSmallIntegerField(
        default=70, validators=[MinValueValidator(10), MaxValueValidator(100)]
    )  # per cent; never nothing
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["DeskAlarmChoice"]] = models.Manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(volume__gte=10, volume__lte=100), name="desk_choice_is_heard"
            ),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="desk_choice_quiet_has_both_ends",
            ),
        ]

    def __str__(self) -> str:
        return str(self.user_id)

    def is_quiet(self, at: time) -> bool:
        """Whether the wall clock `at` lies in the quiet hours."""
        if self.quiet_from is None or self.quiet_until is None:
            return False
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= at < self.quiet_until
        return at >= self.quiet_from or at < self.quiet_until
