"""Before a case is filed: reports from outside are verified, accepted or declined."""

from datetime import datetime

from cases.choices import Action, Role, Source
from cases.models import Attachment
from cases.simulation import afterwards, gaming
from cases.simulation.life import Life

# All ours.
VERIFIED = 0.7  # of reports that come neither from inspectors nor from leaders
TRUE = 0.86  # of those verified: 属实
OUT_OF_SCOPE = 0.05  # of reports nobody verified
NOT_FILED = 0.02  # of accepted reports


def decide(life: Life, at: datetime) -> None:
    """The acceptor's look: send an inspector first, or accept, or decline."""
    found = life.found_true
    is_outside = life.draft.report.source not in (Source.INSPECTOR, Source.LEADER)
    if found is None and is_outside and life.happens(VERIFIED):
        life.act(at, Action.SEND_VERIFY, Role.ACCEPTOR)
        life.go_on(at)
    elif found is False or (found is None and life.happens(OUT_OF_SCOPE)):
        reason = "not_in_scope" if found is None else "not_found"
        if life.act(at, Action.DECLINE, Role.ACCEPTOR, reason=reason):
            afterwards.of_declining(life, at)
    elif gaming.refuses(life):
        if life.act(at, Action.DECLINE, Role.ACCEPTOR, reason="not_in_scope"):
            afterwards.of_declining(life, at)
    else:
        life.act(at, Action.ACCEPT, Role.ACCEPTOR)
        life.go_on(at)


def answer(life: Life, at: datetime) -> None:
    """The inspector says from the place whether it is so."""
    life.found_true = life.happens(TRUE)
    note = "" if life.found_true else "现场未发现所反映的问题"
    photos = life.city.album.pick(life.random, Attachment.Kind.VERIFY)
    life.act(
        at,
        Action.ANSWER_VERIFY,
        life.assignee(),
        photos=photos,
        passed=life.found_true,
        note=note,
    )
    life.go_on(at)


def is_not_filed(life: Life, at: datetime) -> bool:
    """Whether the duty chief declines to file what the acceptor accepted."""
    if not life.happens(NOT_FILED):
        return False
    if life.act(at, Action.DECLINE_FILING, Role.DUTY_CHIEF, reason="not_in_scope"):
        afterwards.of_declining(life, at)
    return True
