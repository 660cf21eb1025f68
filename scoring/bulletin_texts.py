"""What the office writes into the bulletin, and the Word template it is printed with."""

import hashlib
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


def texts_of(period: Period, edition: Edition | None = None) -> dict[str, str]:
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
    return dict(among.order_by("pk").values_list("key", "text"))


@retrying
def write_text(*, period: Period, key: str, text: str, actor: User) -> None:
    """Put the office's words in place of a generated paragraph; none brings that back.

    Of a published period they are those of the re-issue to come. What stood there before stays on
    record. Raises NotAllowed, PeriodClosed while a run waits for approval, InvalidInput.
    """
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city writes the bulletin."))
    lock_period(period)
    if stand_of(period).pending:
        raise PeriodClosed(
            _("%(period)s waits for approval: its bulletin is written no more.")
            % {"period": period.name}
        )
    said = text.strip().replace("\r\n", "\n")
    if len(said) > TEXT_MAX:
        raise InvalidInput(
            _("The paragraph was not kept."), fields={key: _("at most %d characters") % TEXT_MAX}
        )
    if texts_of(period).get(key, "") != said:
        BulletinText.objects.create(
            period=period.name, key=key, text=said, by=actor, at=moment_of_action()
        )


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
