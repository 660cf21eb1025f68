"""How somebody likes to work at the desk."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Habit(models.Model):
    """A dispatcher's own setting; nobody without a row has changed any."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="habit"
    )
    opens_next = models.BooleanField(_("open the next case to dispatch by itself"), default=True)

    objects: ClassVar[models.Manager["Habit"]] = models.Manager()

    class Meta:
        verbose_name = _("habit")
        verbose_name_plural = _("habits")

    def __str__(self) -> str:
        return f"{self.user_id}"
