"""Responsible units, and the table that says which of them answers for what and where."""

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY
from cases.models.area import District, in_language
from cases.models.category import Condition, Kind, MinorClass, ProblemClass


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


class Rank(models.TextChoices):
    """In which capacity a rule names a unit (domain.md §3, ownership)."""

    OWNER = "owner", _("owner")
    LOCALITY = "locality", _("locality")
    FALLBACK = "fallback", _("locality as the last resort")


class Responsibility(models.Model):
    """One rule "category × area → unit" in one version; an empty column means "any".

    The unit is named, or is the one of `unit_kind` that serves the place. Which of several
    matching rules wins is decided in cases/selectors/responsibility.py, never by their order.
    """

    code = models.SlugField(_("rule"), max_length=60)
    rank = models.CharField(_("rank"), max_length=10, choices=Rank.choices)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, blank=True)
    major_code = models.CharField(_("major class"), max_length=2, blank=True)
    minor = models.ForeignKey(MinorClass, models.PROTECT, null=True, blank=True)
    problem_class = models.ForeignKey(ProblemClass, models.PROTECT, null=True, blank=True)
    condition = models.ForeignKey(Condition, models.PROTECT, null=True, blank=True)
    district = models.ForeignKey(District, models.PROTECT, null=True, blank=True)
    county = models.CharField(_("county"), max_length=6, blank=True)
    street_code = models.CharField(_("street"), max_length=9, blank=True)
    unit = models.ForeignKey(Unit, models.PROTECT, null=True, blank=True)
    unit_kind = models.CharField(
        _("kind of unit"), max_length=20, choices=UnitKind.choices, blank=True
    )
    reason_zh = models.CharField(_("reason (Chinese)"), max_length=80)
    reason_en = models.CharField(_("reason (English)"), max_length=160)
    valid = DateTimeRangeField(_("valid"))  # [from, to)
    digest = models.CharField(max_length=64, editable=False)

    objects: ClassVar[models.Manager["Responsibility"]] = models.Manager()

    class Meta:
        verbose_name = _("responsibility")
        verbose_name_plural = _("responsibilities")
        constraints = [
            ExclusionConstraint(
                name="responsibility_one_version_at_a_time",
                expressions=[
                    ("code", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                condition=Q(unit__isnull=True, unit_kind__gt="")
                | Q(unit__isnull=False, unit_kind=""),
                name="responsibility_names_unit_or_kind",
            ),
            models.CheckConstraint(
                condition=Q(major_code="") | ~Q(kind=""), name="responsibility_major_has_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def reason(self) -> str:
        """Why this unit answers for it, in the reader's language."""
        return in_language(self.reason_zh, self.reason_en)
