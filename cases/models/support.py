"""Who else saw the problem of a case."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Support(models.Model):
    """An inspector who saw the same thing and so did not report it again; once a person."""

    case = models.ForeignKey("cases.Case", models.PROTECT)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["Support"]] = models.Manager()

    class Meta:
        verbose_name = _("support")
        verbose_name_plural = _("supports")
        constraints = [models.UniqueConstraint(fields=["case", "by"], name="support_once")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.by_id}"
