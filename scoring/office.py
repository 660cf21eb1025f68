"""Who enters what is measured outside the cases, and until when."""

from django.utils import timezone
from django.utils.translation import gettext as _

from cases.errors import InvalidInput, NotAllowed
from cityops.accounts.models import User
from scoring.periods import Period, months_after
from scoring.versions import may_edit

TEXT_MAX = 400


def require_office(actor: User) -> None:
    """Raise NotAllowed unless `actor` is an assessor of the whole city."""
    if not may_edit(actor):
        raise NotAllowed(_("Only an assessor of the whole city may do this."))


def require_begun(period: Period) -> None:
    """Raise InvalidInput for a period to come."""
    if timezone.now() < period.start:
        sentence = _("%s has not begun.") % period.name
        raise InvalidInput(sentence, fields={"period": _("choose one that has begun")})


def require_open(period: Period, *, actor: User) -> None:
    """Raise InvalidInput where a period takes no entries any more: a month after its end.

    `actor` is who enters; the one place the services of this app ask.
    """
    if timezone.now() >= months_after(period.end, 1)[0].start:
        sentence = _("%s is settled: nothing enters it any more.") % period.name
        raise InvalidInput(sentence, fields={"period": _("closed")})
