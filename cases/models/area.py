"""Districts, and the areas of the city as they were valid over time."""

from typing import ClassVar

from django.contrib.gis.db import models
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


def in_language(zh: str, en: str) -> str:
    """Return the text in the language of the reader; Chinese unless it is English."""
    return en if (get_language() or "").startswith("en") else zh


class District(models.Model):
    """One of the bodies compared in the assessment: county-level district or functional zone.

    `county` is the 6-digit code of the county-level district it lies in, its own code for the two.
    """

    class Kind(models.TextChoices):
        """What the body is by law."""

        DISTRICT = "district", _("district")
        COUNTY = "county", _("county")
        FUNCTIONAL_ZONE = "functional_zone", _("functional zone")

    slug = models.SlugField(max_length=20, primary_key=True)
    code = models.CharField(_("code"), max_length=6, unique=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60)
    name_en = models.CharField(_("name (English)"), max_length=120)
    short_zh = models.CharField(_("short name (Chinese)"), max_length=20)
    short_en = models.CharField(_("short name (English)"), max_length=40)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    county = models.CharField(_("county"), max_length=6)
    order = models.PositiveSmallIntegerField(_("order"))

    objects: ClassVar[models.Manager["District"]] = models.Manager()

    class Meta:
        verbose_name = _("assessment district")
        verbose_name_plural = _("assessment districts")
        ordering = ["order", "slug"]

    def __str__(self) -> str:
        return self.short_name

    @property
    def name(self) -> str:
        """Full name in the reader's language."""
        return in_language(self.name_zh, self.name_en)

    @property
    def short_name(self) -> str:
        """Short name in the reader's language."""
        return in_language(self.short_zh, self.short_en)

    @property
    def is_zone(self) -> bool:
        """Whether a point in it and in a county belongs to it (domain.md §1)."""
        return self.kind == self.Kind.FUNCTIONAL_ZONE


class Area(models.Model):
    """A piece of the city at one level, in one version; a changed boundary is a new row.

    The level `district` holds the county-level districts and the functional zones inside them;
    where two cover a point the higher `precedence` wins. Geometry in WGS-84 (lon, lat).
    """

    class Level(models.TextChoices):
        """What kind of area it is."""

        DISTRICT = "district", _("district")
        STREET = "street", _("street")
        COMMUNITY = "community", _("community")
        CELL = "cell", _("grid cell")
        BUILTUP = "builtup", _("built-up area")

    level = models.CharField(_("level"), max_length=10, choices=Level.choices)
    code = models.CharField(_("code"), max_length=20)
    name_zh = models.CharField(_("name (Chinese)"), max_length=60, blank=True)
    name_en = models.CharField(_("name (English)"), max_length=120, blank=True)
    parent_code = models.CharField(_("parent"), max_length=20, blank=True)
    county = models.CharField(_("county"), max_length=6, blank=True)  # 6 digits
    district = models.ForeignKey(District, models.PROTECT, null=True, blank=True)  # level district
    precedence = models.PositiveSmallIntegerField(default=0)  # 1 for functional zones
    geom = models.MultiPolygonField(srid=4326)  # lon, lat
    label = models.PointField(srid=4326, spatial_index=False)  # inside geom
    area_m2 = models.FloatField()  # in EPSG:4546
    valid = DateTimeRangeField(_("valid"))  # [from, to)
    digest = models.CharField(max_length=64, editable=False)  # of all above; tells a changed area

    objects: ClassVar[models.Manager["Area"]] = models.Manager()

    class Meta:
        verbose_name = _("area")
        verbose_name_plural = _("areas")
        constraints = [
            ExclusionConstraint(
                name="area_one_version_at_a_time",
                expressions=[
                    ("code", RangeOperators.EQUAL),
                    ("level", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
            models.CheckConstraint(
                condition=Q(district__isnull=False) | ~Q(level="district"),
                name="area_district_named",
            ),
        ]
        indexes = [models.Index(fields=["level", "code"], name="area_by_code")]

    def __str__(self) -> str:
        return f"{self.level} {self.code}"

    @property
    def name(self) -> str:
        """Name in the reader's language; communities have only a Chinese one."""
        return in_language(self.name_zh, self.name_en or self.name_zh)


class Border(models.Model):
    """Outline of what a district answers for: its outline less the functional zones inside it.

    Made by `load_city` from the district areas, in the same versions, so that the distance to
    the border needs no set operation per question. EPSG:4546, metres.
    """

    district = models.ForeignKey(District, models.PROTECT)
    line = models.MultiLineStringField(srid=4546)
    valid = DateTimeRangeField(_("valid"))  # [from, to)
    digest = models.CharField(max_length=64, editable=False)

    objects: ClassVar[models.Manager["Border"]] = models.Manager()

    class Meta:
        verbose_name = _("border")
        verbose_name_plural = _("borders")
        constraints = [
            ExclusionConstraint(
                name="border_one_version_at_a_time",
                expressions=[
                    ("district", RangeOperators.EQUAL),
                    ("valid", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"border of {self.district_id}"


class PlaceName(models.Model):
    """A named point that helps people find their way on a map without a base map."""

    name_zh = models.CharField(_("name (Chinese)"), max_length=60, unique=True)
    name_en = models.CharField(_("name (English)"), max_length=120)
    kind = models.CharField(_("kind"), max_length=30)
    point = models.PointField(srid=4326)  # lon, lat
    source = models.CharField(_("source"), max_length=120, blank=True)

    objects: ClassVar[models.Manager["PlaceName"]] = models.Manager()

    class Meta:
        verbose_name = _("place name")
        verbose_name_plural = _("place names")

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name in the reader's language."""
        return in_language(self.name_zh, self.name_en)
