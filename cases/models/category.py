"""Classes of cases and their filing conditions: what is filed, and within which time limit."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from cases.choices import LimitUnit
from cases.models.area import in_language


class Kind(models.TextChoices):
    """Component 部件 or event 事件 (domain.md §5)."""

    COMPONENT = "component", _("component")
    EVENT = "event", _("event")


class ProblemClass(models.Model):
    """A word for what is wrong, shared by the conditions of many classes."""

    code = models.SlugField(max_length=20, primary_key=True)
    name_zh = models.CharField(_("name (Chinese)"), max_length=20)
    name_en = models.CharField(_("name (English)"), max_length=40)

    objects: ClassVar[models.Manager["ProblemClass"]] = models.Manager()

    class Meta:
        verbose_name = _("problem class")
        verbose_name_plural = _("problem classes")

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name in the reader's language."""
        return in_language(self.name_zh, self.name_en)


class MinorClass(models.Model):
    """A minor class, `component-0101`: what the case is about. Numbered after GB/T 30428.2.

    `recurs` marks classes whose return at the same place is counted (assessment.md, item A7).
    """

    code = models.CharField(_("code"), max_length=20, primary_key=True)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    major_code = models.CharField(_("major class"), max_length=2)
    major_zh = models.CharField(_("major class (Chinese)"), max_length=30)
    major_en = models.CharField(_("major class (English)"), max_length=60)
    minor_code = models.CharField(_("minor class"), max_length=2)
    name_zh = models.CharField(_("name (Chinese)"), max_length=40)
    name_en = models.CharField(_("name (English)"), max_length=80)
    initials = models.CharField(_("pinyin initials"), max_length=40)  # lower case, for search
    recurs = models.BooleanField(_("counted when it recurs"), default=False)
    is_active = models.BooleanField(_("in use"), default=True)
    order = models.PositiveSmallIntegerField(_("order"))

    objects: ClassVar[models.Manager["MinorClass"]] = models.Manager()

    class Meta:
        verbose_name = _("minor class")
        verbose_name_plural = _("minor classes")
        ordering = ["order"]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """Name in the reader's language."""
        return in_language(self.name_zh, self.name_en)

    @property
    def major_name(self) -> str:
        """Name of the major class in the reader's language."""
        return in_language(self.major_zh, self.major_en)


class PhotoRule(models.TextChoices):
    """Which photos a report must bring."""

    NONE = "none", _("no photo needed")
    ONE = "one", _("one photo")
    NEAR_AND_FAR = "near_and_far", _("one near and one far photo")


_LIMITS = {
    LimitUnit.EMERGENCY_HOUR: ngettext_lazy("%d emergency hour", "%d emergency hours"),
    LimitUnit.EMERGENCY_DAY: ngettext_lazy("%d emergency day", "%d emergency days"),
    LimitUnit.WORK_HOUR: ngettext_lazy("%d work hour", "%d work hours"),
    LimitUnit.WORK_DAY: ngettext_lazy("%d work day", "%d work days"),
}


def limit_text(value: int, unit: LimitUnit) -> str:
    """Return a time limit as people say it: 2 emergency hours."""
    return str(_LIMITS[unit] % value)


PHOTOS_NEEDED = {PhotoRule.NONE: 0, PhotoRule.ONE: 1, PhotoRule.NEAR_AND_FAR: 2}


class Condition(models.Model):
    """A filing condition 立案条件, `component-0101-3`: one state of a minor class and its limit.

    `is_own` marks texts written by this project; no standard's text is reproduced.
    """

    code = models.CharField(_("code"), max_length=24, primary_key=True)
    minor = models.ForeignKey(MinorClass, models.PROTECT, related_name="conditions")
    no = models.PositiveSmallIntegerField(_("number"))
    problem_class = models.ForeignKey(ProblemClass, models.PROTECT)
    text_zh = models.CharField(_("text (Chinese)"), max_length=120)
    text_en = models.CharField(_("text (English)"), max_length=240)
    limit_value = models.PositiveSmallIntegerField(_("time limit"))
    limit_unit = models.CharField(_("unit of the limit"), max_length=16, choices=LimitUnit.choices)
    photo_rule = models.CharField(
        _("photos of the report"), max_length=12, choices=PhotoRule.choices
    )
    needs_after_photo = models.BooleanField(_("finishing needs an after-photo"))
    closing_zh = models.CharField(_("closing condition (Chinese)"), max_length=120)
    closing_en = models.CharField(_("closing condition (English)"), max_length=240)
    is_own = models.BooleanField(_("our own text"))
    is_active = models.BooleanField(_("in use"), default=True)

    objects: ClassVar[models.Manager["Condition"]] = models.Manager()

    class Meta:
        verbose_name = _("filing condition")
        verbose_name_plural = _("filing conditions")
        ordering = ["minor__order", "no"]
        constraints = [
            models.UniqueConstraint(fields=["minor", "no"], name="condition_no_once"),
            models.UniqueConstraint(
                fields=["minor", "text_zh"],
                name="condition_zh_once",
                deferrable=models.Deferrable.DEFERRED,  # two may swap their texts in one load
            ),
            models.UniqueConstraint(
                fields=["minor", "text_en"],
                name="condition_en_once",
                deferrable=models.Deferrable.DEFERRED,  # two may swap their texts in one load
            ),
            models.CheckConstraint(condition=Q(limit_value__gt=0), name="condition_limit_positive"),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """One line in the reader's language."""
        return in_language(self.text_zh, self.text_en)

    @property
    def closing(self) -> str:
        """What must be seen at the check, in the reader's language."""
        return in_language(self.closing_zh, self.closing_en)

    @property
    def photos_needed(self) -> int:
        """Least number of photos a report must bring."""
        return PHOTOS_NEEDED[PhotoRule(self.photo_rule)]

    @property
    def limit_text(self) -> str:
        """The limit as people say it: 2 emergency hours."""
        return limit_text(self.limit_value, LimitUnit(self.limit_unit))
