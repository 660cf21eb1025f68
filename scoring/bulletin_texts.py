"""What the office writes into the bulletin, and the Word template it is printed with."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from django.utils.translation import gettext as _

from cases.errors import InvalidInput, NotAllowed, PeriodClosed, StalePeriod
from cases.ledger import retrying
from cityops.accounts.models import User
from scoring.lifecycle import lock_period, moment_of_action, stand_of
from scoring.models import BulletinTemplate, BulletinText, Edition
from scoring.periods import Period
from scoring.versions import may_edit

SHIPPED_TEMPLATE = Path(__file__).parent / "data" / "bulletin.docx"
TEXT_MAX = 2_000


def texts_of(period: Period, edition: Edition | None = None) -> dict[str, BulletinText]:
    """Return what the office wrote for a published edition, the last of each paragraph.

    Without one for the edition that comes next. Words written for an edition speak of its numbers,
    so each edition begins without any.
    """
    among = BulletinText.objects.filter(period=period.name)
    earlier = Edition.objects.filter(period=period.name, approved_at__isnull=False)
    if edition is not None:
        among = among.filter(at__lte=edition.approved_at)
        earlier = earlier.filter(number__lt=edition.number)
    if before := earlier.order_by("number").last():
        among = among.filter(at__gt=before.approved_at)
    return {one.key: one for one in among.order_by("pk")}


@retrying
def write_texts(
    *, period: Period, texts: Mapping[str, str], seen: Mapping[str, int], actor: User
) -> None:
    """Put the office's words in place of generated paragraphs, all or none; empty brings one back.

    `seen` has the row of each paragraph its writer saw, 0 where there was none: what they left as
    it was stays as another wrote it since. Of a published period it is the text of the re-issue to
    come. Raises NotAllowed, PeriodClosed while a run waits for approval, InvalidInput, also for a
    paragraph that two wrote at once.
    """
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city writes the bulletin."))
    lock_period(period)
    if stand_of(period).pending:
        raise PeriodClosed(
            _("%(period)s waits for approval: its bulletin is written no more.")
            % {"period": period.name}
        )
    changed = _changed(texts, seen)
    last = texts_of(period)
    faults = {key: fault for key, said in changed.items()
              if (fault := _fault(said, last.get(key), seen.get(key, 0)))}  # fmt: skip
    if faults:
        raise InvalidInput(_("The text was not kept."), fields=faults)
    now = moment_of_action()
    BulletinText.objects.bulk_create(
        BulletinText(period=period.name, key=key, text=said, by=actor, at=now)
        for key, said in changed.items()
    )


def _changed(texts: Mapping[str, str], seen: Mapping[str, int]) -> dict[str, str]:
    """Return the paragraphs that are otherwise than their writer saw them."""
    rows = BulletinText.objects.in_bulk(list(seen.values()))
    said = {key: text.strip().replace("\r\n", "\n") for key, text in texts.items()}
    was = {key: rows[pk].text for key, pk in seen.items() if pk in rows}
    return {key: text for key, text in said.items() if text != was.get(key, "")}


def _fault(said: str, last: BulletinText | None, seen: int) -> str:
    """Return what is wrong with the words for a paragraph, given what stands there by now."""
    if (last.pk if last else 0) != seen:
        stands = (last.text if last else "") or "–"
        return (
            _("Somebody has written here since: “%s”. Keep the text again to replace it.") % stands
        )
    return _("at most %d characters") % TEXT_MAX if len(said) > TEXT_MAX else ""


# --- the template -------------------------------------------------------------------------------


def template_of(edition: Edition | None) -> BulletinTemplate | None:
    """Return the template an edition is printed with, else the one that holds; None: the shipped.

    An edition keeps the one that held when it was submitted.
    """
    if edition is not None:
        return edition.template
    confirmed = BulletinTemplate.objects.filter(confirmed_at__isnull=False)
    return confirmed.order_by("-confirmed_at", "-pk").first()


def content_of(template: BulletinTemplate | None) -> bytes:
    """Return a template as a Word file."""
    return bytes(template.content) if template else SHIPPED_TEMPLATE.read_bytes()


def templates_wait() -> bool:
    """Tell whether templates stand as they are because a run waits for approval."""
    return Edition.objects.filter(returned_at=None, approved_at=None).exists()


@retrying
def keep_template(*, content: bytes, name: str, actor: User) -> BulletinTemplate:
    """Keep a template that was tried before, to be confirmed by another assessor.

    Raises NotAllowed, PeriodClosed while a run waits for approval.
    """
    _require_template_change(actor)
    digest = hashlib.sha256(content).hexdigest()
    return BulletinTemplate.objects.create(
        content=content, name=name[:100], digest=digest, by=actor, at=moment_of_action()
    )


@retrying
def confirm_template(*, template: int, actor: User) -> None:
    """Let the last template sent hold from now on, by another assessor than who sent it.

    Raises NotAllowed, StalePeriod, PeriodClosed while a run waits for approval.
    """
    _require_template_change(actor)
    last = BulletinTemplate.objects.defer("content").order_by("pk").last()
    if last is None or last.pk != template or last.confirmed_at is not None:
        raise StalePeriod(_("This template waits for nobody any more."))
    if last.by_id == actor.pk:
        raise NotAllowed(_("A second assessor confirms the template: you sent it."))
    waiting = BulletinTemplate.objects.filter(pk=last.pk, confirmed_at=None)
    if not waiting.update(confirmed_by=actor, confirmed_at=moment_of_action()):
        raise StalePeriod(_("This template waits for nobody any more."))


def _require_template_change(actor: User) -> None:
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city changes the template."))
    if templates_wait():
        raise PeriodClosed(_("A run waits for approval: the template is changed after that."))
