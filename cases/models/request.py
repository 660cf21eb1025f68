"""What is asked beside the main way of a case and waits for somebody: child rows with a state."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Request(models.Model):
    """An extension, suspension, appeal or adjustment somebody asked for, and what became of it.

    The case's `waiting_for` says whose decision is awaited; one whose time ran out has lapsed.
    """

    class Kind(models.TextChoices):
        """What is asked."""

        EXTENSION = "extension", _("extension")
        SUSPENSION = "suspension", _("suspension")
        APPEAL = "appeal", _("appeal")
        ADJUST = "adjust", _("adjustment")

    class State(models.TextChoices):
        """What became of it."""

        ASKED = "asked", _("asked")
        ENDORSED = "endorsed", _("endorsed")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")
        LAPSED = "lapsed", _("lapsed")

    OPEN = (State.ASKED, State.ENDORSED)

    case = models.ForeignKey("cases.Case", models.CASCADE)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    unit = models.CharField(max_length=40, blank=True)  # the unit that held the case then
    reason = models.CharField(max_length=40, blank=True)  # code
    until = models.DateTimeField(null=True)  # of a suspension
    period = models.CharField(max_length=7, blank=True)  # of an adjustment: 2026-11
    effect = models.CharField(max_length=10, blank=True)  # of an adjustment
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"],
                condition=Q(state__in=["asked", "endorsed"]),
                name="request_open_once",
            ),
            models.UniqueConstraint(
                fields=["case"], condition=Q(kind="appeal"), name="request_one_appeal"
            ),
            models.CheckConstraint(
                condition=Q(state="asked", decided_at=None)
                | (~Q(state="asked") & Q(decided_at__isnull=False)),
                name="request_decided_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.case_id} {self.state}"


class Assist(models.Model):
    """A unit asked to assist 协办; the lead unit owns the deadline."""

    case = models.ForeignKey("cases.Case", models.CASCADE)
    unit = models.ForeignKey("cases.Unit", models.PROTECT, to_field="code")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("assistance")
        verbose_name_plural = _("assistances")
        constraints = [
            models.UniqueConstraint(
                fields=["case", "unit"], condition=Q(answered_at=None), name="assist_open_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.unit_id}"


class Supervision(models.Model):
    """A supervision order 督办 with a reply-by time; one reply answers all that are open."""

    class Kind(models.TextChoices):
        """Why the case is supervised."""

        OVERDUE = "overdue", _("overdue")
        LEADER = "leader", _("leader's remark")
        IMPORTANT = "important", _("important")

    case = models.ForeignKey("cases.Case", models.CASCADE)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    ordered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    ordered_at = models.DateTimeField()
    reply_by = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("supervision order")
        verbose_name_plural = _("supervision orders")
        indexes = [models.Index("case", name="supervision_open", condition=Q(answered_at=None))]

    def __str__(self) -> str:
        return f"{self.kind} {self.case_id}"


class Refusal(models.Model):
    """The refusal ledger: a return of a unit and how it was ruled on 推诿 or justified."""

    class Ruling(models.TextChoices):
        """What the dispatcher or arbiter found."""

        JUSTIFIED = "justified", _("justified")
        UNJUSTIFIED = "unjustified", _("unjustified")

    case = models.ForeignKey("cases.Case", models.CASCADE)
    unit = models.ForeignKey("cases.Unit", models.PROTECT, to_field="code")
    reason = models.CharField(max_length=40)
    returned_at = models.DateTimeField()
    ruling = models.CharField(max_length=12, choices=Ruling.choices, blank=True)
    ruled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("refusal")
        verbose_name_plural = _("refusals")
        indexes = [models.Index("unit", "returned_at", name="refusal_unit")]

    def __str__(self) -> str:
        return f"{self.unit_id} {self.case_id}"


class Reply(models.Model):
    """An answer owed to a reporter who is no inspector: a 12345 order, a citizen, a medium.

    Inspectors follow their reports on the phone. An operator gives the answer and says so.
    """

    case = models.ForeignKey("cases.Case", models.CASCADE)  # the reporter's own
    action = models.CharField(max_length=20)  # what is told: accepted, filed, declined, closed …
    reason = models.CharField(max_length=40, blank=True)  # code, of what ended it otherwise
    due_at = models.DateTimeField()  # owed since
    given_at = models.DateTimeField(null=True)
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)

    class Meta:
        verbose_name = _("answer to a reporter")
        verbose_name_plural = _("answers to reporters")
        indexes = [models.Index("due_at", name="reply_owed", condition=Q(given_at=None))]

    def __str__(self) -> str:
        return f"{self.action} {self.case_id}"
