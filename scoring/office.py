"""What is asked of everything that is measured outside the cases and entered by hand."""

from django.utils import timezone
from django.utils.translation import gettext as _

from cases.errors import InvalidInput
from scoring.periods import Period

TEXT_MAX = 400


def require_begun(period: Period) -> None:
    """Raise InvalidInput for a period to come."""
    if timezone.now() < period.start:
        sentence = _("%s has not begun.") % period.name
        raise InvalidInput(sentence, fields={"period": _("choose one that has begun")})
