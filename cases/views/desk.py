"""The desk's data: counts of its views and the feed of its map."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from cases.choices import Role
from cases.selectors.live_map import live_map
from cases.selectors.worklist import counts
from cityops.accounts.models import User

DESK_ROLES = (
    Role.ACCEPTOR,
    Role.DUTY_CHIEF,
    Role.DISPATCHER,
    Role.OPERATOR,
    Role.SUPERVISOR,
    Role.LEADER,
    Role.ADMIN,
)


@require_safe
@login_required
def counters(request: HttpRequest) -> JsonResponse:
    """Return how many cases each view of the desk holds."""
    answer = JsonResponse(counts(_desk_user(request), at=timezone.now()))
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_safe
@login_required
def cases(request: HttpRequest) -> HttpResponse:
    """Return the columns of the live map."""
    text = live_map(_desk_user(request))
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(text, content_type="application/json", headers=headers)


def _desk_user(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User) or not user.holds(*DESK_ROLES):
        raise Http404
    return user
