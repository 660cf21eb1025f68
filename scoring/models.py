"""Schemes, runs of the score, and which case stands in which count of a run."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Scheme(models.Model):
    """One version of the scoring rules; a published version is never edited."""

    version = models.CharField(_("version"), max_length=40, primary_key=True)
    data = models.JSONField(_("rules"))
    digest = models.CharField(max_length=64)  # SHA-256 of the canonical rules

    class Meta:
        verbose_name = _("scheme")
        verbose_name_plural = _("schemes")

    def __str__(self) -> str:
        return self.version


class Run(models.Model):
    """One computation: a period, the log it was read from, the scheme and the sealed result."""

    period = models.CharField(_("period"), max_length=8)  # 2026-10, 2026-Q3 or 2026
    as_of = models.DateTimeField(_("as of"))
    heads = models.JSONField()  # dseq by scope
    scheme = models.ForeignKey(Scheme, models.PROTECT)
    inputs_digest = models.CharField(max_length=64)  # of heads' hashes, period, scheme, definitions
    result = models.TextField()  # canonical JSON
    seal = models.CharField(max_length=64)  # SHA-256 of result
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Run"]] = models.Manager()

    class Meta:
        verbose_name = _("run of the score")
        verbose_name_plural = _("runs of the score")
        indexes = [models.Index("period", "inputs_digest", name="run_by_inputs")]

    def __str__(self) -> str:
        return f"{self.period} as of {self.as_of:%Y-%m-%d %H:%M}"


class RunList(models.Model):
    """The cases behind one number of a run; a case stands as often as it counts.

    `body` is a district, `city`, or the source of reports; `count` a count or an item.
    """

    run = models.ForeignKey(Run, models.CASCADE)
    body = models.CharField(max_length=20)
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
