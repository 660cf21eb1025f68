"""A shift hand-over 交接班: what one shift leaves to the next, confirmed by both."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cases.choices import SCOPES


class Handover(models.Model):
    """What was handed over at a desk of a scope; open until somebody else takes over.

    `matter` is what stood then, kept as it was; a trigger lets a row only be taken over, once,
    and nothing change after.
    """

    class Desk(models.TextChoices):
        """Which centre's desk: who judges does not dispatch (domain.md §1)."""

        SUPERVISION = "supervision", _("supervision centre")
        COMMAND = "command", _("command centre")

    LONGEST_NOTES = 4_000

    scope = models.CharField(max_length=20)
    desk = models.CharField(max_length=12, choices=Desk.choices)
    notes = models.TextField(_("notes"), blank=True, max_length=LONGEST_NOTES)
    matter = models.JSONField()
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    taken_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager["Handover"]] = models.Manager()

    class Meta:
        verbose_name = _("hand-over")
        verbose_name_plural = _("hand-overs")
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=SCOPES), name="handover_scope_known"),
            models.UniqueConstraint(
                fields=["scope", "desk"],
                condition=Q(taken_at=None),
                name="handover_one_open",
            ),
            models.CheckConstraint(
                condition=Q(taken_at=None, taken_by=None)
                | (
                    Q(taken_at__gte=F("given_at"), taken_by__isnull=False)
                    & ~Q(taken_by=F("given_by"))
                ),
                name="handover_taken_by_another",
            ),
        ]
        indexes = [models.Index(F("scope"), F("given_at").desc(), name="handover_newest")]

    def __str__(self) -> str:
        return f"{self.scope} {self.desk} {self.given_at:%Y-%m-%d %H:%M}"


class HandoverPaper(models.Model):
    """The PDF of a hand-over that was taken over; written once."""

    handover = models.OneToOneField(
        Handover, models.PROTECT, primary_key=True, related_name="paper"
    )
    content = models.BinaryField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.handover_id)
