"""Hand a shift over and take it over: two people, each once, and nothing changes after."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from cases import policy
from cases.errors import HandoverMoved, InvalidInput, NotAllowed
from cases.models import Handover, HandoverPaper
from cases.selectors.handover import matter_of
from cityops.accounts.models import User


@transaction.atomic
def give_over(*, scope: str, desk: str, notes: str, actor: User) -> Handover:
    """Keep what stands now for whoever comes. Raises NotAllowed, InvalidInput, HandoverMoved."""
    _require_desk(actor, scope, desk)
    if len(notes) > Handover.LONGEST_NOTES or "\0" in notes:
        raise InvalidInput(
            _("Notes are text of at most 4,000 characters."), fields={"notes": _("shorten it")}
        )
    at = timezone.now()
    handover = Handover(
        scope=scope,
        desk=desk,
        notes=notes,
        matter=matter_of(actor, scope, at=at),
        given_by=actor,
        given_at=at,
    )
    try:
        with transaction.atomic():
            handover.save(force_insert=True)
    except IntegrityError as error:
        if "handover_one_open" not in str(error):
            raise
        raise HandoverMoved(
            _("This desk is being handed over already; see what stands there.")
        ) from None
    return handover


@transaction.atomic
def take_over(*, pk: int, actor: User) -> Handover:
    """Confirm that `actor` took the desk over, once; said again it is the same.

    Raises Handover.DoesNotExist for one of another scope, NotAllowed to who gave it or works at
    another desk, HandoverMoved where somebody else was first.
    """
    handover = _locked(pk, actor)
    _require_desk(actor, handover.scope, handover.desk)
    if handover.taken_at is not None and handover.taken_by_id == actor.pk:
        return handover
    if handover.taken_at is not None:
        raise HandoverMoved(_("Somebody else has taken over meanwhile."))
    if handover.given_by_id == actor.pk:
        raise NotAllowed(_("Who hands over does not take over: somebody else confirms."))
    handover.taken_by, handover.taken_at = actor, _after(handover.given_at)
    handover.save(update_fields=["taken_by", "taken_at"])
    return handover


@transaction.atomic
def withdraw(*, pk: int, actor: User) -> str:
    """Take back what `actor` handed over and nobody took yet; returns its notes.

    Raises as `take_over`.
    """
    handover = _locked(pk, actor)
    if handover.given_by_id != actor.pk:
        raise NotAllowed(_("Only who handed over takes it back."))
    if handover.taken_at is not None:
        raise HandoverMoved(_("Somebody else has taken over meanwhile."))
    handover.delete()
    return handover.notes


def keep_paper(handover: Handover, content: bytes) -> bytes:
    """Keep the PDF of a hand-over that was taken over, and return the one that was kept first."""
    paper, _is_new = HandoverPaper.objects.get_or_create(
        handover=handover, defaults={"content": content, "made_at": timezone.now()}
    )
    return bytes(paper.content)


def _locked(pk: int, actor: User) -> Handover:
    """Lock a hand-over of the scopes of `actor`; withdrawn meanwhile, it does not exist."""
    scopes = sorted(policy.handover_scopes(actor))
    return Handover.objects.select_for_update().get(pk=pk, scope__in=scopes)


def _require_desk(actor: User, scope: str, desk: str) -> None:
    if (scope, desk) not in policy.desks_of(actor):
        raise NotAllowed(_("You do not work at this desk."))


def _after(given_at: datetime) -> datetime:
    """Return now; the clock of another process may have been a little ahead."""
    return max(timezone.now(), given_at)
