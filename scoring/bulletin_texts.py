"""What the office writes into the bulletin, and the Word template it is printed with."""

import hashlib
from datetime import datetime
from pathlib import Path

from django.utils.translation import gettext as _

from cases.errors import InvalidInput, NotAllowed
from cases.ledger import retrying
from cityops.accounts.models import User
from scoring.lifecycle import require_unsubmitted
from scoring.models import BulletinTemplate, BulletinText
from scoring.periods import Period
from scoring.versions import may_edit

SHIPPED_TEMPLATE = Path(__file__).parent / "data" / "bulletin.docx"
TEXT_MAX = 2_000


def texts_at(period: Period, at: datetime | None) -> dict[str, str]:
    """Return what the office wrote into each paragraph by a moment, the last of each; up to now."""
    among = BulletinText.objects.filter(period=period.name)
    if at is not None:
        among = among.filter(at__lte=at)
    return dict(among.order_by("pk").values_list("key", "text"))


@retrying
def write_text(*, period: Period, key: str, text: str, actor: User) -> None:
    """Put the office's words in place of a generated paragraph; none brings that back.

    What stood there before stays on record. Raises NotAllowed, PeriodClosed, InvalidInput.
    """
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city writes the bulletin."))
    require_unsubmitted(period)
    said = text.strip().replace("\r\n", "\n")
    if len(said) > TEXT_MAX:
        raise InvalidInput(
            _("The paragraph was not kept."), fields={key: _("at most %d characters") % TEXT_MAX}
        )
    if texts_at(period, None).get(key, "") != said:
        BulletinText.objects.create(period=period.name, key=key, text=said, by=actor)


def template_at(at: datetime | None) -> bytes:
    """Return the Word template that held at a moment: the last uploaded by then, else ours."""
    among = BulletinTemplate.objects.all()
    if at is not None:
        among = among.filter(at__lte=at)
    last = among.order_by("-pk").first()
    return bytes(last.content) if last else SHIPPED_TEMPLATE.read_bytes()


@retrying
def keep_template(*, content: bytes, name: str, actor: User) -> BulletinTemplate:
    """Keep a template that was tried before; raises NotAllowed."""
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city changes the template."))
    digest = hashlib.sha256(content).hexdigest()
    return BulletinTemplate.objects.create(
        content=content, name=name[:100], digest=digest, by=actor
    )
