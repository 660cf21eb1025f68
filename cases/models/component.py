"""Components 部件: the things of the street that are registered one by one, each under its code."""

from typing import ClassVar

from django.contrib.gis.db import models
from django.contrib.postgres.indexes import GistIndex
from django.db.models import F, Q, Value
from django.db.models.functions import Concat, Substr
from django.db.models.lookups import Exact
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cases.choices import DISTRICT_SLUGS
from cases.models.category import Kind

_CODE = r"^[0-9]{16}$"


class ComponentState(models.TextChoices):
    """How a component was found (domain.md §5)."""

    INTACT = "intact", _("intact")
    DAMAGED = "damaged", _("damaged")
    MISSING = "missing", _("missing")
    ABANDONED = "abandoned", _("abandoned")
    OCCUPIED = "occupied", _("occupied")


class Component(models.Model):
    """One thing of the street, `4312020103000017`: county, major and minor class, sequence.

    The code's county and class are columns too and cannot differ from it. District to grid cell are
    what the areas say of the point; cases/services/components.py writes them.
    """

    code = models.CharField(_("component code"), max_length=16, primary_key=True)
    name = models.CharField(_("component name"), max_length=60)
    minor = models.ForeignKey(
        "cases.MinorClass", models.PROTECT, to_field="code", verbose_name=_("minor class")
    )
    state = models.CharField(
        _("state of the component"),
        max_length=10,
        choices=ComponentState.choices,
        default=ComponentState.INTACT,
    )
    point = models.PointField(_("place"), srid=4326, spatial_index=False)  # lon, lat; indexed below
    district = models.CharField(_("district"), max_length=20)
    county = models.CharField(_("county"), max_length=6)
    street = models.CharField(_("street"), max_length=9)
    community = models.CharField(_("community"), max_length=12)
    grid_cell = models.CharField(_("grid cell"), max_length=15, blank=True)
    competent = models.ForeignKey(
        "cases.Unit",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("competent department"),
    )
    owner = models.ForeignKey(
        "cases.Unit",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("owning unit"),
    )
    maintainer = models.ForeignKey(
        "cases.Unit",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("maintaining unit"),
    )

    objects: ClassVar[models.Manager["Component"]] = models.Manager()

    class Meta:
        verbose_name = _("component")
        verbose_name_plural = _("components")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=_CODE), name="component_code_16_digits"),
            models.CheckConstraint(
                condition=Exact(Substr("code", 1, 6), F("county")), name="component_code_has_county"
            ),
            models.CheckConstraint(
                condition=Exact(
                    Concat(Value(f"{Kind.COMPONENT}-"), Substr("code", 7, 4)), F("minor")
                ),
                name="component_code_has_class",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ComponentState.values), name="component_state_known"
            ),
            models.CheckConstraint(
                condition=Q(district__in=DISTRICT_SLUGS), name="component_district_known"
            ),
        ]
        indexes = [GistIndex("point", name="component_point")]

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    def get_absolute_url(self) -> str:
        """Address of the page behind its QR code."""
        return reverse("component", args=[self.code])

    @property
    def spaced_code(self) -> str:
        """The code as people read it aloud: county, class, sequence."""
        return f"{self.code[:6]} {self.code[6:10]} {self.code[10:]}"
