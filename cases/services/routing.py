"""Drafts of routing rules: written, tried, and published as a whole at one moment, or dropped."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from cases import policy
from cases.errors import DraftClosed, InvalidInput, NotAllowed, StaleRules
from cases.ledger import retrying
from cases.models import (
    Area,
    Change,
    Condition,
    District,
    DraftRule,
    MinorClass,
    Responsibility,
    RoutingDraft,
)
from cases.models.routing import RULE_TERMS, RuleTerms
from cases.selectors.dry_run import edition_of
from cases.selectors.responsibility import REGISTER
from cases.selectors.rule_book import rules_at
from cases.services.city import CITY_LOCK, rule_digest
from cases.services.filing import rules_changed
from cityops.accounts.models import User

# --- drafts -------------------------------------------------------------------------------------


@retrying
def open_draft(*, title: str, reason: str, actor: User) -> RoutingDraft:
    """Begin a draft without changes. Raises NotAllowed, InvalidInput."""
    _require_editor(actor)
    draft = RoutingDraft(title=title.strip(), reason=reason.strip(), author=actor)
    _require_whole(draft, "title", "reason")
    draft.save()
    return draft


@retrying
def put_rule(*, draft_id: int, code: str, terms: dict[str, Any], actor: User) -> DraftRule:
    """Add a rule to a draft, or replace the live one of this code; a later put outdoes this one.

    `terms` are columns of `RuleTerms` by attribute; those left out mean "any". What a narrower
    column implies (a condition its class, a cell its street) is filled in, and contradictions are
    refused. Raises NotAllowed, DraftClosed, InvalidInput.
    """
    draft = _open_draft(draft_id, actor)
    unknown = sorted(terms.keys() - set(RULE_TERMS))
    if unknown:
        raise InvalidInput(
            _("A rule has no such term."),
            fields=dict.fromkeys(unknown, _("is no term of a rule")),
        )
    live = _live_version(code)
    row = DraftRule(draft=draft, code=code, changed_by=actor, base=live, **_completed(terms))
    row.change = Change.REPLACE if live else Change.ADD
    _require_sound(row)
    if live is not None and live.terms() == row.terms():
        raise InvalidInput(
            _("This is the rule as it is: nothing would change."),
            fields={"code": _("change a term, or leave the rule alone")},
        )
    DraftRule.objects.filter(draft=draft, code=code).delete()
    row.save()
    return row


@retrying
def remove_rule(*, draft_id: int, code: str, actor: User) -> DraftRule:
    """Let a draft end a live rule. Raises NotAllowed, DraftClosed, InvalidInput."""
    draft = _open_draft(draft_id, actor)
    live = _live_version(code)
    if live is None:
        raise InvalidInput(
            _("There is no rule %(code)s to remove.") % {"code": code},
            fields={"code": _("give the code of a rule that is live")},
        )
    DraftRule.objects.filter(draft=draft, code=code).delete()
    return DraftRule.objects.create(
        draft=draft,
        code=code,
        change=Change.REMOVE,
        base=live,
        changed_by=actor,
        **live.terms(),
    )


@retrying
def take_back(*, draft_id: int, code: str, actor: User) -> None:
    """Take a change out of a draft; one that is not in it changes nothing.

    Raises NotAllowed, DraftClosed.
    """
    draft = _open_draft(draft_id, actor)
    DraftRule.objects.filter(draft=draft, code=code).delete()


@retrying
def drop_draft(*, draft_id: int, actor: User) -> RoutingDraft:
    """Give a draft up; it stays to be read. Raises NotAllowed, DraftClosed."""
    draft = _open_draft(draft_id, actor)
    draft.dropped_at, draft.dropped_by = timezone.now(), actor
    draft.save(update_fields=["dropped_at", "dropped_by"])
    return draft


@retrying
def publish_draft(*, draft_id: int, reason: str, actor: User, seen_edition: str) -> RoutingDraft:
    """Make a draft live at one moment: old versions end there and new ones begin.

    Cases that wait for a unit are looked at again; those with one stay where they are.
    `seen_edition` is that of the dry run the actor looked at. Of two that publish at once one
    wins; the other is refused, because the rules it was tried on are no longer those that hold.
    Raises NotAllowed, DraftClosed, StaleRules, InvalidInput.
    """
    draft = _open_draft(draft_id, actor)
    draft.published_reason, draft.published_by = reason.strip(), actor
    _require_whole(draft, "published_reason")
    changes = list(draft.rules.select_related("base"))
    if not changes:
        raise InvalidInput(
            _("The draft changes nothing yet."), fields={"draft": _("put a rule into it")}
        )
    at = draft.published_at = _moment_of_publication()
    _require_unchanged(draft, changes, seen_edition, at=at)
    _cut(draft, changes, at=at)
    draft.save(update_fields=["published_at", "published_by", "published_reason"])
    rules_changed(f"draft-{draft.pk}")
    return draft


# --- publishing ---------------------------------------------------------------------------------


def _moment_of_publication() -> datetime:
    """Return the clock's time once nobody else writes versions, a load of the city included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CITY_LOCK])
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def _require_unchanged(
    draft: RoutingDraft, changes: list[DraftRule], seen_edition: str, *, at: datetime
) -> None:
    """Refuse what was tried on other rules than those that hold now."""
    live = {rule.code: rule for rule in rules_at(at)}
    moved = [row.code for row in changes if row.base != live.get(row.code)]
    if moved:
        raise StaleRules(
            _("These rules were changed since they were put into this draft: %(codes)s.")
            % {"codes": ", ".join(moved)},
            fields={"draft": _("look at them again and put or take back their changes")},
        )
    if edition_of(draft, live.values()) != seen_edition:
        raise StaleRules(
            _("The rules or this draft have changed since the dry run you looked at."),
            fields={"seen_edition": _("look at the dry run again, then publish")},
        )


def _cut(draft: RoutingDraft, changes: list[DraftRule], *, at: datetime) -> None:
    """End the live versions of the changed rules at a moment, and begin the new ones there."""
    codes = [row.code for row in changes]
    later = Responsibility.objects.filter(code__in=codes, valid__startswith__gte=at)
    waiting = sorted(later.values_list("code", flat=True))
    if waiting:
        raise InvalidInput(
            _("Another version of these rules is to begin later: %(codes)s.")
            % {"codes": ", ".join(waiting)},
            fields={"draft": _("wait until it has begun, or take their changes back")},
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_responsibility SET valid = tstzrange(lower(valid), %s)
            WHERE code = ANY(%s) AND valid @> %s::timestamptz
            """,
            [at, codes, at],
        )
    Responsibility.objects.bulk_create(
        Responsibility(
            code=row.code,
            draft=draft,
            valid=DateTimeTZRange(at, None),
            digest=rule_digest({"code": row.code, **row.terms()}),
            **row.terms(),
        )
        for row in changes
        if row.change != Change.REMOVE
    )


# --- what a draft may hold ----------------------------------------------------------------------


def _require_editor(actor: User) -> None:
    if not policy.may_edit_routing(actor):
        raise NotAllowed(_("Only an administrator of the city changes the routing rules."))


def _open_draft(draft_id: int, actor: User) -> RoutingDraft:
    """Lock a draft that may still be changed."""
    _require_editor(actor)
    draft = RoutingDraft.objects.select_for_update(of=("self",)).filter(pk=draft_id).first()
    if draft is None:
        raise InvalidInput(
            _("There is no such draft."), fields={"draft": _("take one from the list")}
        )
    if not draft.is_open:
        told = _("This draft was dropped already.")
        if draft.published_at is not None:
            told = _("This draft was published already.")
        raise DraftClosed(told)
    return draft


def _live_version(code: str) -> Responsibility | None:
    return Responsibility.objects.filter(code=code, valid__contains=timezone.now()).first()


def _completed(terms: dict[str, Any]) -> dict[str, Any]:
    """Fill in what narrower terms imply, so that equal rules are equally narrow."""
    whole = {**_ANY, **terms}
    condition = Condition.objects.filter(pk=whole["condition_id"]).first()
    if condition is not None:
        whole["minor_id"] = whole["minor_id"] or condition.minor_id
    minor = MinorClass.objects.filter(pk=whole["minor_id"]).first()
    if minor is not None:
        whole["kind"] = whole["kind"] or minor.kind
        whole["major_code"] = whole["major_code"] or minor.major_code
    return whole


_ANY: dict[str, Any] = {
    name: None if name.endswith("_id") else False if name == "by_load" else ""
    for name in RULE_TERMS
}


def _require_sound(row: DraftRule) -> None:
    """Refuse a rule that is incomplete, contradicts itself or could never match."""
    fields = _wrong_values(row)
    if not fields:
        fields = dict(
            chain(_wrong_code(row), _wrong_class(row), _wrong_area(row), _wrong_unit(row))
        )
    if fields:
        raise InvalidInput(_("The rule is incomplete or contradicts itself."), fields=fields)


def _require_whole(draft: RoutingDraft, *names: str) -> None:
    """Refuse a draft whose named texts are empty or too long."""
    fields = {name: _("say it in a few words") for name in names if not getattr(draft, name)}
    fields |= _field_errors(draft, {name for name in names if name not in fields})
    if fields:
        raise InvalidInput(_("Something is missing or too long."), fields=fields)


def _wrong_values(row: DraftRule) -> dict[str, str]:
    """Return what is wrong with single values: unknown words and rows, missing or long texts."""
    return _field_errors(row, {field.name for field in RuleTerms._meta.fields})


def _field_errors(row: Model, names: set[str]) -> dict[str, str]:
    others = {field.name for field in row._meta.fields} - names
    try:
        row.clean_fields(exclude=others)
    except ValidationError as error:
        return {name: " ".join(words) for name, words in error.message_dict.items()}
    return {}


def _wrong_code(row: DraftRule) -> Iterator[tuple[str, str]]:
    if row.code == REGISTER:
        yield "code", _("this word stands for the component register")


def _wrong_class(row: DraftRule) -> Iterator[tuple[str, str]]:
    """Tell the first term that no filing condition has together with those before it."""
    if row.major_code and not row.kind:
        yield "kind", _("a major class is one of components or of events")
        return
    fitting = Condition.objects.filter(is_active=True)
    for name, lookup in _CLASS_TERMS.items():
        value = getattr(row, name)
        if value:
            fitting = fitting.filter(**{lookup: value})
            if not fitting.exists():
                yield (
                    name.removesuffix("_id"),
                    _("no filing condition in use has this and the rest"),
                )
                return


_CLASS_TERMS = {
    "kind": "minor__kind",
    "major_code": "minor__major_code",
    "minor_id": "minor_id",
    "condition_id": "code",
    "problem_class_id": "problem_class_id",
    "severity": "limit_unit",
}


def _wrong_area(row: DraftRule) -> Iterator[tuple[str, str]]:
    """Tell a place that is unknown or lies elsewhere than the rest of the area."""
    district = District.objects.filter(pk=row.district_id).first()
    counties = {district.county} if district else set(_counties())
    if row.county:
        if row.county not in counties:
            yield "county", _("no such county, or the district lies in another one")
            return
        counties = {row.county}
    areas = Area.objects.filter(valid__contains=timezone.now(), county__in=counties)
    streets = areas.filter(level=Area.Level.STREET)
    if row.street_code:
        streets = streets.filter(code=row.street_code)
        if not streets.exists():
            yield "street_code", _("no such street, or it lies elsewhere")
            return
    if row.cell and not _lies_in(row.cell, areas, streets, district):
        yield "cell", _("no such grid cell, or it lies elsewhere")


def _counties() -> QuerySet[District, str]:
    return District.objects.values_list("county", flat=True)


def _lies_in(
    cell: str, areas: QuerySet[Area], streets: QuerySet[Area], district: District | None
) -> bool:
    communities = areas.filter(
        level=Area.Level.COMMUNITY, parent_code__in=streets.values("code")
    ).values("code")
    cells = areas.filter(level=Area.Level.CELL, code=cell, parent_code__in=communities)
    return (cells.filter(district=district) if district else cells).exists()


def _wrong_unit(row: DraftRule) -> Iterator[tuple[str, str]]:
    if bool(row.unit_id) == bool(row.unit_kind):
        yield "unit", _("name either a unit or a kind of unit")
    elif row.unit is not None and not row.unit.is_active:
        yield "unit", _("this unit is out of use")
    elif row.unit is not None and row.unit.parent_id:
        yield "unit", _("a sub-unit gets its work from its parent: name that one")
