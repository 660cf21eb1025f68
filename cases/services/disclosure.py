"""Showing somebody what a case hides of people, written down before it is shown."""

from django.db import transaction
from django.utils.translation import gettext as _

from cases import policy
from cases.errors import NotAllowed
from cases.models import Case, Disclosure
from cityops.accounts.models import User


@transaction.atomic
def disclose(*, case: Case, reader: User) -> Disclosure:
    """Write down that `reader` is shown the people of a case. Raises NotAllowed."""
    role = policy.discloses_as(reader, case)
    if role is None:
        raise NotAllowed(_("You may not read in full what this case hides of people."))
    return Disclosure.objects.create(case=case, by=reader, role=role)
