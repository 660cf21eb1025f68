"""The working calendar in versions: holidays 节假日, make-up workdays 调休, working hours."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.models.area import in_language


class WorkCalendar(models.Model):
    """One published version of the calendar; the current one is the highest version.

    Rows are only ever added, never changed: a case is timed with the version it was filed under
    (domain.md §4). `version` comes from a sequence, so a number is not given out again even after
    a rollback; gaps are allowed.
    """

    version = models.AutoField(_("version"), primary_key=True)
    first_day = models.DateField(_("first day covered"))
    last_day = models.DateField(_("last day covered"))
    seasons = models.JSONField(_("working hours"))  # [{"from": "01-01", "hours": [["08:00", …]]}]
    provisional_years = ArrayField(
        models.PositiveSmallIntegerField(),
        verbose_name=_("years whose holidays are not announced"),
        default=list,
        blank=True,
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    is_seed = models.BooleanField(_("shipped with the product"), default=False)
    created_at = models.DateTimeField(_("published"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("published by"),
    )

    objects: ClassVar[models.Manager["WorkCalendar"]] = models.Manager()

    class Meta:
        verbose_name = _("working calendar")
        verbose_name_plural = _("working calendars")
        ordering = ["-version"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")), name="calendar_covers_days"
            ),
        ]

    def __str__(self) -> str:
        return str(self.version)


class WorkCalendarDay(models.Model):
    """A day that is not what its weekday says: a holiday, or a make-up workday."""

    class Kind(models.TextChoices):
        """What the day is."""

        HOLIDAY = "holiday", _("holiday")
        MAKEUP = "makeup", _("make-up workday")

    calendar = models.ForeignKey(WorkCalendar, models.PROTECT, related_name="days")
    date = models.DateField(_("date"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    name_zh = models.CharField(_("name (Chinese)"), max_length=40)
    name_en = models.CharField(_("name (English)"), max_length=80)

    objects: ClassVar[models.Manager["WorkCalendarDay"]] = models.Manager()

    class Meta:
        verbose_name = _("special day")
        verbose_name_plural = _("special days")
        ordering = ["date"]
        constraints = [
            models.UniqueConstraint(fields=["calendar", "date"], name="calendar_day_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["holiday", "makeup"]), name="calendar_day_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.name}"

    @property
    def name(self) -> str:
        """Name in the reader's language."""
        return in_language(self.name_zh, self.name_en)
