"""What is kept of the monthly scheduling meetings 一月一调度: agendas, action items and their logs.

Nothing here is read by a score. A finished meeting stands as it was finished (migration 0008).
"""

from datetime import date, datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from cases.choices import SCOPES
from scoring.periods import CITY_TIME

_USER = settings.AUTH_USER_MODEL
SOON_DAYS = 7
TEXT_MAX = 400


class Meeting(models.Model):
    """The scheduling meeting of a month; one is open at a time, each later than the last."""

    period = models.CharField(_("period"), max_length=7, unique=True)  # 2026-11
    as_of = models.DateTimeField(_("as of"))  # when the ledger was read for its agenda, last
    version = models.PositiveIntegerField(default=1)  # grows with every change
    prepared_by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    prepared_at = models.DateTimeField()
    held_on = models.DateField(_("held on"), null=True)
    finished_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Meeting"]] = models.Manager()

    class Meta:
        verbose_name = _("scheduling meeting")
        verbose_name_plural = _("scheduling meetings")
        ordering = ["period"]
        constraints = [
            models.CheckConstraint(
                name="meeting_finished_whole",
                condition=Q(held_on=None, finished_by=None, finished_at=None)
                | Q(held_on__isnull=False, finished_by__isnull=False, finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.period

    @property
    def is_open(self) -> bool:
        """Whether its agenda and decisions may still be changed."""
        return self.finished_at is None


class AgendaLine(models.Model):
    """A line 议题 of an agenda: proposed from the ledger with its reasons, or written by hand."""

    class Kind(models.TextChoices):
        """Why it is on the agenda, first of all."""

        OVERDUE = "overdue", pgettext_lazy("agenda", "worst overdue")
        REPEATED = "repeated", pgettext_lazy("agenda", "repeated")
        DISPUTED = "disputed", pgettext_lazy("agenda", "disputed")
        BORDER = "border", pgettext_lazy("agenda", "border")
        OWN = "own", pgettext_lazy("agenda", "by the office")

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()  # removed lines stand behind the others
    kind = models.CharField(max_length=10, choices=Kind.choices)
    subject = models.CharField(max_length=60, blank=True)  # case:…, place:…, objection:…
    reasons = models.JSONField(default=list)  # facts as the ledger had them: scoring/agenda.py
    numbers = ArrayField(models.CharField(max_length=20), default=list)  # cases it is about
    text = models.CharField(max_length=TEXT_MAX, blank=True)
    added_by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    removed_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["AgendaLine"]] = models.Manager()

    class Meta:
        verbose_name = _("line of an agenda")
        verbose_name_plural = _("lines of agendas")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                name="agenda_position_once",
                fields=["meeting", "position"],
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                name="agenda_subject_once",
                fields=["meeting", "subject"],
                condition=~Q(subject=""),
            ),
            models.CheckConstraint(
                name="agenda_says_why",
                condition=Q(kind="own", subject="", text__gt="")
                | Q(subject__gt="", text="") & ~Q(kind="own") & ~Q(reasons=[]),
            ),
            models.CheckConstraint(
                name="agenda_removed_whole",
                condition=Q(removed_by=None, removed_at=None)
                | Q(removed_by__isnull=False, removed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.text


class ActionItem(models.Model):
    """A decision 清单事项 with its owner and last day, tracked until the office confirms it done.

    Text, owner and first day stay as the finished meeting decided them; `due_on` may be moved by
    a later one. A correction is another item that replaces this one.
    """

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="items")
    number = models.PositiveSmallIntegerField()  # within its meeting, as people name it
    line = models.ForeignKey(AgendaLine, models.PROTECT, null=True, related_name="items")
    text = models.CharField(max_length=TEXT_MAX)
    unit = models.ForeignKey("cases.Unit", models.PROTECT)  # the owner 责任单位
    body = models.CharField(max_length=20)  # the owner's district, or the city
    first_due_on = models.DateField()
    due_on = models.DateField(_("due"))
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    version = models.PositiveIntegerField(default=1)  # grows with every change
    recorded_at = models.DateTimeField()
    asked_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(null=True)  # to be confirmed done
    confirmed_by = models.ForeignKey(_USER, models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)  # or replaced

    objects: ClassVar[models.Manager["ActionItem"]] = models.Manager()

    class Meta:
        verbose_name = _("action item")
        verbose_name_plural = _("action items")
        ordering = ["meeting", "number"]
        indexes = [
            models.Index(
                "due_on", name="item_open", condition=Q(confirmed_at=None, dropped_at=None)
            ),
        ]
        constraints = [
            models.UniqueConstraint(name="item_number_once", fields=["meeting", "number"]),
            models.CheckConstraint(name="item_body_known", condition=Q(body__in=SCOPES)),
            models.CheckConstraint(name="item_says_what", condition=Q(text__gt="")),
            models.CheckConstraint(
                name="item_asked_whole",
                condition=Q(asked_by=None, asked_at=None)
                | Q(asked_by__isnull=False, asked_at__isnull=False),
            ),
            models.CheckConstraint(
                name="item_confirmed_by_another",
                condition=Q(confirmed_by=None, confirmed_at=None)
                | Q(confirmed_by__isnull=False, confirmed_at__isnull=False)
                & Q(asked_at__isnull=False, dropped_at=None)
                & ~Q(confirmed_by=F("asked_by")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What people call it: 2026-11 #3."""
        return f"{self.meeting.period} #{self.number}"

    @property
    def ended_at(self) -> datetime | None:
        """When it was confirmed done, dropped or replaced; None while it is open."""
        return self.confirmed_at or self.dropped_at

    def light(self, *, on: date) -> str:
        """Return its light on a day of the city: met, late, soon (a week before) or normal.

        Reported as done it is met or late by the day of that, confirmed or not.
        """
        if self.asked_at is not None:
            return "late" if _day(self.asked_at) > self.due_on else "met"
        days = (self.due_on - on).days
        return "late" if days < 0 else "soon" if days <= SOON_DAYS else "normal"


class MeetingChange(models.Model):
    """One line of a meeting's log; corrections of a finished one are such lines. Never changed."""

    class Kind(models.TextChoices):
        """What was done."""

        PREPARED = "prepared", pgettext_lazy("meeting", "prepared")
        PROPOSED = "proposed", pgettext_lazy("meeting", "proposed again")
        ADDED = "added", pgettext_lazy("meeting", "line added")
        REMOVED = "removed", pgettext_lazy("meeting", "line removed")
        RESTORED = "restored", pgettext_lazy("meeting", "line put back")
        MOVED = "moved", pgettext_lazy("meeting", "line moved")
        DECIDED = "decided", pgettext_lazy("meeting", "decision recorded")
        FINISHED = "finished", pgettext_lazy("meeting", "finished")
        CORRECTED = "corrected", pgettext_lazy("meeting", "correction")

    meeting = models.ForeignKey(Meeting, models.PROTECT, related_name="changes")
    version = models.PositiveIntegerField()  # of the meeting after it
    kind = models.CharField(max_length=10, choices=Kind.choices)
    line = models.ForeignKey(AgendaLine, models.PROTECT, null=True, related_name="+")
    item = models.ForeignKey(ActionItem, models.PROTECT, null=True, related_name="+")
    said = models.JSONField(default=dict)
    text = models.CharField(max_length=TEXT_MAX, blank=True)  # of a correction
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["MeetingChange"]] = models.Manager()

    class Meta:
        verbose_name = _("change of a meeting")
        verbose_name_plural = _("changes of meetings")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["meeting", "version"], name="meeting_change_once_a_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meeting_id} {self.kind}"


class ItemChange(models.Model):
    """One line of an action item's log: what was reported or done, by whom; never changed."""

    class Kind(models.TextChoices):
        """What was done."""

        RECORDED = "recorded", pgettext_lazy("item", "recorded")
        CHANGED = "changed", pgettext_lazy("item", "changed")
        PROGRESS = "progress", pgettext_lazy("item", "progress reported")
        ASKED = "asked", pgettext_lazy("item", "reported as done")
        SENT_BACK = "sent_back", pgettext_lazy("item", "sent back")
        CONFIRMED = "confirmed", pgettext_lazy("item", "confirmed done")
        MOVED = "moved", pgettext_lazy("item", "last day moved")
        REPLACED = "replaced", pgettext_lazy("item", "replaced by a correction")
        DROPPED = "dropped", pgettext_lazy("item", "dropped")

    item = models.ForeignKey(ActionItem, models.PROTECT, related_name="changes")
    version = models.PositiveIntegerField()  # of the item after it
    kind = models.CharField(max_length=10, choices=Kind.choices)
    meeting = models.ForeignKey(Meeting, models.PROTECT, null=True, related_name="+")  # that did it
    said = models.JSONField(default=dict)  # the values it set
    note = models.CharField(max_length=TEXT_MAX, blank=True)
    by = models.ForeignKey(_USER, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["ItemChange"]] = models.Manager()

    class Meta:
        verbose_name = _("change of an action item")
        verbose_name_plural = _("changes of action items")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["item", "version"], name="item_change_once_a_version"),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.kind}"


def _day(moment: datetime) -> date:
    return moment.astimezone(CITY_TIME).date()
