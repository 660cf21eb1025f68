"""Draws by lot: which closings and declined reports are audited, and which reporters revisited."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class Draw(models.Model):
    """One weekly draw, made once; anybody can repeat it from the log and what is printed here.

    seed = SHA-256(the four districts' heads at `end` ‖ name), order = SHA-256(seed ‖ case number):
    `end` is fixed beforehand, so nobody can foresee or choose the seed. Source: assessment.md §6.
    """

    class Kind(models.TextChoices):
        """What is drawn from."""

        CLOSURE = "closure", _("closings")
        DECLINE = "decline", _("declined reports")
        REVISIT = "revisit", _("reporters to revisit")

    name = models.CharField(max_length=30, unique=True)  # closure-2026-W48
    kind = models.CharField(max_length=10, choices=Kind.choices)
    start = models.DateTimeField()  # of the week drawn from: [start, end)
    end = models.DateTimeField()
    heads = models.JSONField()  # {district: hash as hex} of the last event before `end`
    seed = models.CharField(max_length=64)
    drawn_at = models.DateTimeField()
    numbers = models.JSONField(default=dict)  # {body: case numbers in their order}

    objects: ClassVar[models.Manager["Draw"]] = models.Manager()

    class Meta:
        verbose_name = _("draw")
        verbose_name_plural = _("draws")

    def __str__(self) -> str:
        return self.name
