"""Versions of schemes: shipped, drafted, proposed, approved by another, never edited after."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.errors import DraftClosed, InvalidInput, NotAllowed, StaleRules
from cases.ledger import retrying
from cityops.accounts.models import User
from cityops.accounts.roles import Role, ScopeKind
from scoring.models import Scheme
from scoring.periods import CITY_TIME, Period, is_month_start
from scoring.schemes import BadScheme, canonical, parse, require_sound, seal_of

DEFAULT_SCHEME = "2026-v1"
# Shipped and in force from the first day, by level; posts have none.
SHIPPED_IN_FORCE = {
    "district": DEFAULT_SCHEME,
    "unit": "2026-v1-unit",
    "street": "2026-v1-street",
}
IN_FORCE_SINCE = datetime(2000, 1, 1, tzinfo=CITY_TIME)  # no period begins before
REASON_MAX = 400
_SHIPPED = Path(__file__).parent / "data"
_BOOK_LOCK = 743_002  # held while versions begin or change their times in force


class UnknownScheme(LookupError):
    """No scheme has this version."""


# --- reading ------------------------------------------------------------------------------------


def scheme_of(version: str | None = None) -> Scheme:
    """Return a version, the shipped default unless named; raises UnknownScheme.

    A shipped version is stored on first use and afterwards read from the database only.
    """
    version = version or DEFAULT_SCHEME
    stored = Scheme.objects.filter(pk=version).first()
    if stored is not None:
        return stored
    text = _shipped().get(version)
    if text is None:
        raise UnknownScheme(f"There is no scheme {version!r}.")
    level = parse(text)["level"]
    is_in_force = SHIPPED_IN_FORCE.get(level) == version
    values = {
        "level": level,
        "body": text,
        "digest": seal_of(text),
        "is_shipped": True,
        "valid": DateTimeTZRange(IN_FORCE_SINCE, None) if is_in_force else None,
    }
    return Scheme.objects.get_or_create(pk=version, defaults=values)[0]


def scheme_for(period: Period, level: str = "district") -> Scheme:
    """Return the version in force at a period's start; a change within it holds from the next.

    Raises UnknownScheme where none was in force then.
    """
    if level in SHIPPED_IN_FORCE:
        scheme_of(SHIPPED_IN_FORCE[level])
    found = Scheme.objects.in_force(at=period.start, level=level).first()
    if found is None:
        raise UnknownScheme(f"No scheme was in force at the start of {period.name}.")
    return found


def store_shipped() -> None:
    """Store every version that came with the program and is not stored yet."""
    known = set(Scheme.objects.filter(is_shipped=True).values_list("pk", flat=True))
    for version in sorted(_shipped().keys() - known):
        scheme_of(version)


@cache
def _shipped() -> dict[str, str]:
    """Return the canonical text of each version that came with the program."""
    read = [parse(p.read_text(encoding="utf-8")) for p in sorted(_SHIPPED.glob("scheme-*.json"))]
    return {data["version"]: canonical(data) for data in read}


def writers_of(scheme: Scheme) -> set[int]:
    """Return who began, ever changed or proposed a version: none of them approves it."""
    return {*scheme.editor_ids, *filter(None, (scheme.author_id, scheme.proposed_by_id))}


def may_edit(user: User) -> bool:
    """Tell whether a user may draft, propose and approve: an assessor of the whole city."""
    return user.is_active and any(
        grant.role == Role.ASSESSOR and grant.scope_kind == ScopeKind.CITY for grant in user.grants
    )


# --- changing -----------------------------------------------------------------------------------


@retrying
def draft_scheme(*, base: str, version: str, reason: str, actor: User) -> Scheme:
    """Begin a draft as a copy of a version under a new name.

    Raises NotAllowed, UnknownScheme, InvalidInput.
    """
    _require_editor(actor)
    _lock_book()
    said = _reason(reason)
    origin = scheme_of(base)
    data = {**origin.data, "version": version}
    _require_sound(data)
    if version in _shipped() or Scheme.objects.filter(pk=version).exists():
        raise InvalidInput(
            _("There is a version %(version)s already.") % {"version": version},
            fields={"version": _("choose another name")},
        )
    text = canonical(data)
    return Scheme.objects.create(
        version=version,
        level=data["level"],
        body=text,
        digest=seal_of(text),
        based_on=origin,
        author=actor,
        reason=said,
    )


@retrying
def edit_scheme(*, version: str, data: dict[str, Any], actor: User, seen_digest: str) -> Scheme:
    """Replace the rules of a draft; a proposal is withdrawn by it, for nobody read the new ones.

    The same rules change nothing: neither a proposal nor who changed it last.
    `seen_digest` is of the rules the actor changed. Raises NotAllowed, DraftClosed, StaleRules,
    and InvalidInput with each fault under its path.
    """
    scheme = _open_scheme(version, actor, seen_digest)
    if data.get("version") != version:
        raise InvalidInput(
            _("The version of a draft stays."), fields={"version": _("write %s") % version}
        )
    _require_sound(data)
    text = canonical(data)
    if text == scheme.body:
        return scheme
    scheme.body = text
    scheme.digest, scheme.level = seal_of(scheme.body), data["level"]
    scheme.changed_by, scheme.changed_at = actor, timezone.now()
    scheme.editor_ids = sorted({*scheme.editor_ids, actor.pk})
    _withdraw(scheme)
    scheme.save()
    return scheme


@retrying
def propose_scheme(
    *,
    version: str,
    since: datetime,
    reason: str,
    actor: User,
    seen_digest: str,
    seen_proposal: str = "",
) -> Scheme:
    """Ask that a draft be in force from a month's start that is still to come.

    Raises NotAllowed, DraftClosed, StaleRules, InvalidInput.
    """
    scheme = _open_scheme(version, actor, seen_digest)
    _require_proposal(scheme, seen_proposal)
    now = timezone.now()
    _require_start(since, now=now)
    scheme.proposed_by, scheme.proposed_at = actor, now
    scheme.proposed_from, scheme.proposed_reason = since, _reason(reason)
    scheme.save()
    return scheme


@retrying
def withdraw_scheme(*, version: str, actor: User, seen_digest: str, seen_proposal: str) -> Scheme:
    """Take a proposal back; the draft goes on. Raises NotAllowed, DraftClosed, StaleRules."""
    scheme = _open_scheme(version, actor, seen_digest)
    _require_proposal(scheme, seen_proposal)
    _withdraw(scheme)
    scheme.save()
    return scheme


@retrying
def approve_scheme(*, version: str, actor: User, seen_digest: str, seen_proposal: str) -> Scheme:
    """Put a proposed version in force from its month; the one before ends there.

    `seen_proposal` is the `proposal` its reader saw: who proposed it, from when and why.

    The second assessor: neither who wrote it, ever changed it nor proposed it. What was approved
    to begin later at the same level gives way only by being at another time. Raises NotAllowed,
    DraftClosed, StaleRules, InvalidInput.
    """
    _lock_book()
    scheme = _open_scheme(version, actor, seen_digest)
    _require_proposal(scheme, seen_proposal)
    if scheme.proposed_from is None:
        raise InvalidInput(
            _("Nobody has proposed this version."), fields={"version": _("propose it first")}
        )
    if actor.pk in writers_of(scheme):
        raise NotAllowed(_("A second assessor approves: you wrote or proposed this version."))
    now, since = timezone.now(), scheme.proposed_from
    _require_start(since, now=now)
    later = Scheme.objects.filter(level=scheme.level, valid__startswith__gte=since).first()
    if later is not None:
        raise InvalidInput(
            _("Version %(version)s begins at that time or later.") % {"version": later.version},
            fields={"since": _("propose a later month")},
        )
    for before in Scheme.objects.select_for_update().in_force(at=since, level=scheme.level):
        before.valid = DateTimeTZRange(before.valid.lower, since)
        before.save(update_fields=["valid"])
    scheme.valid = DateTimeTZRange(since, None)
    scheme.approved_by, scheme.approved_at = actor, now
    scheme.save()
    return scheme


@retrying
def drop_scheme(*, version: str, actor: User, seen_digest: str, seen_proposal: str = "") -> Scheme:
    """Give a draft up; it stays to be read. Raises NotAllowed, DraftClosed, StaleRules."""
    scheme = _open_scheme(version, actor, seen_digest)
    _require_proposal(scheme, seen_proposal)
    _withdraw(scheme)
    scheme.dropped_at, scheme.dropped_by = timezone.now(), actor
    scheme.save()
    return scheme


def _open_scheme(version: str, actor: User, seen_digest: str) -> Scheme:
    """Lock a draft as its reader saw it."""
    _require_editor(actor)
    scheme = Scheme.objects.select_for_update().filter(pk=version).first()
    if scheme is None:
        raise UnknownScheme(f"There is no scheme {version!r}.")
    require_as_seen(scheme, seen_digest)
    return scheme


def require_as_seen(scheme: Scheme, seen_digest: str) -> None:
    """Raise DraftClosed or StaleRules unless this is the draft its reader saw."""
    if not scheme.is_open:
        raise DraftClosed(_("This version is no draft any more: begin a new one from it."))
    if scheme.digest != seen_digest:
        raise StaleRules(_("Somebody has changed this draft since you looked at it. Look again."))


def _require_proposal(scheme: Scheme, seen: str) -> None:
    """Raise StaleRules when another proposal, or none, stands than its reader saw."""
    if scheme.proposal != seen:
        raise StaleRules(
            _("Somebody has proposed or taken back this draft since you looked at it. Look again.")
        )


def _withdraw(scheme: Scheme) -> None:
    scheme.proposed_by = scheme.proposed_at = scheme.proposed_from = None
    scheme.proposed_reason = ""


def _require_editor(actor: User) -> None:
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city may change schemes."))


def _reason(text: str) -> str:
    said = text.strip()
    if not said or len(said) > REASON_MAX:
        raise InvalidInput(_("Say why."), fields={"reason": _("1 to %d characters") % REASON_MAX})
    return said


def _require_sound(data: dict[str, Any]) -> None:
    try:
        require_sound(data)
    except BadScheme as bad:
        raise InvalidInput(
            _("The scheme cannot be used as it is."),
            fields={fault.path: fault.message for fault in bad.faults},
        ) from bad


def _require_start(since: datetime, *, now: datetime) -> None:
    if not is_month_start(since) or since <= now:
        raise InvalidInput(
            _("A scheme changes at the start of a month that is still to come."),
            fields={"since": _("choose a month that has not begun")},
        )


def _lock_book() -> None:
    """Let versions begin and change their times one after another, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_BOOK_LOCK])
