"""A wall: a screen in a hall that shows a scope to whoever stands before it, read-only."""

import hashlib
import json
import secrets
from datetime import datetime
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.choices import SCOPES

WIDEST_V4, WIDEST_V6 = 8, 32  # the shortest prefixes: what is wider is no site
_V4_WRITTEN_AS_V6 = ip_network("::ffff:0:0/96")


def require_network(text: str) -> None:
    """Raise ValidationError for what is no address and no network in CIDR notation, or too wide."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValidationError(
            _("“%(text)s” is no address and no network like 10.12.0.0/16."), params={"text": text}
        ) from None
    widest = WIDEST_V4 if isinstance(network, IPv4Network) else WIDEST_V6
    if network.prefixlen < widest:
        raise ValidationError(
            _("“%(text)s” is too wide: the prefix of a network is /%(widest)d or longer."),
            params={"text": text, "widest": widest},
        )
    if network.overlaps(_V4_WRITTEN_AS_V6):
        raise ValidationError(
            _("“%(text)s” holds IPv4 addresses written as IPv6: write them like 10.12.0.0/16."),
            params={"text": text},
        )


class WallQuerySet(models.QuerySet["Wall"]):
    """Walls by what they may still show."""

    def standing(self, *, at: datetime) -> Self:
        """Keep those neither revoked nor expired at `at`."""
        return self.filter(revoked_at=None, expires_at__gt=at)


class Wall(models.Model):
    """A read-only screen, opened by a token from its own addresses; only the SHA-256 is kept."""

    class Page(models.TextChoices):
        """What is shown in turn."""

        TODAY = "today", _("today")
        COMPARE = "compare", _("districts compared")
        TREND = "trend", _("trend of classes")
        LATE = "late", _("overdue cases")

    class Language(models.TextChoices):
        """What a wall is written in; nobody chooses before it."""

        ZH = "zh-hans", _("Simplified Chinese")
        EN = "en", _("English")

    name = models.CharField(_("name"), max_length=60)
    scope = models.CharField(_("scope"), max_length=20, choices=[(s, s) for s in SCOPES])
    addresses = ArrayField(
        models.CharField(max_length=43, validators=[require_network]),
        verbose_name=_("allowed addresses"),
        help_text=_("addresses or networks like 10.12.0.0/16, separated by commas"),
    )
    pages = ArrayField(
        models.CharField(max_length=10, choices=Page.choices), verbose_name=_("pages")
    )
    rotation_s = models.PositiveSmallIntegerField(
        _("each page, seconds"),
        default=30,
        validators=[MinValueValidator(10), MaxValueValidator(600)],
    )
    language = models.CharField(
        _("language"), max_length=10, choices=Language.choices, default=Language.ZH
    )
    expires_at = models.DateTimeField(_("expires"))
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", editable=False
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)

    token = ""  # of a new wall, in memory alone

    objects: ClassVar[Any] = WallQuerySet.as_manager()

    class Meta:
        verbose_name = _("wall")
        verbose_name_plural = _("walls")
        constraints = [
            models.CheckConstraint(condition=Q(scope__in=SCOPES), name="wall_scope_known"),
            models.CheckConstraint(
                condition=~Q(addresses=[]) & ~Q(pages=[]), name="wall_has_addresses_and_pages"
            ),
            models.CheckConstraint(
                condition=Q(rotation_s__gte=10, rotation_s__lte=600), name="wall_rotation_sane"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def digest_of(token: str) -> bytes:
        """Return the 32 bytes a token is found by."""
        return hashlib.sha256(token.encode()).digest()

    def give_token(self) -> str:
        """Draw a token, keep its digest and return it; it cannot be read again."""
        self.token = secrets.token_urlsafe(32)
        self.digest = self.digest_of(self.token)
        return self.token

    @property
    def setting(self) -> str:
        """Changes with what the page of the wall was made from."""
        made = [self.name, self.scope, self.language, self.pages, self.rotation_s]
        return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:16]

    def lets_in(self, address: str) -> bool:
        """Whether a screen at `address` may show this wall."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in ip_network(text, strict=False) for text in self.addresses)
