"""What hangs on a case beside its stage: what was asked, ordered, owed and merged."""

from dataclasses import dataclass

from django.db.models import Q

from cases.choices import Waiting
from cases.models import Assist, Case, Reply, Request, Supervision, Task
from cityops.accounts.models import User


@dataclass(frozen=True)
class Beside:
    """The rows beside a case; `merged_in` and `survivor` are numbers the reader may see."""

    requests: list[Request]  # undecided
    supervisions: list[Supervision]  # unanswered, the most pressing first
    assists: list[Assist]
    replies: list[Reply]  # owed to the reporter
    task: Task | None  # the open one
    merged_in: list[str]
    survivor: str


def beside(case: Case, user: User) -> Beside:
    """Return what hangs on a case; the tables its own columns say nothing of are not asked."""
    requests = Request.objects.filter(case=case, state__in=Request.OPEN).select_related("asked_by")
    ordered = Supervision.objects.filter(case=case, answered_at=None).select_related("ordered_by")
    assists = Assist.objects.filter(case=case).select_related("unit").order_by("asked_at", "pk")
    is_asked = case.stage in Task.STAGES.values()
    tasks = Task.objects.open().filter(case=case).select_related("assignee")
    owes_reply = Waiting.REPLY in case.waiting_for
    group = Q(merged_into=case) | Q(number=case.merged_into_id)
    seen = Case.objects.visible_to(user).filter(group).order_by("number")
    numbers = list(seen.values_list("number", flat=True))
    return Beside(
        requests=list(requests.order_by("asked_at")) if case.waiting_for else [],
        supervisions=list(ordered.order_by("reply_by")) if owes_reply else [],
        assists=list(assists) if case.assist_units else [],
        replies=list(Reply.objects.filter(case=case, given_at=None).order_by("due_at")),
        task=tasks.first() if is_asked else None,
        merged_in=[number for number in numbers if number != case.merged_into_id],
        survivor=case.merged_into_id if case.merged_into_id in numbers else "",
    )
