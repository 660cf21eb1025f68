"""Saving a search of the list of cases, renaming it, sharing it, deleting it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cases.errors import InvalidInput
from cases.models import SavedSearch
from cases.selectors.case_search import read_filters
from cityops.accounts.http import UserRequest

MOST = 50  # searches a person keeps


@login_required
@require_POST
def search_save(request: UserRequest) -> HttpResponse:
    """Keep a search under a name; one of the same name is replaced."""
    try:
        query = read_filters(QueryDict(request.POST.get("query", ""))).query
    except InvalidInput:
        messages.error(request, _("This search cannot be saved: correct its filters first."))
        return redirect("case_list")
    name, mine = _name(request), SavedSearch.objects.of(request.user)
    if not name or not query or len(query) > SavedSearch.LONGEST:
        messages.error(request, _("Name the search, and set at least one filter."))
    elif mine.exclude(name=name).count() >= MOST:
        messages.error(request, _("You keep 50 searches already: delete one first."))
    else:
        SavedSearch.objects.update_or_create(
            user=request.user, name=name, defaults={"query": query, "is_shared": _shared(request)}
        )
        messages.success(request, _("Saved: %(name)s") % {"name": name})
    return redirect(f"{reverse('case_list')}?{query}")


@login_required
@require_POST
def search_change(request: UserRequest, pk: int) -> HttpResponse:
    """Give one's own search another name, share it or keep it to oneself."""
    held, name = _own(request, pk), _name(request)
    if not name:
        messages.error(request, _("Name the search, and set at least one filter."))
        return _back(held)
    held.name, held.is_shared = name, _shared(request)
    try:
        with transaction.atomic():
            held.save(update_fields=["name", "is_shared"])
    except IntegrityError:
        messages.error(request, _("You keep a search of this name already."))
    else:
        messages.success(request, _("Saved: %(name)s") % {"name": name})
    return _back(held)


@login_required
@require_POST
def search_delete(request: UserRequest, pk: int) -> HttpResponse:
    """Forget one's own search; the list goes on showing it."""
    held = _own(request, pk)
    held.delete()
    messages.success(request, _("Deleted: %(name)s") % {"name": held.name})
    return _back(held)


def _own(request: UserRequest, pk: int) -> SavedSearch:
    return get_object_or_404(SavedSearch.objects.of(request.user), pk=pk)


def _back(held: SavedSearch) -> HttpResponse:
    return redirect(f"{reverse('case_list')}?{held.query}")


def _name(request: UserRequest) -> str:
    return " ".join(request.POST.get("name", "").replace("\0", "").split())[
        : SavedSearch.LONGEST_NAME
    ]


def _shared(request: UserRequest) -> bool:
    return "is_shared" in request.POST
