"""Choosing the columns of the list of cases: kept with the person, on every machine."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from cases.models import ListColumns
from cases.selectors.columns import DEFAULT, columns_named
from cases.views.case_list import back_of
from cityops.accounts.http import UserRequest


@login_required
@require_POST
def case_columns(request: UserRequest) -> HttpResponse:
    """Keep the columns that were ticked; those everybody starts with are no choice of one's own."""
    keys = [column.key for column in columns_named(request.POST.getlist("columns"))]
    mine = ListColumns.objects.filter(user=request.user.pk)
    if "reset" in request.POST or keys == list(DEFAULT):
        mine.delete()
    else:
        ListColumns.objects.update_or_create(user=request.user, defaults={"keys": keys})
    return redirect(back_of(request))
