"""What is measured outside the cases: points inspected on site, survey answers, key tasks.

Rows are added and stay; what a run read of them is copied into its inputs (`Beside.given`).
"""

import uuid
from datetime import date
from typing import ClassVar

from django.conf import settings
from django.contrib.gis.db import models
from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from cases.choices import DISTRICT_SLUGS

_USER = settings.AUTH_USER_MODEL
_KNOWN_BODY = Q(body__in=DISTRICT_SLUGS)


# --- on-site inspection 实地考评 ----------------------------------------------------------------


class OnsiteDraw(models.Model):
    """The points of a month, drawn once with their assessors; anybody can draw them again.

    seed = SHA-256(the four heads before the month ‖ name); cells of a kind follow each other by
    SHA-256(seed ‖ cell), assessors of a body by SHA-256(seed ‖ body/user name). See
    docs/assessment-inputs.md.
    """

    period = models.CharField(_("period"), max_length=8, unique=True)
    name = models.CharField(max_length=30, unique=True)  # onsite-2026-10
    heads = models.JSONField()  # {district: hash as hex} of the last event before the month
    seed = models.CharField(max_length=64)
    checklist = models.JSONField()  # as it was at the draw
    pool = models.JSONField()  # {body: {kind: cells it was drawn from}}
    assessors = models.JSONField()  # {body: user names in their order}
    drawn_by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    drawn_at = models.DateTimeField()

    objects: ClassVar[models.Manager["OnsiteDraw"]] = models.Manager()

    class Meta:
        verbose_name = _("draw of points on site")
        verbose_name_plural = _("draws of points on site")

    def __str__(self) -> str:
        return self.name


class OnsitePoint(models.Model):
    """A grid cell drawn for a body, and the assessor drawn for it, who is never of that body."""

    draw = models.ForeignKey(OnsiteDraw, models.PROTECT, related_name="points")
    body = models.CharField(max_length=20)
    kind = models.CharField(max_length=10)  # of place, as the checklist names them
    cell = models.CharField(_("grid cell"), max_length=15)
    order = models.PositiveSmallIntegerField()  # within the body, from 1
    place = models.PointField(srid=4326, spatial_index=False)  # lon, lat; inside the cell
    assessor = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    assessor_of = ArrayField(models.CharField(max_length=20))  # districts he had a post in

    objects: ClassVar[models.Manager["OnsitePoint"]] = models.Manager()

    class Meta:
        verbose_name = _("point on site")
        verbose_name_plural = _("points on site")
        ordering = ["draw", "body", "order"]
        constraints = [
            models.UniqueConstraint(fields=["draw", "cell"], name="onsite_cell_once_a_draw"),
            models.UniqueConstraint(fields=["draw", "body", "order"], name="onsite_point_order"),
            models.CheckConstraint(condition=_KNOWN_BODY, name="onsite_body_known"),
            models.CheckConstraint(
                condition=~Q(assessor_of__contains=[F("body")]), name="onsite_not_of_the_body"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draw_id} {self.body} {self.order}"


class OnsiteReplacement(models.Model):
    """Points that were handed on because their assessor left or fell ill; appended only.

    To the next in the order that was drawn for the body. A trigger lets the assessor of a point
    change by such a row alone, and not once it is answered (migration 0009).
    """

    draw = models.ForeignKey(OnsiteDraw, models.PROTECT, related_name="replacements")
    body = models.CharField(max_length=20)
    before = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    after = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    points = ArrayField(models.PositiveSmallIntegerField())  # their `order`
    reason = models.CharField(_("reason"), max_length=400)
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["OnsiteReplacement"]] = models.Manager()

    class Meta:
        verbose_name = _("assessor replaced on site")
        verbose_name_plural = _("assessors replaced on site")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__gt="") & ~Q(before=F("after")),
                name="onsite_replaced_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draw_id} {self.body}: {self.before_id} → {self.after_id}"


class OnsiteAnswer(models.Model):
    """What the assessor found at a point, once: 100 less what its findings take off.

    The database holds the sum, and that the assessor drawn answered (migration 0006).
    """

    point = models.OneToOneField(OnsitePoint, models.PROTECT, related_name="answer")
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    deducted = models.DecimalField(max_digits=6, decimal_places=2)
    score = models.DecimalField(max_digits=5, decimal_places=2)
    remark = models.CharField(max_length=400, blank=True)

    objects: ClassVar[models.Manager["OnsiteAnswer"]] = models.Manager()

    class Meta:
        verbose_name = _("answer from a point")
        verbose_name_plural = _("answers from points")
        constraints = [
            models.CheckConstraint(
                condition=Q(score=Greatest(Value(100) - F("deducted"), Value(0))),
                name="onsite_score_of_its_deductions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.point_id}: {self.score}"


class OnsiteFinding(models.Model):
    """An item of the checklist that was found, and the case it became.

    `key` is the `client_uuid` of that case, which is brought in soon after; or `known_case` names
    one that stood in the log already.
    """

    answer = models.ForeignKey(OnsiteAnswer, models.PROTECT, related_name="findings")
    code = models.CharField(max_length=8)  # of the checklist's item
    points = models.DecimalField(max_digits=5, decimal_places=2)  # taken off
    note = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)  # of its photo, as it arrived
    key = models.UUIDField(null=True, unique=True, default=uuid.uuid4)
    known_case = models.CharField(max_length=20, blank=True)

    objects: ClassVar[models.Manager["OnsiteFinding"]] = models.Manager()

    class Meta:
        verbose_name = _("finding on site")
        verbose_name_plural = _("findings on site")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["answer", "code"], name="onsite_item_found_once"),
            models.CheckConstraint(condition=Q(points__gt=0), name="onsite_finding_takes_off"),
            models.CheckConstraint(
                condition=Q(key=None) & ~Q(known_case="") | Q(key__isnull=False, known_case=""),
                name="onsite_finding_is_one_case",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer_id} {self.code}"


# --- satisfaction 满意度 ------------------------------------------------------------------------


class Survey(models.Model):
    """An imported file of survey answers; taken back whole, with a reason, or it stays."""

    period = models.CharField(_("period"), max_length=8)
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)  # of the file
    rows = models.PositiveIntegerField()
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_reason = models.CharField(max_length=400, blank=True)

    objects: ClassVar[models.Manager["Survey"]] = models.Manager()

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["sha256"], condition=Q(withdrawn_at=None), name="survey_file_once"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_by=None, withdrawn_at=None, withdrawn_reason="")
                | Q(withdrawn_by__isnull=False, withdrawn_at__isnull=False)
                & ~Q(withdrawn_reason=""),
                name="survey_withdrawn_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.name}"


class SurveyAnswer(models.Model):
    """One person's answer about one body, 1 to 5; under its number once a period."""

    survey = models.ForeignKey(Survey, models.PROTECT, related_name="answers")
    period = models.CharField(max_length=8)  # of the survey
    counts = models.BooleanField(default=True)  # false: its survey was taken back
    number = models.CharField(max_length=40)  # the surveyor's, of the interview
    body = models.CharField(max_length=20)
    mark = models.PositiveSmallIntegerField()
    said_on = models.DateField()

    objects: ClassVar[models.Manager["SurveyAnswer"]] = models.Manager()

    class Meta:
        verbose_name = _("survey answer")
        verbose_name_plural = _("survey answers")
        ordering = ["pk"]
        indexes = [models.Index("period", "body", name="survey_by_body")]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "number"], condition=Q(counts=True), name="survey_answer_once"
            ),
            models.CheckConstraint(condition=_KNOWN_BODY, name="survey_body_known"),
            models.CheckConstraint(condition=Q(mark__range=(1, 5)), name="survey_mark_known"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.number}: {self.mark}"


# --- key tasks 重点任务 -------------------------------------------------------------------------


class KeyTask(models.Model):
    """A task of the list 重点任务清单: whose it is and who does it; its log keeps every change."""

    title = models.CharField(_("title"), max_length=100)
    body = models.CharField(max_length=20)
    unit = models.ForeignKey("cases.Unit", models.PROTECT, null=True)  # responsible 责任单位
    about = models.CharField(max_length=1000, blank=True)
    version = models.PositiveIntegerField(default=1)  # grows with every change
    key = models.UUIDField(null=True, unique=True)  # of the form that listed it: sent twice, once
    added_at = models.DateTimeField()

    objects: ClassVar[models.Manager["KeyTask"]] = models.Manager()

    class Meta:
        verbose_name = _("key task")
        verbose_name_plural = _("key tasks")
        ordering = ["pk"]
        constraints = [models.CheckConstraint(condition=_KNOWN_BODY, name="task_body_known")]

    def __str__(self) -> str:
        return self.title


class Milestone(models.Model):
    """A step of a task with its last day; met once somebody says so and another confirms it."""

    task = models.ForeignKey(KeyTask, models.PROTECT, related_name="milestones")
    name = models.CharField(_("milestone"), max_length=100)
    due_on = models.DateField(_("due"))
    progress = models.PositiveSmallIntegerField(default=0)  # per cent
    met_on = models.DateField(null=True)
    evidence = models.CharField(max_length=400, blank=True)
    reported_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    confirmed_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)  # it was a mistake: in no count
    dropped_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    drop_asked_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")  # overdue

    objects: ClassVar[models.Manager["Milestone"]] = models.Manager()

    class Meta:
        verbose_name = _("milestone")
        verbose_name_plural = _("milestones")
        ordering = ["due_on", "pk"]
        indexes = [models.Index("due_on", name="milestone_by_due")]
        constraints = [
            models.CheckConstraint(
                condition=Q(progress__lt=100, met_on=None)
                | Q(progress=100, met_on__isnull=False, reported_by__isnull=False)
                & ~Q(evidence=""),
                name="milestone_met_whole",
            ),
            models.CheckConstraint(
                condition=Q(confirmed_by=None, confirmed_at=None)
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False, met_on__isnull=False)
                & ~Q(confirmed_by=F("reported_by")),
                name="milestone_confirmed_by_another",
            ),
            models.CheckConstraint(
                condition=Q(dropped_by=None)
                | Q(drop_asked_by=None)
                | ~Q(dropped_by=F("drop_asked_by")),
                name="milestone_dropped_by_another",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_on_time(self) -> bool:
        """Whether it was met by its last day and somebody else confirmed it."""
        is_confirmed = self.confirmed_at is not None
        return is_confirmed and self.met_on is not None and self.met_on <= self.due_on

    def light(self, *, on: date) -> str:
        """Return its light on a day: met, met_late, late, soon (a week before) or normal."""
        if self.met_on is not None:
            return "met_late" if self.met_on > self.due_on else "met"
        days = (self.due_on - on).days
        return "late" if days < 0 else "soon" if days <= SOON_DAYS else "normal"


SOON_DAYS = 7


class KeyTaskChange(models.Model):
    """One line of a task's log: what was done to it, by whom and why; never changed."""

    class Kind(models.TextChoices):
        """What was done."""

        ADDED = "added", _("added")
        CHANGED = "changed", _("changed")
        MILESTONE = "milestone", _("milestone added")
        MOVED = "moved", _("milestone changed")
        PROGRESS = "progress", _("progress reported")
        MET = "met", _("reported as met")
        CONFIRMED = "confirmed", _("confirmed")
        SENT_BACK = "sent_back", _("sent back")
        DROP_ASKED = "drop_asked", _("drop of an overdue milestone proposed")
        DROP_KEPT = "drop_kept", _("overdue milestone kept")
        DROPPED = "dropped", _("milestone dropped")

    task = models.ForeignKey(KeyTask, models.PROTECT, related_name="changes")
    milestone = models.ForeignKey(Milestone, models.PROTECT, null=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    version = models.PositiveIntegerField()  # of the task after it
    said = models.JSONField(default=dict)  # the values it set
    reason = models.CharField(max_length=400, blank=True)
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["KeyTaskChange"]] = models.Manager()

    class Meta:
        verbose_name = _("change of a key task")
        verbose_name_plural = _("changes of key tasks")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["task", "version"], name="task_change_once_a_version"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.kind}"
