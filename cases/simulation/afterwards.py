"""After a case ended: revisits, audits, appeals, adjustments, confirmed exits, and reopening."""

from datetime import datetime

from django.utils import timezone

from cases.choices import Action, Role, Source, Stage
from cases.models import Attachment
from cases.simulation.life import Chance, Life

# All ours. Minutes count from the end of the case.
REVISITED = 0.3  # of closed cases that did not come from inspectors, beside the weekly draws
REVISITED_DECLINED = 0.2
REVISITED_DRAWN = 0.7
PLEASED = (30, 40, 18, 8, 4)  # weights of 5 to 1 in time, and late or declined:
CROSS = (8, 22, 30, 25, 15)
AUDITED_AT_ONCE = 0.004  # of closings a supervisor sends somebody to, beside the weekly draws
AUDITED_DECLINE = 0.1  # of declined reports
REOPENED = 0.008
APPEALED = 0.2  # of late cases
ENDORSED, UPHELD = 0.7, 0.6  # by the dispatcher, then by the acceptor
ADJUSTED = 0.03  # of late cases
AGREED = 0.8  # of proposed adjustments
CONFIRMED = 0.6  # of late exits
RIGHTLY_DECLINED = 0.88
FALSIFIED = 0.15  # of closings that do not hold
# Of what was done to look better (gaming.py; assessment.md §7):
HOLLOW_FOUND = 0.8  # of feigned closings that are audited
REFUSED_RIGHTLY = 0.4  # of hard reports refused: 12 of 20 audited were refused wrongly
DAY = 24 * 60


def of_closing(life: Life, at: datetime) -> None:
    """Plan what comes after a closing."""
    is_outside = life.draft.report.source not in (Source.INSPECTOR, Source.SYSTEM)
    life.perhaps(
        at,
        Chance(REVISITED if is_outside else 0, 60, 4 * DAY, revisit),
        Chance(AUDITED_AT_ONCE, DAY, 5 * DAY, audit_closure),
        Chance(0 if life.holds_duplicate else REOPENED, DAY, 10 * DAY, reopen),
    )
    if life.is_late:
        life.perhaps(
            at,
            Chance(APPEALED, 300, 4 * DAY, appeal),
            Chance(ADJUSTED, DAY, 5 * DAY, propose_adjust),
        )


def of_declining(life: Life, at: datetime) -> None:
    """Plan what comes after a report was declined."""
    life.perhaps(
        at,
        Chance(REVISITED_DECLINED, DAY, 4 * DAY, revisit),
        Chance(AUDITED_DECLINE, DAY, 5 * DAY, audit_decline),
    )


def of_leaving(life: Life, at: datetime) -> None:
    """Plan that an assessor looks at a late case that was voided or merged."""
    life.perhaps(at, Chance(CONFIRMED, DAY, 3 * DAY, confirm_exit))


def revisit(life: Life, at: datetime) -> None:
    """Ask the reporter how satisfied he is."""
    is_cross = life.is_late or life.stage == Stage.DECLINED
    (mark,) = life.random.choices("54321", CROSS if is_cross else PLEASED)
    life.ask(at, Action.REVISIT, Role.OPERATOR, words={"satisfaction": mark})


def reopen(life: Life, at: datetime) -> None:
    """Begin again: the problem is back, or was never solved."""
    reason = life.random.choice(("not_solved", "came_back"))
    words = {"reason": reason, "note": "群众再次反映"}
    if life.ask(at, Action.REOPEN, Role.DUTY_CHIEF, words=words):
        life.is_late = life.is_hollow = False
        life.go_on(at)


def perhaps_revisit(life: Life, at: datetime) -> None:
    """Plan to ask a reporter the lot fell on; not all are reached."""
    life.perhaps(at, Chance(REVISITED_DRAWN, 8 * 60, 3 * DAY, revisit))


# --- audits -------------------------------------------------------------------------------------


def audit_closure(life: Life, at: datetime) -> None:
    """Have somebody who had nothing to do with it look whether the closing holds."""
    _audit(life, at, Action.AUDIT_CLOSURE)


def audit_decline(life: Life, at: datetime) -> None:
    """Have somebody look whether it was declined rightly."""
    _audit(life, at, Action.AUDIT_DECLINE)


def _audit(life: Life, at: datetime, action: Action) -> None:
    case = life.look()
    stranger = life.run.services.stranger(case)
    if stranger is not None and life.ask(at, action, Role.SUPERVISOR, words={}):
        expect_answer(life, at)


def expect_answer(life: Life, at: datetime) -> None:
    """Plan the answer to an audit just sent."""
    life.aside(at, life.draw(60, 2600), answer_audit)


def answer_audit(life: Life, at: datetime) -> None:
    """Say whether the closing or the declining holds."""
    odds = RIGHTLY_DECLINED if life.stage == Stage.DECLINED else life.profile.passes
    passed = life.happens(odds)
    if life.is_easy:
        passed = not life.falls_on(1 - odds, "easy not held")
    elif life.is_hollow:
        passed = not life.falls_on(HOLLOW_FOUND, "hollow found")
    elif life.is_refused:
        passed = life.falls_on(REFUSED_RIGHTLY, "refused rightly")
    words = {"passed": passed, "photos": life.city.album.pick(life.random, Attachment.Kind.AUDIT)}
    if not passed and life.stage == Stage.CLOSED:
        words |= {
            "falsified": life.is_hollow or life.happens(FALSIFIED),
            "note": "现场与结案照片不符",
        }
    life.ask(at, Action.ANSWER_AUDIT, life.assignee(), words=words)


# --- against a late finding ---------------------------------------------------------------------


def appeal(life: Life, at: datetime) -> None:
    """The unit appeals; its head where it has one."""
    head = life.city.people.head_of(life.look().unit_id or "")
    words = {"note": "处置期间连续降雨，不具备施工条件"}
    if life.ask(at, Action.APPEAL, head or Role.UNIT, words=words):
        life.aside(at, life.draw(100, 2 * DAY), endorse_appeal)


def endorse_appeal(life: Life, at: datetime) -> None:
    """The dispatcher endorses or refuses."""
    approved = life.happens(ENDORSED)
    words = {"approved": approved}
    if life.ask(at, Action.DECIDE_APPEAL, Role.DISPATCHER, words=words) and approved:
        life.aside(at, life.draw(100, 2 * DAY), decide_appeal)


def decide_appeal(life: Life, at: datetime) -> None:
    """The acceptor upholds or refuses."""
    words = {"approved": life.happens(UPHELD)}
    life.ask(at, Action.DECIDE_APPEAL, Role.ACCEPTOR, words=words)


def propose_adjust(life: Life, at: datetime) -> None:
    """An assessor proposes to exempt the case; without a second one nobody could decide."""
    second = life.city.people.second(Role.ASSESSOR)
    period = f"{timezone.localtime(life.look().closed_at or at):%Y-%m}"
    effect = "exempt" if life.happens(0.8) else "leave_out"
    words = {"period": period, "effect": effect, "note": "系统故障期间无法签收"}
    if second and life.ask(at, Action.PROPOSE_ADJUST, Role.ASSESSOR, words=words):
        life.aside(at, life.draw(60, 2 * DAY), adjust)


def adjust(life: Life, at: datetime) -> None:
    """A second assessor decides."""
    words = {"approved": life.happens(AGREED)}
    life.ask(at, Action.ADJUST, life.city.people.second(Role.ASSESSOR), words=words)


def confirm_exit(life: Life, at: datetime) -> None:
    """Accept a late exit as proper; refused for a case that was never late."""
    words = {"note": "经核定，移出理由成立"}
    life.ask(at, Action.CONFIRM_EXIT, Role.ASSESSOR, words=words)
