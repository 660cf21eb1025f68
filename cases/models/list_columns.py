"""Which columns somebody's list of cases shows."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class ListColumns(models.Model):
    """The columns a person chose (cases/selectors/columns.py); who chose none has no row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True)
    keys = ArrayField(models.CharField(max_length=20))

    def __str__(self) -> str:
        return f"{self.user_id} {','.join(self.keys)}"
