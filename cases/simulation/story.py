"""The main way of a case: what people do with it from the report to the closing, and how soon."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from cases.choices import Action, Role, Source, Stage
from cases.guards import CHECK_FAILED, REOPENED
from cases.models import Attachment
from cases.simulation import afterwards, beside, gaming, screening, waiting
from cases.simulation.city import EMERGENCIES, NEIGHBOURS
from cases.simulation.life import Life, Next
from cases.simulation.run import Run
from cityops.accounts.models import User

JUSTIFIED = 0.5  # of returns: another unit of the district gets the case
RETURNED_AGAIN = 0.2  # of cases returned once
DISPUTED = 0.1  # of first returns the dispatcher does not rule on alone
BY_SUPERVISOR = 0.5  # of disputes a supervisor arbitrates, not a dispatcher
ACROSS = 0.15  # of disputes that end with a unit of the neighbouring district
WORKS = timedelta(hours=20)  # more than this left: no quick case
NEAR_BORDER_M = 50
TRANSFERRED = 0.4  # of cases so near a border; the problem lies on its other side


def new_case(run: Run, key: str, at: datetime) -> None:
    """Bring a report in and plan the way of its case; `key` names it in the run."""
    draft = run.city.draft(at, run.city.luck(key, "draft"))
    twin = beside.reported_again(run, key, draft.district, at)
    begin(twin or Life(run, draft, WAY, key), at)
    for extra in gaming.extra_cases(run, draft, key, at):
        life = Life(run, extra.draft, WAY, extra.key)
        life.is_easy = True
        run.plan(at + extra.delay / run.speed, partial(begin, life))


def begin(life: Life, at: datetime) -> None:
    """Report; an inspector's report is filed at once, another by acceptor and chief."""
    kinds: tuple[Attachment.Kind, ...] = ()
    report = life.draft.report
    if report.source == Source.INSPECTOR:
        kinds = (Attachment.Kind.NEAR, Attachment.Kind.FAR)
    if report.is_self_handled:
        kinds = (Attachment.Kind.AFTER,)
    photos = life.city.album.pick(life.random, *kinds)
    life.now = life.run.services.report(report, life.draft.reporter, photos, at)
    life.run.lives[life.now["number"]] = life
    life.run.done[Action.SELF_HANDLE if report.is_self_handled else Action.REPORT] += 1
    if life.survivor is not None:
        beside.found_twice(life, at)
    border_m = life.now["border_m"]
    is_near = border_m is not None and border_m < NEAR_BORDER_M
    if is_near and life.stage == Stage.FILED and life.happens(TRANSFERRED):
        life.next(at, timedelta(seconds=0 if life.run.services.is_live else 50), transfer)
        return
    life.go_on(at)


def transfer(life: Life, at: datetime) -> None:
    """Hand a case near the border to the district it lies in, before it is dispatched."""
    words = {"district": NEIGHBOURS[life.now["district"]], "reason": "border"}
    life.ask(at, Action.TRANSFER, Role.DISPATCHER, words={**words, "note": "现场位于界线另一侧"})
    life.go_on(at)


def file(life: Life, at: datetime) -> None:
    """File with the condition reported, or decline to."""
    if screening.is_not_filed(life, at):
        return
    life.act(at, Action.FILE, Role.DUTY_CHIEF, condition=life.draft.report.condition)
    life.go_on(at)


def dispatch(life: Life, at: datetime) -> None:
    """Have it dispatched, or wait for the worker to do it; an unrouted case stays."""
    if life.stage != Stage.FILED:
        return
    after = life.run.services.dispatch(life.now, at)
    if after is None:
        life.next_at(at + timedelta(seconds=1), dispatch)
        return
    life.now = after
    if life.stage == Stage.FILED:
        return
    life.run.done[Action.DISPATCH] += 1
    beside.while_open(life, at)
    life.go_on(at)


def receive(life: Life, at: datetime) -> None:
    """Plan what the unit does first: it signs, or gives the case back while it may."""
    if life.now["unit"] not in life.city.people.of_unit:  # unrouted, or nobody of the demo
        return
    life.held_by = life.now["unit"]
    early = life.draw(3, 45)
    chance = RETURNED_AGAIN if life.returns else life.profile.returns
    if not life.is_ruled and at + early < life.due(at) and life.happens(chance):
        life.next(at, early, give_back)
    else:
        slow = life.happens(life.profile.slow_sign)
        life.next(at, life.draw(65, 180) if slow else early, sign)


def give_back(life: Life, at: datetime) -> None:
    """Return it; the second time it is disputed and waits for a ruling."""
    words = {"reason": "not_responsible", "note": "不属本单位职责"}
    if not life.ask(at, Action.RETURN, Role.UNIT, words=words):
        sign(life, at)
        return
    life.returns += 1
    life.go_on(at)


def send_back(life: Life, at: datetime) -> None:
    """Decide on what lies with the dispatcher: rework, another unit, or a dispute."""
    case = life.look()
    if case.is_self_handled:  # it gets a unit when it fails the first check
        other = case.unit_id or life.city.other_unit(life.now["district"], "", life.random)
        life.act(at, Action.REASSIGN, Role.DISPATCHER if other else None, unit=other)
    elif case.last_reason in (CHECK_FAILED, REOPENED):
        life.act(at, Action.REWORK, Role.DISPATCHER)
        life.reworks += 1
    elif life.happens(DISPUTED):
        life.act(at, Action.DISPUTE, Role.DISPATCHER, note="责任主体有争议")
    else:
        _give(life, at, Action.REASSIGN, Role.DISPATCHER)
    life.go_on(at)


def arbitrate(life: Life, at: datetime) -> None:
    """Name the unit for good; some disputes end across the border."""
    life.is_ruled = True
    who = Role.SUPERVISOR if life.happens(BY_SUPERVISOR) else Role.DISPATCHER
    arbiter = life.city.people.find(who) or life.city.people.one(Role.DISPATCHER)
    other = None
    if life.happens(ACROSS):
        other = life.city.other_unit(NEIGHBOURS[life.now["district"]], "", life.random)
    if other is not None:
        life.act(at, Action.ARBITRATE, arbiter, unit=other, ruling="justified")
    else:
        _give(life, at, Action.ARBITRATE, arbiter)
    life.go_on(at)


def _give(life: Life, at: datetime, action: Action, who: Role | User) -> None:
    """Some returns are justified: another unit of the district; else the same one again."""
    code, ruling = life.held_by, "unjustified"
    if life.happens(JUSTIFIED):
        other = life.city.other_unit(life.now["district"], code, life.random)
        code, ruling = (other, "justified") if other else (code, ruling)
    life.act(at, action, who, unit=code, ruling=ruling)


def sign(life: Life, at: datetime) -> None:
    """Sign for it."""
    life.act(at, Action.SIGN, Role.UNIT)
    life.go_on(at)


def work(life: Life, at: datetime) -> None:
    """Plan the end of the handling, and what the unit asks for on the way there."""
    due = life.due(at)
    left = max(due - at, timedelta(minutes=10))
    is_works = left > WORKS
    odds = life.profile.works_on_time if is_works else life.profile.on_time
    life.is_left = False
    if life.happens(gaming.in_time(life, odds)):
        end = at + max(life.draw(8, 25), left * life.random.triangular(0.1, 0.95, 0.55))
        by_day = _by_day(life, end)
        end = by_day if by_day <= due else end
    else:  # late: after the deadline, which may have passed before anybody signed
        life.is_left = gaming.is_left(life)
        days = life.random.uniform(8, 40) if life.is_left else 0
        hours = 0 if days else -6 * math.log(1 - life.random.random()) + 0.2
        end = _by_day(life, max(due, at) + timedelta(days=days, hours=hours))
        end = gaming.when_late(life, at, due=due, end=end)
    life.next(at, end - at, finish)
    waiting.while_worked_on(life, at, due=due, end=end, is_works=is_works)


def work_again(life: Life, at: datetime) -> None:
    """Plan the end of the rework: no sooner than the work is done that was said to be."""
    due, end = life.due(at), at + life.draw(30, 240)
    if life.done_at is not None:
        end = max(end, life.done_at)
    if end > due:
        end = gaming.when_late(life, at, due=due, end=end)
    life.next(at, end - at, finish)


def _by_day(life: Life, at: datetime) -> datetime:
    """Put off work that is no emergency from the night to the next morning."""
    return at if life.draft.condition.limit_unit in EMERGENCIES else life.by_day(at)


def finish(life: Life, at: datetime) -> None:
    """Finish with an after-photo; the check goes out by itself."""
    life.is_late = life.is_late or at > life.due(at)
    photos = life.city.album.pick(life.random, Attachment.Kind.AFTER)
    life.act(at, Action.FINISH, Role.UNIT, photos=photos, note="已处置")
    life.go_on(at)


def check(life: Life, at: datetime) -> None:
    """The inspector looks at the place; a second failure is rarer."""
    fails = (1 - life.profile.passes) / (1 + life.reworks)
    passed = not life.happens(fails)
    if life.is_easy:
        passed = not life.falls_on(fails, "easy failed")
    elif life.is_hollow:
        life.is_hollow = passed = life.falls_on(gaming.HOLLOW_PASSES, "hollow passed")
    note = "" if passed else "现场仍未处理到位"
    life.act(at, Action.ANSWER_CHECK, life.assignee(), passed=passed, note=note)
    life.go_on(at)


def close(life: Life, at: datetime) -> None:
    """Close, and see what comes of it."""
    if life.act(at, Action.CLOSE, Role.DUTY_CHIEF):
        afterwards.of_closing(life, at)


# What follows from each stage, and after how many minutes.
WAY: Mapping[str, Next] = {
    Stage.REPORTED: Next(screening.decide, 2, 13),
    Stage.VERIFYING: Next(screening.answer, 6, 27, slow=(32, 90)),
    Stage.ACCEPTED: Next(file, 1, 8),
    Stage.FILED: Next(dispatch, 2, 8, unit=1),
    Stage.DISPATCHED: Next(receive),
    Stage.HANDLING: Next(work),
    Stage.REWORK: Next(work_again),
    Stage.CHECKING: Next(check, 6, 27, slow=(32, 90)),
    Stage.CHECKED: Next(close, 5, 90),
    Stage.RETURNED: Next(send_back, 3, 13, slow=(16, 50)),
    Stage.DISPUTED: Next(arbitrate, 30, 200),
    Stage.SUSPENDED: Next(waiting.wait_for_the_end),
}
