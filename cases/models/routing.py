"""Routing rules in versions: which unit answers for what and where; and drafts that change them."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cases.choices import LimitUnit, Source
from cases.models.area import District, in_language
from cases.models.category import Condition, Kind, MinorClass, ProblemClass
from cases.models.unit import Unit, UnitKind


class Rank(models.TextChoices):
    """In which capacity a rule names a unit (domain.md §3, ownership)."""

    OWNER = "owner", _("owner")
    LOCALITY = "locality", _("locality")
    FALLBACK = "fallback", _("locality as the last resort")


class WorkingTime(models.TextChoices):
    """When a rule holds, by the working calendar at the moment of dispatch."""

    INSIDE = "inside", _("inside working time")
    OUTSIDE = "outside", _("outside working time")


class RuleTerms(models.Model):
    """What a rule says: conditions, each empty for "any", and the unit they lead to.

    The unit is named, or is the one of `unit_kind` that serves the place. Which of several
    matching rules wins is decided in cases/selectors/responsibility.py, never by their order.
    """

    code = models.SlugField(_("rule"), max_length=60)
    rank = models.CharField(_("rank"), max_length=10, choices=Rank.choices)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, blank=True)
    major_code = models.CharField(_("major class"), max_length=2, blank=True)
    minor = models.ForeignKey(
        MinorClass, models.PROTECT, null=True, blank=True, verbose_name=_("minor class")
    )
    problem_class = models.ForeignKey(
        ProblemClass, models.PROTECT, null=True, blank=True, verbose_name=_("problem class")
    )
    condition = models.ForeignKey(
        Condition, models.PROTECT, null=True, blank=True, verbose_name=_("filing condition")
    )
    severity = models.CharField(
        _("severity"), max_length=16, choices=LimitUnit.choices, blank=True
    )  # the unit of the condition's limit
    district = models.ForeignKey(
        District, models.PROTECT, null=True, blank=True, verbose_name=_("district")
    )
    county = models.CharField(_("county"), max_length=6, blank=True)
    street_code = models.CharField(_("street"), max_length=9, blank=True)
    cell = models.CharField(_("grid cell"), max_length=15, blank=True)
    source = models.CharField(_("source"), max_length=12, choices=Source.choices, blank=True)
    working_time = models.CharField(
        _("working time"), max_length=7, choices=WorkingTime.choices, blank=True
    )
    unit = models.ForeignKey(
        Unit, models.PROTECT, null=True, blank=True, verbose_name=_("unit"), related_name="+"
    )
    unit_kind = models.CharField(
        _("kind of unit"), max_length=20, choices=UnitKind.choices, blank=True
    )
    by_load = models.BooleanField(
        _("among equal units the one with the lowest load"),
        default=False,
        help_text=_("Counts while the city options allow it."),
    )
    reason_zh = models.CharField(_("reason (Chinese)"), max_length=80)
    reason_en = models.CharField(_("reason (English)"), max_length=160)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(unit__isnull=True, unit_kind__gt="")
                | Q(unit__isnull=False, unit_kind=""),
                name="%(class)s_names_unit_or_kind",
            ),
            models.CheckConstraint(
                condition=Q(major_code="") | ~Q(kind=""), name="%(class)s_major_has_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def reason(self) -> str:
        """Why this unit answers for it, in the reader's language."""
        return in_language(self.reason_zh, self.reason_en)

    def terms(self) -> dict[str, Any]:
        """Return every column of the terms but the code, by its attribute."""
        return {name: getattr(self, name) for name in RULE_TERMS}


RULE_TERMS = (
    *("rank", "kind", "major_code", "minor_id", "problem_class_id", "condition_id", "severity"),
    *("district_id", "county", "street_code", "cell", "source", "working_time"),
    *("unit_id", "unit_kind", "by_load", "reason_zh", "reason_en"),
)


class ResponsibilityQuerySet(models.QuerySet["Responsibility"]):
    """Versions of rules."""

    def open(self) -> Self:
        """Keep the versions that hold until somebody ends them."""
        return self.filter(valid__upper_inf=True)


class Responsibility(RuleTerms):
    """One rule "category × area → unit" in one version; a changed rule is a new row."""

    valid = DateTimeRangeField(_("valid"))  # [from, to)
    digest = models.CharField(max_length=64, editable=False)
    draft = models.ForeignKey(
        "cases.RoutingDraft",
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("brought by the draft"),
    )  # null: it came with the city folder

    objects: ClassVar[models.Manager["Responsibility"]] = ResponsibilityQuerySet.as_manager()

    class Meta(RuleTerms.Meta):
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
            *RuleTerms.Meta.constraints,
        ]


class DraftQuerySet(models.QuerySet["RoutingDraft"]):
    """Drafts of routing rules."""

    def open(self) -> Self:
        """Keep drafts neither published nor dropped."""
        return self.filter(published_at=None, dropped_at=None)


class RoutingDraft(models.Model):
    """A set of changes to the rules that goes live as a whole, at one moment, or not at all.

    Afterwards it stays as the record of who changed the rules, when, and why.
    """

    title = models.CharField(_("title"), max_length=80)
    reason = models.CharField(_("reason"), max_length=400)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("author")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("published by"),
    )
    published_reason = models.CharField(_("why it was published"), max_length=400, blank=True)
    dropped_at = models.DateTimeField(_("dropped"), null=True, blank=True)
    dropped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("dropped by"),
    )

    objects: ClassVar[models.Manager["RoutingDraft"]] = DraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("draft of routing rules")
        verbose_name_plural = _("drafts of routing rules")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(published_at=None) | Q(dropped_at=None), name="draft_ends_once"
            ),
            models.CheckConstraint(
                condition=Q(published_at=None, published_by=None)
                | (
                    Q(published_at__isnull=False, published_by__isnull=False)
                    & ~Q(published_reason="")
                ),
                name="draft_published_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(dropped_at=None, dropped_by=None)
                | Q(dropped_at__isnull=False, dropped_by__isnull=False),
                name="draft_dropped_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        """Whether it may still be changed, published or dropped."""
        return self.published_at is None and self.dropped_at is None


class Change(models.TextChoices):
    """What a draft does to a rule."""

    ADD = "add", _("add")
    REPLACE = "replace", _("replace")
    REMOVE = "remove", _("remove")


class DraftRule(RuleTerms):
    """One change of a draft. `base` is the version it replaces or removes, as its author saw it."""

    draft = models.ForeignKey(RoutingDraft, models.CASCADE, related_name="rules")
    change = models.CharField(_("change"), max_length=7, choices=Change.choices)
    base = models.ForeignKey(Responsibility, models.PROTECT, null=True, related_name="+")
    changed_at = models.DateTimeField(_("changed"), auto_now=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("changed by")
    )

    objects: ClassVar[models.Manager["DraftRule"]] = models.Manager()

    class Meta(RuleTerms.Meta):
        verbose_name = _("change of a rule")
        verbose_name_plural = _("changes of rules")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["draft", "code"], name="draft_changes_a_rule_once"),
            models.CheckConstraint(
                condition=Q(change="add", base=None)
                | Q(change__in=["replace", "remove"], base__isnull=False),
                name="draft_knows_what_it_changes",
            ),
            *RuleTerms.Meta.constraints,
        ]
