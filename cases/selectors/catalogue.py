"""Minor classes with their filing conditions, for the category picker and the API."""

from typing import TypedDict

from django.db.models import Prefetch

from cases.models import Condition, MinorClass


class ConditionEntry(TypedDict):
    """A filing condition as pages and API show it; the limit in its own unit (domain.md §4)."""

    code: str
    no: int
    problem_class: str
    problem_class_zh: str
    problem_class_en: str
    text_zh: str
    text_en: str
    limit_value: int
    limit_unit: str
    photo_rule: str
    photos_needed: int
    needs_after_photo: bool
    closing_zh: str
    closing_en: str
    is_own: bool


class MinorClassEntry(TypedDict):
    """A minor class with its conditions in order."""

    code: str
    kind: str
    major_code: str
    major_zh: str
    major_en: str
    name_zh: str
    name_en: str
    initials: str
    recurs: bool
    conditions: list[ConditionEntry]


def categories(kind: str | None = None) -> list[MinorClassEntry]:
    """Return the minor classes in use, of one kind or all, in catalogue order. Two queries."""
    conditions = Condition.objects.filter(is_active=True).select_related("problem_class")
    minors = MinorClass.objects.filter(is_active=True)
    if kind is not None:
        minors = minors.filter(kind=kind)
    in_order = Prefetch("conditions", queryset=conditions.order_by("no"), to_attr="in_order")
    return [_minor_entry(minor) for minor in minors.prefetch_related(in_order)]


def _minor_entry(minor: MinorClass) -> MinorClassEntry:
    conditions: list[Condition] = getattr(minor, "in_order")  # noqa: B009  # set by the prefetch
    return {
        "code": minor.code,
        "kind": minor.kind,
        "major_code": minor.major_code,
        "major_zh": minor.major_zh,
        "major_en": minor.major_en,
        "name_zh": minor.name_zh,
        "name_en": minor.name_en,
        "initials": minor.initials,
        "recurs": minor.recurs,
        "conditions": [_condition_entry(condition) for condition in conditions],
    }


def _condition_entry(condition: Condition) -> ConditionEntry:
    return {
        "code": condition.code,
        "no": condition.no,
        "problem_class": condition.problem_class_id,
        "problem_class_zh": condition.problem_class.name_zh,
        "problem_class_en": condition.problem_class.name_en,
        "text_zh": condition.text_zh,
        "text_en": condition.text_en,
        "limit_value": condition.limit_value,
        "limit_unit": condition.limit_unit,
        "photo_rule": condition.photo_rule,
        "photos_needed": condition.photos_needed,
        "needs_after_photo": condition.needs_after_photo,
        "closing_zh": condition.closing_zh,
        "closing_en": condition.closing_en,
        "is_own": condition.is_own,
    }
