"""Counts of cases by place, class and day, kept beside the ledger so that heat reads few rows."""

from typing import ClassVar

from django.contrib.gis.db import models
from django.contrib.postgres.fields import DateTimeRangeField
from django.contrib.postgres.indexes import GistIndex, OpClass
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Counts(models.Model):
    """How many cases were reported, filed, closed, first passed their deadline, and came back."""

    reported = models.IntegerField(default=0)
    filed = models.IntegerField(default=0)
    closed = models.IntegerField(default=0)
    overdue = models.IntegerField(default=0)
    recurrent = models.IntegerField(default=0)

    class Meta:
        abstract = True


class Rollup(Counts):
    """The counts of one day or month at one place, of one district and minor class.

    `place` is the code of the grid cell; of the community or street where there is no cell; empty
    where there is no place. Codes begin with those of the area around, so a prefix adds them up.
    Days and months are local (Asia/Shanghai). A case counts once a column, at its present place.
    """

    class Grain(models.TextChoices):
        """How long a row counts for, from `start` on."""

        DAY = "day", _("day")
        MONTH = "month", _("month")

    grain = models.CharField(max_length=5, choices=Grain.choices)
    start = models.DateField()
    place = models.CharField(max_length=15, blank=True)
    district = models.CharField(max_length=20, blank=True)
    minor = models.CharField(max_length=20)

    objects: ClassVar[models.Manager["Rollup"]] = models.Manager()

    class Meta:
        verbose_name = _("count of cases")
        verbose_name_plural = _("counts of cases")
        constraints = [
            models.UniqueConstraint(
                fields=["grain", "start", "place", "district", "minor"], name="rollup_once"
            )
        ]
        indexes = [
            models.Index(
                F("grain"),
                OpClass(F("place"), "varchar_pattern_ops"),
                F("start"),
                name="rollup_place",
            ),
            models.Index(
                "id", name="rollup_empty", condition=Q(reported=0, filed=0, closed=0, overdue=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start} {self.place} {self.minor}"


class RollupCase(models.Model):
    """What one case adds to the counts: taken out again when it moves, is voided or merged.

    `life` is from its report to its last end, open upwards while it is open: which cases the map
    of a past hour looks at. No key of the database holds it, so that counting waits for no writer.
    """

    case = models.OneToOneField(
        "cases.Case", models.DO_NOTHING, primary_key=True, db_constraint=False
    )
    place = models.CharField(max_length=15, blank=True)
    district = models.CharField(max_length=20, blank=True)
    minor = models.CharField(max_length=20)
    reported_on = models.DateField(null=True)
    filed_on = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    overdue_on = models.DateField(null=True)
    recurrent_on = models.DateField(null=True)  # the day of the closing it came back from
    recurred_in = models.BigIntegerField(null=True)  # key of the first case it came back as
    life = DateTimeRangeField()  # [reported, ended)

    objects: ClassVar[models.Manager["RollupCase"]] = models.Manager()

    class Meta:
        indexes = [
            GistIndex(fields=["life"], name="rollup_life"),
            models.Index("place", "minor", name="rollup_cases_at"),
            models.Index(
                "recurred_in", name="rollup_recurred", condition=Q(recurred_in__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.case_id)


class RollupState(models.Model):
    """Up to where the counts have read each log: one row, locked by whoever counts on."""

    positions = models.JSONField(default=dict)  # {scope: dseq}
    counted_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["RollupState"]] = models.Manager()

    def __str__(self) -> str:
        return str(self.positions)
