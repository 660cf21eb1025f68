"""Responsible units."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY
from cases.models.area import District, in_language


class UnitKind(models.TextChoices):
    """Field of work of a unit."""

    URBAN_MANAGEMENT = "urban_management", _("urban-management brigade")
    SANITATION = "sanitation", _("sanitation")
    MUNICIPAL = "municipal", _("municipal maintenance")
    LANDSCAPING = "landscaping", _("landscaping")
    STREET_LAMPS = "street_lamps", _("street lamps")
    TRAFFIC_POLICE = "traffic_police", _("traffic police")
    HOUSING = "housing", _("housing and construction")
    ECOLOGY = "ecology", _("ecology and environment")
    RIVERS = "rivers", _("rivers and waterways")
    MARKET = "market", _("market supervision")
    HEALTH = "health", _("health")
    FIRE = "fire", _("fire and rescue")
    STREET_OFFICE = "street_office", _("street or township office")
    WATER = "water", _("water supply")
    DRAINAGE = "drainage", _("drainage")
    POWER = "power", _("power supply")
    GAS = "gas", _("gas and heating")
    TELECOM = "telecom", _("telecom")
    BUS = "bus", _("public transport")
    POST = "post", _("post and newspapers")


class Unit(models.Model):
    """A body that handles cases 处置单位, or a sub-unit of one (`parent`).

    `district` is empty for city-wide utilities; `street` names what a street or township office
    serves, empty when it serves its whole district.
    """

    code = models.SlugField(_("code"), max_length=40, primary_key=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60)
    name_en = models.CharField(_("name (English)"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=UnitKind.choices)
    district = models.ForeignKey(District, models.PROTECT, null=True, blank=True)
    street_code = models.CharField(_("street"), max_length=9, blank=True)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True)
    is_active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[models.Manager["Unit"]] = models.Manager()

    class Meta:
        verbose_name = _("unit")
        verbose_name_plural = _("units")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name in the reader's language."""
        return in_language(self.name_zh, self.name_en)

    @property
    def body(self) -> str:
        """Who is scored for its cases: a district, or the city for city-wide utilities."""
        return self.district_id or CITY
