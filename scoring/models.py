"""Versions of schemes, runs of the score, and which case stands in which count of a run."""

import json
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.models.area import in_language
from scoring import measured as measured  # Django finds models through this file
from scoring import meeting_models as meeting_models


class State(models.TextChoices):
    """How far a version of a scheme has come."""

    DRAFT = "draft", _("draft")
    PROPOSED = "proposed", _("proposed")
    COMING = "coming", _("approved")
    IN_FORCE = "in_force", _("in force")
    RETIRED = "retired", _("retired")
    EXAMPLE = "example", _("example")
    DROPPED = "dropped", _("dropped")


class Level(models.TextChoices):
    """Who is compared."""

    DISTRICT = "district", _("districts")
    UNIT = "unit", _("units")
    STREET = "street", _("streets")
    POST = "post", _("posts of the centre")


class SchemeQuerySet(models.QuerySet["Scheme"]):
    """Versions of schemes."""

    def in_force(self, *, at: datetime, level: str = "district") -> Self:
        """Keep the one version a period that begins at `at` is scored by."""
        return self.filter(level=level, valid__contains=at)


class Scheme(models.Model):
    """One version of the rules of the assessment 考核办法, as data.

    It may be changed while it is a draft. Approved or shipped it stands for ever: a trigger
    refuses every change but the end of its time in force (migration 0003).
    """

    version = models.CharField(_("version"), max_length=40, primary_key=True)
    level = models.CharField(_("level"), max_length=10, choices=Level.choices)
    body = models.TextField(_("rules"))  # canonical JSON
    digest = models.CharField(_("seal"), max_length=64)  # SHA-256 of body
    is_shipped = models.BooleanField(default=False)  # came with the program
    valid = DateTimeRangeField(_("in force"), null=True, blank=True)  # [from, to), month's starts
    based_on = models.ForeignKey("self", models.PROTECT, null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )  # null: it was shipped
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    changed_at = models.DateTimeField(null=True)
    # Everybody who ever changed the rules, none of whom may approve them (a check, migration 0005).
    editor_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    proposed_at = models.DateTimeField(null=True)
    proposed_from = models.DateTimeField(null=True)
    proposed_reason = models.CharField(max_length=400, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    approved_at = models.DateTimeField(null=True)
    dropped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    dropped_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Scheme"]] = SchemeQuerySet.as_manager()

    class Meta:
        verbose_name = _("scheme")
        verbose_name_plural = _("schemes")
        ordering = ["level", "-created_at", "version"]
        constraints = [
            ExclusionConstraint(
                name="scheme_one_in_force_at_a_time",
                expressions=[
                    ("level", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                name="scheme_proposed_whole",
                condition=Q(proposed_by=None, proposed_at=None, proposed_from=None)
                | Q(
                    proposed_by__isnull=False,
                    proposed_at__isnull=False,
                    proposed_from__isnull=False,
                    proposed_reason__gt="",
                ),
            ),
            models.CheckConstraint(
                name="scheme_approved_by_another",
                condition=Q(approved_by=None, approved_at=None, valid=None)
                | Q(is_shipped=True, approved_by=None, approved_at=None)
                | (
                    Q(approved_by__isnull=False, approved_at__isnull=False, valid__isnull=False)
                    & Q(proposed_by__isnull=False)
                    & ~Q(approved_by=F("proposed_by"))
                    & ~Q(approved_by=F("author"))
                ),
            ),
            models.CheckConstraint(
                name="scheme_dropped_a_draft",
                condition=Q(dropped_at=None, dropped_by=None)
                | Q(dropped_at__isnull=False, dropped_by__isnull=False, valid=None),
            ),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def proposal(self) -> str:
        """The proposal that stands, by its moment; empty for none. Who answers it sends it back."""
        return (
            self.proposed_at.astimezone(UTC).isoformat(timespec="microseconds")
            if self.proposed_at
            else ""
        )

    @property
    def data(self) -> dict[str, Any]:
        """The rules, read."""
        read: dict[str, Any] = json.loads(self.body)
        return read

    @property
    def name(self) -> str:
        """Its name in the reader's language."""
        said = self.data["name"]
        return in_language(said["zh"], said["en"])

    @property
    def is_open(self) -> bool:
        """Whether it may still be changed."""
        return not self.is_shipped and self.valid is None and self.dropped_at is None

    def state(self, *, at: datetime) -> State:
        """Return how far it has come at a moment."""
        if self.dropped_at is not None:
            return State.DROPPED
        if self.valid is None:
            if self.is_shipped:
                return State.EXAMPLE
            return State.PROPOSED if self.proposed_at else State.DRAFT
        if self.valid.lower and at < self.valid.lower:
            return State.COMING
        return State.RETIRED if self.valid.upper and at >= self.valid.upper else State.IN_FORCE


class ManualEntry(models.Model):
    """Points of a manual item for one body and period; appended only, the last one counts."""

    scheme = models.ForeignKey(Scheme, models.PROTECT, related_name="entries")
    period = models.CharField(_("period"), max_length=8)
    body = models.CharField(max_length=40)
    code = models.CharField(_("item"), max_length=8)
    points = models.DecimalField(_("points"), max_digits=10, decimal_places=4)
    evidence = models.CharField(_("evidence"), max_length=400)
    reason = models.CharField(_("reason"), max_length=400)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["ManualEntry"]] = models.Manager()

    class Meta:
        verbose_name = _("manual entry")
        verbose_name_plural = _("manual entries")
        ordering = ["pk"]
        indexes = [models.Index("scheme", "period", name="entry_by_period")]
        constraints = [
            models.CheckConstraint(condition=Q(points__gte=0), name="entry_not_negative"),
            models.CheckConstraint(
                condition=Q(evidence__gt="", reason__gt=""), name="entry_has_evidence_and_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.body} {self.code}: {self.points}"


class Run(models.Model):
    """One computation: a period, the log it was read from, the scheme and the sealed result.

    It is never changed: the program's roles may not, and the seal is checked (migration 0004).
    """

    period = models.CharField(_("period"), max_length=8)  # 2026-10, 2026-Q3, 2026-H1 or 2026
    as_of = models.DateTimeField(_("as of"))
    heads = models.JSONField()  # dseq by scope
    scheme = models.ForeignKey(Scheme, models.PROTECT)
    inputs_digest = models.CharField(max_length=64)  # of heads' hashes, period, scheme, definitions
    beside = models.TextField(default="{}")  # canonical JSON of what was read beside the log
    sums = models.TextField(default="")  # while the period is under way: what the next run adds to
    result = models.TextField()  # canonical JSON
    seal = models.CharField(max_length=64)  # SHA-256 of result
    created_at = models.DateTimeField(auto_now_add=True)

    is_last_kept = False  # of one shown because a newer one could not be computed

    objects: ClassVar[models.Manager["Run"]] = models.Manager()

    class Meta:
        verbose_name = _("run of the score")
        verbose_name_plural = _("runs of the score")
        indexes = [models.Index("period", "inputs_digest", name="run_by_inputs")]

    def __str__(self) -> str:
        return f"{self.period} as of {self.as_of:%Y-%m-%d %H:%M}"


class RunList(models.Model):
    """The cases behind one number of a run; a case stands as often as it counts.

    `body` is a district, `city`, a unit, a street, or the source of reports; `count` a count or
    the code of an item.
    """

    run = models.ForeignKey(Run, models.CASCADE)
    body = models.CharField(max_length=40)
    count = models.CharField(max_length=20)
    numbers = ArrayField(models.CharField(max_length=20))

    objects: ClassVar[models.Manager["RunList"]] = models.Manager()

    class Meta:
        verbose_name = _("list of a run")
        verbose_name_plural = _("lists of a run")
        constraints = [
            models.UniqueConstraint(fields=["run", "body", "count"], name="runlist_once_a_number")
        ]

    def __str__(self) -> str:
        return f"{self.body}/{self.count}: {len(self.numbers)}"


class ScoredPeriod(models.Model):
    """The dates of a period of the joint assessment: when it closes, how long it is open.

    There is a row once somebody set a date or did something about the period; until then the
    city's default dates hold (scoring/lifecycle.py). Once closed, a trigger lets only the window
    grow, and once an edition is published nothing (migration 0005).
    """

    name = models.CharField(_("period"), max_length=8, primary_key=True)
    ends_at = models.DateTimeField()
    closes_at = models.DateTimeField(_("closes"))
    window_until = models.DateTimeField(_("objections until"))
    closed_by = models.ForeignKey(  # null: it closed by itself
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    dated_by = models.ForeignKey(  # who set the dates last; null: the defaults
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    objects: ClassVar[models.Manager["ScoredPeriod"]] = models.Manager()

    class Meta:
        verbose_name = _("period")
        verbose_name_plural = _("periods")
        constraints = [
            models.CheckConstraint(
                name="scoredperiod_closes_after_its_end", condition=Q(closes_at__gte=F("ends_at"))
            ),
            models.CheckConstraint(
                name="scoredperiod_window_after_closing",
                condition=Q(window_until__gte=F("closes_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Edition(models.Model):
    """A run one assessor submitted 送审 for publication, and what another made of it 核定.

    The first edition of a period publishes it, each later one is a re-issue with a reason.
    A trigger keeps the run, its lists and what was decided as they are (migration 0005).
    """

    period = models.ForeignKey(ScoredPeriod, models.PROTECT, related_name="editions")
    number = models.PositiveIntegerField(_("edition"))
    run = models.ForeignKey(Run, models.PROTECT, related_name="editions")
    reason = models.CharField(_("reason"), max_length=400, blank=True)  # of a re-issue
    compared = models.TextField(default="")  # the result its bulletin compares with; empty: none
    template = models.ForeignKey(  # its bulletin is printed with; null: the shipped one
        "BulletinTemplate", models.PROTECT, null=True, related_name="+"
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("submitted by")
    )
    submitted_at = models.DateTimeField()
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(null=True)
    returned_by = models.ForeignKey(  # or withdrawn, where the submitter did it
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    returned_at = models.DateTimeField(null=True)
    returned_reason = models.CharField(max_length=400, blank=True)

    objects: ClassVar[models.Manager["Edition"]] = models.Manager()

    class Meta:
        verbose_name = _("edition")
        verbose_name_plural = _("editions")
        ordering = ["period", "pk"]
        constraints = [
            models.UniqueConstraint(
                name="edition_number_once",
                fields=["period", "number"],
                condition=Q(returned_at=None),
            ),
            models.UniqueConstraint(
                name="edition_one_waits",
                fields=["period"],
                condition=Q(returned_at=None, approved_at=None),
            ),
            models.CheckConstraint(
                name="edition_approved_by_another",
                condition=Q(approved_by=None, approved_at=None)
                | (
                    Q(approved_by__isnull=False, approved_at__isnull=False, returned_at=None)
                    & ~Q(approved_by=F("submitted_by"))
                ),
            ),
            models.CheckConstraint(
                name="edition_returned_with_a_reason",
                condition=Q(returned_by=None, returned_at=None, returned_reason="")
                | Q(returned_by__isnull=False, returned_at__isnull=False, returned_reason__gt=""),
            ),
            models.CheckConstraint(
                name="edition_reissued_with_a_reason",
                condition=Q(number=1) | Q(number__gt=1, reason__gt=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period_id} {self.number}"

    @property
    def is_published(self) -> bool:
        """Whether a second assessor approved it."""
        return self.approved_at is not None


class Objection(models.Model):
    """An objection 异议 to one number of a closed period; while it is open nothing is published.

    Every reader of scores sees it and its answer; the messages between are the two sides' own.
    """

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open", pgettext_lazy("objection", "open")
        UPHELD = "upheld", pgettext_lazy("objection", "upheld")
        REJECTED = "rejected", pgettext_lazy("objection", "rejected")
        WITHDRAWN = "withdrawn", pgettext_lazy("objection", "withdrawn")

    period = models.ForeignKey(ScoredPeriod, models.PROTECT, related_name="objections")
    run = models.ForeignKey(Run, models.PROTECT, related_name="objections")
    body = models.CharField(max_length=40)
    count = models.CharField(max_length=20)  # a count, the code of an item, or `total`
    value = models.CharField(max_length=20)  # as that run has it
    district = models.CharField(_("district"), max_length=20)  # whose objection; `city`: the office
    text = models.TextField(_("objection"), max_length=2000)
    raised_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    raised_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    answer = models.TextField(_("answer"), max_length=2000, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    answered_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Objection"]] = models.Manager()

    class Meta:
        verbose_name = _("objection")
        verbose_name_plural = _("objections")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="objection_open_once",
                fields=["period", "district", "body", "count"],
                condition=Q(state="open"),
            ),
            models.CheckConstraint(
                name="objection_answered_whole",
                condition=Q(state="open", answered_by=None, answered_at=None, answer="")
                | (
                    Q(state__in=["upheld", "rejected"], answer__gt="")
                    & Q(answered_by__isnull=False, answered_at__isnull=False)
                )
                | Q(state="withdrawn", answered_by__isnull=False, answered_at__isnull=False),
            ),
            models.CheckConstraint(name="objection_has_text", condition=Q(text__gt="")),
        ]

    def __str__(self) -> str:
        return f"{self.period_id} {self.body}/{self.count} {self.state}"

    @property
    def is_open(self) -> bool:
        """Whether nobody has answered it."""
        return self.state == self.State.OPEN


class ObjectionMessage(models.Model):
    """A message in the thread of an objection; appended only."""

    objection = models.ForeignKey(Objection, models.PROTECT, related_name="messages")
    district = models.CharField(max_length=20)  # of the speaker; `city`: the office
    text = models.TextField(max_length=2000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["ObjectionMessage"]] = models.Manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.objection_id} {self.district}"


class ObjectionAdjustment(models.Model):
    """An adjustment of a case (cases: `adjust`) that answers an objection; appended only."""

    objection = models.ForeignKey(Objection, models.PROTECT, related_name="adjustments")
    request = models.OneToOneField("cases.Request", models.PROTECT, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["ObjectionAdjustment"]] = models.Manager()

    class Meta:
        verbose_name = _("adjustment that answers an objection")
        verbose_name_plural = _("adjustments that answer objections")

    def __str__(self) -> str:
        return f"{self.objection_id} {self.request_id}"


class BulletinText(models.Model):
    """What the office wrote in place of a paragraph of a period's bulletin; the last one counts.

    Of an edition what was written between the approval of the one before and its own.
    """

    period = models.CharField(_("period"), max_length=8)
    key = models.CharField(max_length=20)
    text = models.TextField(blank=True)  # empty: the generated one again
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()  # by the database's clock, as approvals are

    objects: ClassVar[models.Manager["BulletinText"]] = models.Manager()

    class Meta:
        verbose_name = _("paragraph of a bulletin")
        verbose_name_plural = _("paragraphs of bulletins")
        indexes = [models.Index("period", name="bulletin_text_by_period")]

    def __str__(self) -> str:
        return f"{self.period} {self.key}"


class BulletinTemplate(models.Model):
    """A Word template one assessor uploaded for the bulletins; used once another confirmed it.

    The last that was confirmed counts. A trigger keeps what was confirmed (migration 0012).
    """

    name = models.CharField(_("name"), max_length=100)
    content = models.BinaryField()
    digest = models.CharField(_("seal"), max_length=64)  # SHA-256 of content
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()  # by the database's clock, as approvals are
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["BulletinTemplate"]] = models.Manager()

    class Meta:
        verbose_name = _("template of the bulletin")
        verbose_name_plural = _("templates of the bulletin")
        constraints = [
            models.CheckConstraint(
                name="template_confirmed_by_another",
                condition=Q(confirmed_by=None, confirmed_at=None)
                | (
                    Q(confirmed_by__isnull=False, confirmed_at__isnull=False)
                    & ~Q(confirmed_by=F("by"))
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name
