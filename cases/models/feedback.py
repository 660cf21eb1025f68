"""What people say about the pages themselves."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.models.attachment import shown_path


class Feedback(models.Model):
    """What somebody said about a page 意见反馈, perhaps with a screenshot; administrators read it.

    The names of the screenshot are those of Attachment, empty where there is none.
    """

    key = models.UUIDField(unique=True)  # of the form: sent twice, it is kept once
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("by")
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    page = models.CharField(_("page"), max_length=200, blank=True)  # path it was said on
    text = models.TextField(_("text"))
    sha256 = models.CharField(max_length=64, blank=True)
    stored_sha256 = models.CharField(max_length=64, blank=True)
    is_unreadable = models.BooleanField(default=False)
    read_at = models.DateTimeField(_("read"), null=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("read by"),
    )

    objects: ClassVar[models.Manager["Feedback"]] = models.Manager()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="feedback_says_something"),
            models.CheckConstraint(
                condition=Q(read_at=None, read_by=None)
                | Q(read_at__isnull=False, read_by__isnull=False),
                name="feedback_read_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["sha256"], name="feedback_by_arrived", condition=~Q(sha256=""))
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def path(self) -> str:
        """Path of the screenshot below MEDIA_ROOT."""
        return shown_path(self.stored_sha256)
