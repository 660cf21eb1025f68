"""What people are told in the product, and the channels by which it leaves the product."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.models.case import Case
from cityops.accounts.models import User


class NoticeQuerySet(models.QuerySet["Notice"]):
    """A reader's notices."""

    def of(self, user: User) -> Self:
        """Keep what `user` was told of cases they may still see."""
        return self.filter(user=user.pk, case__in=Case.objects.all().visible_to(user))

    def unread(self) -> Self:
        """Keep what was not read yet."""
        return self.filter(read_at=None)


class Notice(models.Model):
    """One event told to one person; the words come from cases/notices.py when it is read."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False)
    case = models.ForeignKey(Case, models.CASCADE)
    event = models.ForeignKey("cases.Event", models.CASCADE, db_index=False)
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Notice"]] = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [models.UniqueConstraint(fields=["event", "user"], name="notice_once")]
        indexes = [
            models.Index(fields=["user", "-id"], name="notice_newest"),
            models.Index("user", name="notice_unread", condition=Q(read_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.event_id}"
