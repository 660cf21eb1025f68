"""A case and what hangs on it: stage clocks, tasks on site, the number counter."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.gis.db import models
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.core.validators import MinValueValidator
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cases import policy
from cases.choices import (
    CITY,
    OPEN_STAGES,
    SCOPES,
    UNIT_STAGES,
    ClockKind,
    LimitUnit,
    OrderKind,
    Role,
    Source,
    Stage,
    Waiting,
)
from cases.models.category import Condition
from cityops.accounts.models import User

PHOTOS_LATE = timedelta(minutes=30)  # after it an announced photo is the acceptor's to ask for


class CaseQuerySet(models.QuerySet["Case"]):
    """Filters that combine; every page, count, feed and file starts at `visible_to`."""

    def visible_to(self, user: User) -> Self:
        """Keep what `user` may see: the reach of their grants (policy.py)."""
        reach = policy.reach_of(user)
        if reach.is_whole:
            return self
        allowed = Q(pk__in=[])
        if reach.districts:
            districts = sorted(reach.districts)
            allowed |= Q(district__in=districts)
            allowed |= ~Q(also_districts=[]) & Q(also_districts__overlap=districts)
        if reach.units:
            units = sorted(reach.units)
            allowed |= Q(unit_id__in=units) | (~Q(parent_unit="") & Q(parent_unit__in=units))
            allowed |= ~Q(assist_units=[]) & Q(assist_units__overlap=units)
        if reach.inspector_id is not None:
            mine = Task.objects.of(user).values("case")
            allowed |= Q(reporter=reach.inspector_id) | Q(pk__in=mine)
        return self.filter(allowed)

    def hinted_to(self, user: User) -> Self:
        """Keep the open cases a duplicate hint may name to `user`, without what is said of people.

        To an inspector any: who stands before it sees it (domain.md §2). Others are told no more
        than they see anyway.
        """
        is_told = user.is_active and user.holds(Role.INSPECTOR)
        return self.open() if is_told else self.open().visible_to(user)

    def of_scope(self, scope: str) -> Self:
        """Keep the cases a district answers for; all of them where `scope` is the city."""
        return self if scope == CITY else self.filter(district=scope)

    def open(self) -> Self:
        """Keep cases still on their way."""
        return self.filter(stage__in=sorted(OPEN_STAGES))

    def with_unit(self) -> Self:
        """Keep cases whose handling clock runs."""
        return self.filter(stage__in=sorted(UNIT_STAGES))

    def overdue(self, *, at: datetime) -> Self:
        """Keep open cases whose running clock passed before `at`."""
        return self.open().filter(lamp_due_at__lt=at)

    def due_soon(self, *, at: datetime) -> Self:
        """Keep open cases past 80 % of the running clock's limit, not yet overdue at `at`."""
        return self.open().filter(lamp_soon_at__lte=at, lamp_due_at__gte=at)


class Case(models.Model):
    """One problem at one place, from report to closing.

    Every column but id, number, client_uuid, and case_seq is explained by events: only
    `cases.ledger` writes them, and `state = fold(events)` is checked by `verify_ledger`.
    Times are aware UTC; clocks of working time are in `StageClock`.
    """

    number = models.CharField(_("case number"), max_length=15, unique=True)
    client_uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    case_seq = models.PositiveIntegerField(default=0)  # events written about this case
    version = models.PositiveIntegerField(default=0)  # grows when an open form would be wrong

    scope = models.CharField(max_length=20)  # the log this case is written in: a district or city
    stage = models.CharField(_("stage"), max_length=12, choices=Stage.choices)
    source = models.CharField(_("source"), max_length=12, choices=Source.choices)
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, verbose_name=_("reporter")
    )

    minor = models.ForeignKey(
        "cases.MinorClass", models.PROTECT, to_field="code", verbose_name=_("minor class")
    )
    condition = models.ForeignKey(
        "cases.Condition",
        models.PROTECT,
        to_field="code",
        null=True,
        verbose_name=_("filing condition"),
    )
    component = models.ForeignKey(
        "cases.Component", models.PROTECT, null=True, verbose_name=_("component")
    )
    limit_value = models.PositiveIntegerField(null=True)  # frozen at filing, area factor included
    limit_unit = models.CharField(
        max_length=16, choices=LimitUnit.choices, null=True
    )  # null until filed
    calendar_version = models.PositiveIntegerField(null=True)

    point = models.PointField(srid=4326, null=True, spatial_index=False)  # lon, lat; see Meta
    accuracy_m = models.PositiveIntegerField(null=True)
    district = models.CharField(_("district"), max_length=20, blank=True)  # provisional until filed
    county = models.CharField(_("county"), max_length=6, blank=True)
    street = models.CharField(_("street"), max_length=9, blank=True)
    community = models.CharField(_("community"), max_length=12, blank=True)
    grid_cell = models.CharField(_("grid cell"), max_length=15, blank=True)
    border_m = models.PositiveIntegerField(_("distance to the border"), null=True)
    built_up = models.BooleanField(default=False)
    address = models.CharField(_("address"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    order_number = models.CharField(_("12345 order"), max_length=40, blank=True)
    order_kind = models.CharField(
        _("kind of order"), max_length=12, choices=OrderKind.choices, blank=True
    )
    contact = models.CharField(_("whom to answer"), max_length=100, blank=True)

    unit = models.ForeignKey(
        "cases.Unit", models.PROTECT, to_field="code", null=True, verbose_name=_("unit")
    )
    body = models.CharField(max_length=20, blank=True)  # who answers for it: a district or city
    rule = models.CharField(_("dispatch rule"), max_length=200, blank=True)
    is_fallback = models.BooleanField(_("fallback to the locality"), default=False)
    is_unrouted = models.BooleanField(_("no unit found"), default=False)
    is_self_handled = models.BooleanField(_("self-handled"), default=False)
    arbitrated_unit = models.CharField(max_length=40, blank=True)  # may not return the case
    return_count = models.PositiveIntegerField(_("returns"), default=0)
    rework_count = models.PositiveIntegerField(_("reworks"), default=0)
    last_reason = models.CharField(max_length=40, blank=True)  # why it lies in `returned`
    parent_unit = models.CharField(max_length=40, blank=True)  # of a sub-unit: sees it too
    assist_units = ArrayField(models.CharField(max_length=40), default=list)  # see it too
    also_districts = ArrayField(models.CharField(max_length=20), default=list)  # had it before
    handler = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("handler"),
    )
    photo_doubts = ArrayField(models.CharField(max_length=20), default=list)  # for the checker
    waiting_for = ArrayField(
        models.CharField(max_length=20, choices=Waiting.choices), default=list
    )  # who was asked for what, beside the stage
    cycle = models.PositiveIntegerField(default=1)  # grows with each reopening
    extension_count = models.PositiveIntegerField(_("extensions"), default=0)  # of this run
    extensions_left = models.PositiveIntegerField(default=0)
    suspensions_left = models.PositiveIntegerField(default=0)
    is_deferred = models.BooleanField(_("deferred"), default=False)  # suspended by a leader
    suspended_until = models.DateTimeField(_("suspended until"), null=True)
    stage_before = models.CharField(max_length=12, blank=True)  # of one suspended or merged
    held = models.JSONField(default=dict)  # {clock: {"left_s": …}} of clocks that stand still
    merged_into = models.ForeignKey(
        "self", models.PROTECT, to_field="number", null=True, verbose_name=_("merged into")
    )
    supervised = ArrayField(models.CharField(max_length=12), default=list)  # kinds, newest last
    was_late = models.BooleanField(_("was overdue"), default=False)  # some run of this cycle
    appeal = models.CharField(max_length=10, blank=True)  # asked, endorsed, upheld, refused
    exit_confirmed = models.BooleanField(_("exit confirmed"), default=False)
    reopen_until = models.DateTimeField(null=True)

    due_at = models.DateTimeField(_("due"), null=True)  # handling clock; null before dispatch
    base_due_at = models.DateTimeField(null=True)  # the same without extensions
    left_s = models.BigIntegerField(null=True)  # what remained of the limit at the run's end
    base_left_s = models.BigIntegerField(null=True)  # the same without extensions
    lamp_due_at = models.DateTimeField(null=True)  # the clock the time light shows
    lamp_soon_at = models.DateTimeField(null=True)  # its 80 % point

    photos_due = ArrayField(models.CharField(max_length=64), default=list)  # SHA-256 not yet stored
    reported_at = models.DateTimeField(_("reported"))
    filed_at = models.DateTimeField(_("filed"), null=True)
    handled_at = models.DateTimeField(_("handled"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)

    objects: ClassVar[models.Manager["Case"]] = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=SCOPES) & (Q(district="") | Q(district__in=SCOPES[1:])),
                name="case_scope_known",
            ),
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="case_stage_known"),
            models.CheckConstraint(
                condition=~Q(stage__in=["dispatched", "handling", "rework", "handled", "suspended"])
                | (Q(unit__isnull=False) & Q(condition__isnull=False) & ~Q(body=""))
                | Q(stage="handled", is_self_handled=True, condition__isnull=False),
                name="case_with_unit_is_complete",
            ),
            models.CheckConstraint(
                condition=~Q(stage__in=["dispatched", "handling", "rework"])
                | Q(due_at__isnull=False, base_due_at__isnull=False),
                name="case_with_unit_has_deadline",
            ),
            models.CheckConstraint(
                condition=Q(stage=Stage.CLOSED, closed_at__isnull=False)
                | (~Q(stage=Stage.CLOSED) & Q(closed_at__isnull=True)),
                name="case_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(stage=Stage.SUSPENDED, suspended_until__isnull=False, due_at=None)
                | (~Q(stage=Stage.SUSPENDED) & Q(suspended_until=None)),
                name="case_suspended_has_end",
            ),
            models.CheckConstraint(
                condition=Q(stage=Stage.MERGED, merged_into__isnull=False)
                | (~Q(stage=Stage.MERGED) & Q(merged_into=None)),
                name="case_merged_has_survivor",
            ),
            models.CheckConstraint(
                condition=Q(stage__in=[Stage.SUSPENDED, Stage.MERGED]) ^ Q(stage_before=""),
                name="case_aside_knows_the_way_back",
            ),
            models.UniqueConstraint(
                fields=["order_number"], condition=~Q(order_number=""), name="case_order_once"
            ),
        ]
        indexes = [
            models.Index(
                "lamp_due_at",
                "number",
                name="case_open_by_lamp",
                condition=Q(stage__in=sorted(OPEN_STAGES)),
            ),
            models.Index(
                "district", "stage", name="case_open", condition=Q(stage__in=sorted(OPEN_STAGES))
            ),
            models.Index("unit", "stage", name="case_unit_stage"),
            models.Index("parent_unit", name="case_parent_unit", condition=~Q(parent_unit="")),
            GinIndex("assist_units", name="case_assist", condition=~Q(assist_units=[])),
            GinIndex("also_districts", name="case_also", condition=~Q(also_districts=[])),
            GinIndex("waiting_for", name="case_waiting", condition=~Q(waiting_for=[])),
            models.Index("merged_into", name="case_merged", condition=Q(merged_into__isnull=False)),
            models.Index(fields=["reporter", "-reported_at"], name="case_reporter"),
            models.Index("minor", "reported_at", name="case_minor"),
            models.Index("reported_at", "id", name="case_reported"),
            models.Index("lamp_due_at", "id", name="case_due"),
            models.Index(F("closed_at").desc(nulls_last=True), F("id").desc(), name="case_closed"),
            models.Index(
                fields=["grid_cell"], name="case_grid_cell", opclasses=["varchar_pattern_ops"]
            ),
            # Near and soon: what came back is looked for by place and time at once (recurrence.py).
            GistIndex("point", "filed_at", "closed_at", name="case_place_time"),
        ]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        """Address of the case page."""
        return reverse("case", args=[self.number])

    def light(self, *, at: datetime) -> str:
        """Return the time light at `at`: normal, soon, late, or paused (domain.md §4)."""
        if self.stage == Stage.SUSPENDED:
            return "paused"
        if self.lamp_due_at is None or self.lamp_due_at >= at:
            soon = self.lamp_soon_at is not None and self.lamp_soon_at <= at
            return "soon" if soon else "normal"
        return "late"

    def photos_late(self, *, at: datetime) -> int:
        """Return how many announced photos keep the report waiting for over half an hour."""
        is_late = self.stage == Stage.REPORTED and at - self.reported_at > PHOTOS_LATE
        return len(self.photos_due) if is_late else 0


class CaseWords(models.Model):
    """What the text search finds a case by; the database writes it whenever a case's text changes.

    `text` is the address, the description and the pinyin initials of the address, in lower case;
    `grams` is every two characters of it side by side, because Chinese is searched by two.
    """

    case = models.OneToOneField(Case, models.CASCADE, primary_key=True, related_name="words")
    text = models.TextField()
    grams = ArrayField(models.CharField(max_length=2))

    class Meta:
        indexes = [GinIndex(fields=["grams"], name="case_grams")]

    def __str__(self) -> str:
        return str(self.case_id)


class StageClock(models.Model):
    """The clock of one stage of one case; an open row is one somebody must beat.

    `soon_for` and `late_for` hold the due time a signal was written for, so each signal is
    written once per (clock, due_at, kind) and again after the deadline moved.
    """

    case = models.ForeignKey(Case, models.CASCADE)
    kind = models.CharField(max_length=10, choices=ClockKind.choices)
    started_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    soon_at = models.DateTimeField(null=True)  # 80 % of the limit
    ended_at = models.DateTimeField(null=True)
    on_time = models.BooleanField(null=True)
    used_s = models.BigIntegerField(null=True)  # on the clock's own time, working or continuous
    soon_for = models.DateTimeField(null=True)
    late_for = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("stage clock")
        verbose_name_plural = _("stage clocks")
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"], condition=Q(ended_at__isnull=True), name="clock_runs_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="clock_ends_after_start",
            ),
        ]
        indexes = [
            models.Index("soon_at", name="clock_soon", condition=Q(ended_at__isnull=True)),
            models.Index("due_at", name="clock_due", condition=Q(ended_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.kind} {self.due_at}"


class TaskQuerySet(models.QuerySet["Task"]):
    """Tasks on site."""

    def of(self, user: User) -> Self:
        """Keep the tasks sent to `user`."""
        return self.filter(assignee=user.pk)

    def open(self) -> Self:
        """Keep tasks still to be answered."""
        return self.filter(answered_at__isnull=True)


class Task(models.Model):
    """A request to an inspector to look: verify before filing, check before closing, audit after.

    One answered without a result was withdrawn: the case went another way.
    """

    class Kind(models.TextChoices):
        """What the inspector is asked."""

        VERIFY = "verify", _("verify")
        CHECK = "check", _("check")
        AUDIT_CLOSURE = "audit_closure", _("audit of a closing")
        AUDIT_DECLINE = "audit_decline", _("audit of a declined report")

    # Where the case stands while somebody is asked.
    STAGES: ClassVar[dict[str, Stage]] = {
        Kind.VERIFY: Stage.VERIFYING,
        Kind.CHECK: Stage.CHECKING,
        Kind.AUDIT_CLOSURE: Stage.CLOSED,
        Kind.AUDIT_DECLINE: Stage.DECLINED,
    }

    case = models.ForeignKey(Case, models.CASCADE)
    kind = models.CharField(max_length=14, choices=Kind.choices)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    sent_at = models.DateTimeField()
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    passed = models.BooleanField(null=True)
    falsified = models.BooleanField(default=False)  # an audited closing was feigned 弄虚作假
    draw = models.ForeignKey("cases.Draw", models.PROTECT, null=True)  # which draw chose the case

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"],
                condition=Q(answered_at__isnull=True),
                name="task_open_once",
            ),
        ]
        indexes = [
            models.Index(
                "assignee", "due_at", name="task_open", condition=Q(answered_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.case_id}"


class NumberCounter(models.Model):
    """Where a day's case numbers begin in the sequence `cases_number`.

    The n of a number is what the sequence gives less `base`: gaps are allowed, reuse is not, and
    no report waits for another one to commit.
    """

    day = models.DateField(primary_key=True)
    base = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.day} {self.base}"


class IdempotencyKey(models.Model):
    """The answer once given to a key, so that a repeated request changes nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.UUIDField()
    request_hash = models.BinaryField(max_length=32)
    case = models.ForeignKey(Case, models.CASCADE, null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="key_once")]

    def __str__(self) -> str:
        return str(self.key)


class CityOptions(models.Model):
    """Switches and stage limits the city may edit; one row.

    Minutes are continuous time: the centre works 24 h (domain.md §4).
    """

    auto_accept = models.BooleanField(_("accept inspector reports at once"), default=True)
    auto_file = models.BooleanField(_("file inspector reports at once"), default=True)
    auto_check = models.BooleanField(_("send the check when handling is finished"), default=True)
    accept_min = models.PositiveIntegerField(_("accept and file, minutes"), default=15)
    dispatch_min = models.PositiveIntegerField(_("dispatch, minutes"), default=15)
    sign_min = models.PositiveIntegerField(_("sign, minutes"), default=60)
    check_min = models.PositiveIntegerField(_("verify and check, minutes"), default=30)
    arbitrate_min = models.PositiveIntegerField(_("arbitrate, minutes"), default=240)
    border_warning_m = models.PositiveIntegerField(_("border warning, metres"), default=50)
    verify_min = models.PositiveIntegerField(_("verify, minutes"), default=30)
    decide_extension_min = models.PositiveIntegerField(
        _("decide on an extension, minutes"), default=120
    )
    max_extensions = models.PositiveIntegerField(_("extensions of a case"), default=2)
    max_suspensions = models.PositiveIntegerField(_("suspensions of a case"), default=1)
    max_suspension_days = models.PositiveIntegerField(_("longest suspension, days"), default=365)
    reopen_days = models.PositiveIntegerField(_("reopening after closing, days"), default=14)
    photo_distance_m = models.PositiveIntegerField(
        _("after-photo near the case, metres"), default=100
    )
    duplicate_m = models.PositiveIntegerField(_("duplicates within, metres"), default=50)
    duplicate_h = models.PositiveIntegerField(_("duplicates within, hours"), default=24)
    auto_supervise = models.BooleanField(_("supervise overdue cases"), default=True)
    auto_remind = models.BooleanField(_("remind units that have not signed in time"), default=True)
    supervise_reply_h = models.PositiveIntegerField(_("reply to a supervision, hours"), default=24)
    consultation_days = models.PositiveIntegerField(_("12345 consultation, work days"), default=3)
    complaint_days = models.PositiveIntegerField(_("12345 complaint, work days"), default=13)
    audits_a_week = models.PositiveIntegerField(_("closings audited a week and body"), default=8)
    decline_audits_a_week = models.PositiveIntegerField(
        _("declined reports audited a week and body"), default=5
    )
    revisits_a_week = models.PositiveIntegerField(
        _("reporters revisited a week and body"), default=8
    )
    audit_min = models.PositiveIntegerField(_("audit, minutes"), default=2880)
    outskirts_factor = models.PositiveIntegerField(
        _("factor on emergency hours outside built-up areas"), default=2
    )
    route_by_load = models.BooleanField(
        _("let rules that say so choose among equal units by load"), default=False
    )
    user_burst = models.PositiveIntegerField(
        _("changes one person may send at once"), default=100, validators=[MinValueValidator(1)]
    )
    user_per_s = models.PositiveIntegerField(
        _("changes one person may send a second, lastingly"),
        default=10,
        validators=[MinValueValidator(1)],
    )
    scope_burst = models.PositiveIntegerField(
        _("changes a district's people may send at once"),
        default=400,
        validators=[MinValueValidator(1)],
    )
    scope_per_s = models.PositiveIntegerField(
        _("changes a district's people may send a second, lastingly"),
        default=40,
        validators=[MinValueValidator(1)],
    )
    alarm_wait_s = models.PositiveIntegerField(_("alarm: work waits longer, seconds"), default=60)
    alarm_unrouted = models.PositiveIntegerField(
        _("alarm: more cases of a district without a unit than"), default=5
    )
    alarm_surge_factor = models.PositiveIntegerField(
        _("alarm: a unit receives more than its usual in an hour, times"), default=3
    )
    alarm_surge_least = models.PositiveIntegerField(
        _("alarm: and at least as many cases in an hour"), default=20
    )

    class Meta:
        verbose_name = _("city options")
        verbose_name_plural = _("city options")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="options_one_row")]

    def __str__(self) -> str:
        return "1"

    def limit_of(self, condition: Condition, *, built_up: bool) -> tuple[int, str]:
        """Return (value, unit); outside built-up areas emergency hours count by the area factor.

        Source: assessment.md §3.
        """
        value = condition.limit_value
        if condition.limit_unit == LimitUnit.EMERGENCY_HOUR and not built_up:
            value *= self.outskirts_factor
        return value, condition.limit_unit


class DemoMonth(models.Model):
    """A simulated month: written before its first case, ended when it is whole.

    One without an end was cut off; the next `simulate` writes it anew.
    """

    until = models.DateTimeField()  # nothing simulated lies later
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.until:%Y-%m-%d}"
