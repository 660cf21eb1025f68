"""A search over cases somebody keeps under a name."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind


class SavedSearchQuerySet(models.QuerySet["SavedSearch"]):
    """Whose searches somebody is offered."""

    def of(self, user: User) -> Self:
        """Keep the searches `user` made."""
        return self.filter(user=user.pk)

    def offered_to(self, user: User) -> Self:
        """Keep a user's own searches and those shared within a scope of theirs.

        Own grids are a scope of one. Only the words of a search are shared: what it finds is
        always what its reader may see.
        """
        near = Q(pk__in=[])
        for grant in user.grants:
            if grant.scope_kind != ScopeKind.GRIDS:
                near |= Q(
                    user__grant__scope_kind=grant.scope_kind, user__grant__scope_key=grant.scope_key
                )
        shared = Q(is_shared=True, user__is_active=True) & near
        return self.filter(Q(user=user.pk) | shared).distinct()


class SavedSearch(models.Model):
    """A named search; `query` is the query string of the list, without its page."""

    LONGEST = 2500  # characters of a query
    LONGEST_NAME = 40

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST)
    is_shared = models.BooleanField(_("shared within the scope"), default=False)

    objects = SavedSearchQuerySet.as_manager()

    class Meta:
        verbose_name = _("saved search")
        verbose_name_plural = _("saved searches")
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="search_name_once")]

    def __str__(self) -> str:
        return self.name
