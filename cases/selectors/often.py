"""What is reported most: the first choice a phone offers."""

from collections import Counter

from cases.models import Case
from cityops.accounts.models import User

_OWN, _LATELY = 50, 200  # cases looked at
MOST = 6


def often_reported(user: User) -> list[str]:
    """Return up to six codes of filing conditions: own ones first, then those of the whole city.

    The most frequent of a person's last 50 reports and of the city's last 200; two statements.
    """
    with_condition = Case.objects.filter(condition__isnull=False)
    own = with_condition.filter(reporter=user.pk).order_by("-reported_at")[:_OWN]
    lately = with_condition.order_by("-reported_at", "-id")[:_LATELY]
    codes = [
        code
        for cases in (own, lately)
        for code, _ in Counter(cases.values_list("condition_id", flat=True)).most_common(MOST)
    ]
    return list(dict.fromkeys(codes))[:MOST]
