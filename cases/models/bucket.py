"""What a person and a district may still send before they are asked to wait."""

from typing import ClassVar

from django.db import models


class Bucket(models.Model):
    """The tokens left to one person (`user:ID`) or one district's people (`scope:SLUG`) at `at`.

    A change over HTTP takes one of each; they come back at `per_s` a second up to `burst`. Those of
    `photos:ID` are kilobytes of what a person may have kept. The table is unlogged: it costs no
    wait for the disk, and after a crash everybody starts full.
    """

    key = models.CharField(max_length=40, primary_key=True)
    tokens = models.FloatField()
    burst = models.PositiveIntegerField()
    per_s = models.PositiveIntegerField()
    at = models.DateTimeField()

    objects: ClassVar[models.Manager["Bucket"]] = models.Manager()

    def __str__(self) -> str:
        return self.key
