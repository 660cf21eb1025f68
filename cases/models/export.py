"""A list of cases somebody asked for as a file: the download centre."""

from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cases.models.effect import Effect
from cityops.accounts.models import User


class ExportQuerySet(models.QuerySet["Export"]):
    """Whose exports, and which are still worked on."""

    def of(self, user: User) -> Self:
        """Keep what `user` asked for; nobody sees another's."""
        return self.filter(owner=user.pk)

    def under_way(self) -> Self:
        """Keep what is waiting for a worker or being written."""
        return self.filter(
            state__in=(Export.State.WAITING, Export.State.RUNNING), effect__state=Effect.State.DUE
        )


class Export(models.Model):
    """One workbook of the cases a list showed, written by a worker and kept for a week.

    `query` and `columns` are those of the list, `said` its filters in the words of who asked. Only
    the newest run may end it. `reach` says how far its owner saw when it was written: the file is
    given only to who sees as far.
    """

    class State(models.TextChoices):
        """Where it stands; one whose effect was given up has failed, whatever this says."""

        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("being written")
        READY = "ready", _("ready")
        TOO_BIG = "too_big", _("too many cases")

    KEPT = timedelta(days=7)

    key = models.UUIDField(unique=True)  # of the form: sent twice it is one
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    effect = models.OneToOneField(Effect, models.SET_NULL, null=True)
    query = models.CharField(max_length=2500)
    columns = ArrayField(models.CharField(max_length=20))
    said = models.JSONField(default=list)  # [label, words] of each filter
    language = models.CharField(max_length=10)
    requested_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    run = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)  # rows written
    total = models.PositiveIntegerField(default=0)  # rows there are, as far as known
    as_of = models.DateTimeField(null=True)  # the moment every row is of
    reach = ArrayField(models.CharField(max_length=80), default=list)
    file = models.CharField(max_length=100, blank=True)  # below MEDIA_ROOT
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0)  # bytes
    expires_at = models.DateTimeField(db_default=Now() + KEPT)

    objects: ClassVar[models.Manager["Export"]] = ExportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="ready") ^ Q(file=""), name="export_ready_has_file"
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | (~Q(sha256="") & Q(as_of__isnull=False)),
                name="export_ready_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="export_newest"),
            models.Index("expires_at", name="export_expires"),
        ]

    def __str__(self) -> str:
        return str(self.key)

    @property
    def is_under_way(self) -> bool:
        """Whether it waits for a worker or is being written."""
        return (
            self.state in (self.State.WAITING, self.State.RUNNING)
            and self.effect is not None
            and self.effect.state == Effect.State.DUE
        )

    @property
    def is_failed(self) -> bool:
        """Whether its effect was given up."""
        ended = (self.State.READY, self.State.TOO_BIG)
        return self.state not in ended and not self.is_under_way
