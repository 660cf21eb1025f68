"""Beside the main way while a case is open: help, reminders, orders, corrections, duplicates."""

from datetime import datetime, timedelta

from django.utils import timezone

from cases.choices import OPEN_STAGES, Action, Role
from cases.models import Case
from cases.simulation import afterwards
from cases.simulation.life import Chance, Life
from cases.simulation.run import Run

REPORTED_AGAIN = 0.02  # of reports are about a problem somebody reported lately
SEEN_AGAIN = 0.06  # of cases are seen by another inspector, who is told of them in time
SURE_M = 50  # from any border: somebody who reports it again stands in the same district
UNMERGED = 0.15  # of merged cases: they were two things after all
REMINDERS = (Role.DISPATCHER, Role.ACCEPTOR, Role.SUPERVISOR, Role.DUTY_CHIEF)


def found_twice(life: Life, at: datetime) -> None:
    """Plan that the dispatcher sees two reports of one problem."""
    life.aside(at, life.draw(4, 45), merge, by_night=True)


def while_open(life: Life, at: datetime) -> None:
    """Plan what may happen to a case once a unit has it."""
    life.run.lately[life.now["district"]].append(life)
    life.perhaps(at, *_WHILE_OPEN)
    if life.happens(SEEN_AGAIN):
        life.aside(at, life.draw(5, 240), see_too, by_night=True)


def see_too(life: Life, at: datetime) -> None:
    """An inspector of the neighbourhood sees it, is told of the case, and supports it."""
    case = life.look()
    others = [
        one
        for one in life.city.people.inspectors_near(life.now["community"] or "")
        if one.pk != case.reporter_id
    ]
    if not others or case.point is None or case.stage not in OPEN_STAGES:
        return
    place = {"place": f"{case.point.x:.7f},{case.point.y:.7f}"}
    life.run.services.act(life.now, Action.SUPPORT, life.random.choice(others), (), place, at)
    life.run.done[Action.SUPPORT] += 1


# --- duplicates ---------------------------------------------------------------------------------


def reported_again(run: Run, key: str, district: str, at: datetime) -> Life | None:
    """Return a second report of a problem reported lately, if chance has it and it is there yet."""
    luck, lately = run.city.luck(key, "again"), run.lately[district]
    if not lately or luck.random() >= REPORTED_AGAIN:
        return None
    first = luck.choice(lately)
    border_m = first.now["border_m"]
    if first.look().stage not in OPEN_STAGES or (border_m is not None and border_m < SURE_M):
        return None
    again = run.city.again(first.draft, first.now["community"] or "", at, luck)
    twin = Life(run, again, first.way, key)
    twin.survivor = first
    return twin


def merge(life: Life, at: datetime) -> None:
    """Merge the case into the one reported first, if both are still on their way."""
    first = life.survivor
    assert first is not None  # planned for twins only
    ahead, case = first.look(), life.look()
    is_first = case.filed_at is None or (ahead.filed_at and ahead.filed_at <= case.filed_at)
    if ahead.stage not in OPEN_STAGES or ahead.district != case.district or not is_first:
        return
    words = {"into": ahead.number, "note": "同一问题重复上报"}
    if life.holds_duplicate or not life.ask(at, Action.MERGE, Role.DISPATCHER, words=words):
        return
    first.is_shared = first.holds_duplicate = True
    if life.happens(UNMERGED):
        life.aside(at, life.draw(20, 600), unmerge)
    else:
        afterwards.of_leaving(life, at)


def unmerge(life: Life, at: datetime) -> None:
    """Take them apart again while the first is open."""
    first = life.survivor
    assert first is not None
    words = {"note": "现场核对为两处不同问题"}
    if first.look().stage in OPEN_STAGES and life.ask(
        at, Action.UNMERGE, Role.DISPATCHER, words=words
    ):
        first.holds_duplicate = Case.objects.filter(merged_into=first.now["number"]).exists()
        life.go_on(at)


# --- help and handlers --------------------------------------------------------------------------


def ask_for_help(life: Life, at: datetime) -> None:
    """Ask another unit of the district to assist."""
    other = life.city.other_unit(life.now["district"], life.now["unit"] or "", life.random)
    words = {"assist": other, "note": "请配合处置"}
    if other and life.ask(at, Action.SEND_ASSIST, Role.DISPATCHER, words=words):
        life.helper = life.city.people.of_unit[other]
        life.aside(at, life.draw(20, 180), help_out)


def help_out(life: Life, at: datetime) -> None:
    """Say what was done to assist, unless the case is finished already."""
    life.ask(at, Action.ASSIST, life.helper, words={"note": "已到场配合"})


def give_to_handler(life: Life, at: datetime) -> None:
    """Give it to one of the unit's people; some are taken back."""
    handler = life.city.people.handler_of(life.look().unit_id or "")
    if handler is None:
        return
    words = {"handler": handler.username}
    if life.ask(at, Action.ASSIGN_HANDLER, Role.UNIT_HEAD, words=words):
        life.perhaps(at, Chance(TAKEN_BACK, 20, 200, take_back))


def take_back(life: Life, at: datetime) -> None:
    """Take it back from its handler."""
    life.ask(at, Action.RELEASE_HANDLER, Role.UNIT_HEAD, words={})


def hand_down(life: Life, at: datetime) -> None:
    """Hand the case on to a sub-unit where there is one."""
    part = life.city.part_of(life.look().unit_id or "", life.random)
    if part is None:
        return
    head = life.city.people.head_of(life.now["unit"])
    if life.ask(at, Action.REDISPATCH, head or Role.DISPATCHER, words={"unit": part}):
        life.held_by = part


# --- said from above ----------------------------------------------------------------------------


def remind(life: Life, at: datetime) -> None:
    """Remind whoever has it."""
    who = life.random.choice(REMINDERS)
    life.ask(at, Action.REMIND, who, words={"note": "请抓紧办理"})


def supervise(life: Life, at: datetime) -> None:
    """A supervisor's order about an important case."""
    words = {
        "kind": "important",
        "note": "重点案件，请按期办结",
        "reply_by": _in(at, hours=24),
    }
    if life.ask(at, Action.SUPERVISE, Role.SUPERVISOR, words=words):
        life.perhaps(at, Chance(REPLIED, 60, 1700, reply))


def remark(life: Life, at: datetime) -> None:
    """A leader's remark is an order, too."""
    words = {"note": "请速办并报结果", "reply_by": _in(at, hours=12)}
    if life.ask(at, Action.SUPERVISE, Role.LEADER, words=words):
        life.perhaps(at, Chance(REPLIED, 40, 800, reply))


def reply(life: Life, at: datetime) -> None:
    """Answer the supervision orders of the case."""
    life.ask(at, Action.REPLY_SUPERVISION, Role.UNIT, words={"note": "已安排人员处置"})


def _in(at: datetime, *, hours: int) -> str:
    return f"{timezone.localtime(at) + timedelta(hours=hours):%Y-%m-%dT%H:%M}"


# --- corrections and ends -----------------------------------------------------------------------


def reclassify(life: Life, at: datetime) -> None:
    """Take another condition of the class: its limit counts from the run's start."""
    other = life.city.other_condition(life.draft.condition, life.random)
    words = {"condition": other.pk if other else "", "note": "现场情形与立案条件不符"}
    if other and life.ask(at, Action.RECLASSIFY, Role.DUTY_CHIEF, words=words):
        life.go_on(at)


def correct(life: Life, at: datetime) -> None:
    """Give it to another unit though nobody returned it: the dispatcher saw the mistake."""
    other = life.city.other_unit(life.now["district"], life.now["unit"] or "", life.random)
    words = {"unit": other, "note": "派遣有误，改派"}
    if other and life.ask(at, Action.REASSIGN, Role.DISPATCHER, words=words):
        life.go_on(at)


def recompute(life: Life, at: datetime) -> None:
    """Work the deadline out again: somebody doubts it."""
    life.ask(at, Action.RECOMPUTE_DEADLINE, Role.ADMIN, words={"note": "按现行工作日历复核时限"})


def void(life: Life, at: datetime) -> None:
    """Take a wrong report out."""
    words = {"reason": life.random.choice(("wrong_report", "no_longer_there"))}
    if not life.holds_duplicate and life.ask(at, Action.VOID, Role.DUTY_CHIEF, words=words):
        afterwards.of_leaving(life, at)


def force_close(life: Life, at: datetime) -> None:
    """Close what nobody can finish."""
    words = {"reason": "cannot_be_done", "note": "涉及历史遗留问题，暂无法处置"}
    life.ask(at, Action.FORCE_CLOSE, Role.DUTY_CHIEF, words=words)


TAKEN_BACK = 0.1  # of cases given to a handler
REPLIED = 0.85  # of supervision orders by people
# Odds a case and minutes after its dispatch; all ours.
_WHILE_OPEN = (
    Chance(0.012, 20, 300, ask_for_help),
    Chance(0.04, 10, 120, give_to_handler),
    Chance(0.06, 10, 120, hand_down),
    Chance(0.01, 60, 600, remind),
    Chance(0.005, 30, 400, supervise),
    Chance(0.003, 30, 400, remark),
    Chance(0.005, 30, 240, reclassify),
    Chance(0.003, 10, 90, correct),
    Chance(0.001, 60, 600, recompute),
    Chance(0.004, 20, 600, void),
)
