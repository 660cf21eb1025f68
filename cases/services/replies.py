"""Answers owed to reporters: an operator gives them and says so, once."""

from django.db import transaction
from django.db.models.functions import Now

from cases.models import Case, Reply
from cityops.accounts.models import User


@transaction.atomic
def give_reply(pk: int, *, actor: User) -> Reply | None:
    """Write down that an answer was given; repeating it changes nothing.

    Returns None where there is no such answer in the actor's sight.
    """
    seen = Case.objects.all().visible_to(actor)
    found = Reply.objects.filter(pk=pk, case__in=seen)
    found.filter(given_at=None).update(given_at=Now(), given_by=actor)
    return found.select_related("case").first()
