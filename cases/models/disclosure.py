"""Who was shown what a case hides of people."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.choices import Role


class Disclosure(models.Model):
    """Somebody had names and telephone numbers of a case shown in full; never changed or deleted.

    No event of the case: reading changes nothing of it and no score. What was shown is not kept.
    """

    case = models.ForeignKey("cases.Case", models.PROTECT)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    at = models.DateTimeField(_("shown"), db_default=Now())

    objects: ClassVar[models.Manager["Disclosure"]] = models.Manager()

    class Meta:
        verbose_name = _("disclosure")
        verbose_name_plural = _("disclosures")

    def __str__(self) -> str:
        return f"{self.case_id} {self.by_id}"
