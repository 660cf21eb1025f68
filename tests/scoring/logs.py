"""Logs for tests: cases told in a few words, and random ones that follow the workflow."""

import random
from datetime import datetime, timedelta

from cases.ledger import stamp
from scoring.indicators import Row
from scoring.periods import CITY_TIME

DISTRICTS = ("hecheng", "hightech", "landport", "zhongfang")


def day(text):
    """Return 10-20 or 10-20 09:30 of 2026, Asia/Shanghai."""
    form = "%Y-%m-%d %H:%M" if " " in text else "%Y-%m-%d"
    return datetime.strptime(f"2026-{text}", form).replace(tzinfo=CITY_TIME)


STAGE_LIMITS = {
    "accept": timedelta(minutes=15),
    "verify": timedelta(minutes=30),
    "dispatch": timedelta(minutes=15),
    "sign": timedelta(hours=1),
    "check": timedelta(minutes=30),
    "arbitrate": timedelta(hours=4),
    "extend": timedelta(hours=2),
}


class Story:
    """A case under way; each call adds one event, or the two of a move between districts."""

    def __init__(self, number="HH1", district="hecheng", **said):
        self.number, self.district, self.rows = number, district, []
        self.unit = self.body = ""
        self.due = self.base = None
        self.recurs = said.pop("recurs", False)
        place = {"grid_cell": "c1", "point": "109.9765000,27.5505000"}
        self.said = {"source": "inspector", "minor_id": "m1", **place, **said}
        self.said["street"] = f"s-{self.said['grid_cell']}"

    @property
    def stage(self):
        return self.rows[-1].to_stage

    def add(self, action, stage, at, *, said=None, run=None, starts="", clock=(), **facts):
        """Add any event; `clock` = (due, base) or (None,) is its word on the deadline."""
        unit, body = run or (self.unit, self.body)
        data = {"set": said or {}, "facts": facts}
        if starts:
            data["starts"] = {"kind": starts, "due_at": stamp(at + STAGE_LIMITS[starts])}
        if clock:
            self.due, self.base = clock[0], clock[-1]
        due = (self.due, self.base) if clock else (None, None)
        seq = len(self.rows) + 1
        self.rows.append(
            Row(self.number, seq, action, stage or self.stage, at, self.district, body, unit,
                bool(clock), *due, data)
        )  # fmt: skip
        return self

    # --- up to filing
    def reported(self, at):
        return self.add("report", "reported", at, said=self.said, starts="accept")

    def self_handled(self, at):
        said = {**self.said, "is_self_handled": True, "limit_value": 4, "limit_unit": "work_hour"}
        return self.add("self_handle", "handled", at, said=said)

    def verified(self, at, answered):
        self.add("send_verify", "verifying", at, starts="verify")
        return self.add("answer_verify", "reported", answered, starts="accept", passed=True)

    def declined(self, at):
        return self.add("decline", "declined", at)

    def filed(self, at, limit=(4, "work_hour"), cell=""):
        if not self.rows:
            self.reported(at)
        self.add("accept", "accepted", at)
        said = {"limit_value": limit[0], "limit_unit": limit[1]}
        if cell:  # another than it was reported in
            said |= {"grid_cell": cell, "street": f"s-{cell}"}
        return self.add("file", "filed", at, said=said, starts="dispatch", recurs=self.recurs)

    # --- at a unit
    def given(self, at, due, unit="u1", body=None, action="dispatch", **facts):
        self.unit, self.body = unit, body or self.district
        return self.add(action, "dispatched", at, clock=(due,), starts="sign", **facts)

    def signed(self, at):
        return self.add("sign", "handling", at)

    def redispatched(self, at, unit, parent):
        self.unit = unit
        return self.add("redispatch", "", at, parent=parent)

    def returned(self, at, stage="returned"):
        run, (self.unit, self.body) = (self.unit, self.body), ("", "")
        starts = "dispatch" if stage == "returned" else "arbitrate"
        return self.add("return", stage, at, run=run, starts=starts, clock=(None,))

    def extended(self, at, due, *, approved=True, level="dispatcher"):
        clock = (due, self.base) if approved and level == "dispatcher" else ()
        return self.add("decide_extension", "", at, level=level, approved=approved, clock=clock)

    def suspended(self, at, *, action="decide_suspension", **facts):
        return self.add(action, "suspended", at, clock=(None,), **facts)

    def resumed(self, at, due, stage="handling"):
        return self.add("resume", stage, at, clock=(due,))

    def finished(self, at):
        self.add("finish", "handled", at)
        return self.add("send_check", "checking", at, starts="check")

    def checked(self, at, *, passed=True):
        stage, starts = ("checked", "") if passed else ("returned", "dispatch")
        return self.add("answer_check", stage, at, passed=passed, starts=starts)

    def reworked(self, at, due):
        return self.add("rework", "rework", at, clock=(due,))

    def closed(self, at, *, action="close"):
        return self.add(action, "closed", at)

    # --- aside, out and back
    def merged(self, at):
        return self.add("merge", "merged", at, into="HH0")

    def unmerged(self, at, stage, due=None):
        return self.add("unmerge", stage, at, clock=(due,) if due else ())

    def voided(self, at):
        return self.add("void", "voided", at)

    def reopened(self, at, due):
        return self.add("reopen", "returned", at, clock=(due,), starts="dispatch")

    def moved(self, at, district, by):
        facts = {"by": by, "from_district": self.district, "to_district": district}
        self.add("moved_out", "", at, **facts)
        self.district = district
        return self.add("moved_in", "", at, **facts)

    # --- said by the centre and the assessor
    def upheld(self, at, *, level="acceptor", upheld=True):
        return self.add("decide_appeal", "", at, level=level, upheld=upheld)

    def confirmed(self, at):
        return self.add("confirm_exit", "", at)

    def adjusted(self, at, period, effect, *, approved=True):
        return self.add("adjust", "", at, period=period, effect=effect, approved=approved)

    def recomputed(self, at, due, base=None):
        return self.add("recompute_deadline", "", at, clock=(due, base or due), calendar_version=2)

    def audited(self, at, *, passed=True, falsified=False):
        action = "audit_closure" if self.stage == "closed" else "audit_decline"
        self.add(action, "", at, draw="w1")
        said = {"falsified": falsified} if self.stage == "closed" else {}
        return self.add("answer_audit", "", at, passed=passed, **said)


def random_log(seed, cases=6, without=()):
    """Return the rows of a few cases that live around October 2026, as the workflow allows.

    `without` names steps of the walk that are not taken.
    """
    rng = random.Random(seed)  # noqa: S311  # a test's own dice
    return [row for n in range(cases) for row in _Walk(rng, f"S{seed}N{n}", without).story.rows]


class _Walk:
    """A case that goes where the dice lead, over every action that a score reads."""

    def __init__(self, rng, number, without):
        self.rng, self.without = rng, without
        # Whole days make events and deadlines fall exactly on the period's ends.
        self.now = day("08-20") + timedelta(days=rng.randrange(75))
        minor = rng.choice(["m1", "m2", "m2"])
        self.home = rng.choice(DISTRICTS)
        self.story = Story(
            number,
            "" if rng.random() < 0.02 else self.home,
            source=rng.choice(["inspector", "hotline", "leader", "media"]),
            grid_cell=rng.choice("ab"),
            point=f"109.9765000,27.5{rng.choice(range(0, 15, 3)):03d}000",  # 33 m apart
            minor_id=minor,
            recurs=minor == "m2",
        )
        self.suspended_from = self.merged_from = ""
        self.begin()
        for _ in range(rng.randrange(24)):
            self.go_on()

    def later(self):
        self.now += timedelta(hours=self.rng.choice([0, 1, 12, 24, 24, 72, 240]))
        return self.now

    def due(self):
        return self.now + timedelta(hours=self.rng.choice([0, 12, 24, 48, 168, 480]))

    def begin(self):
        story, dice = self.story, self.rng.random()
        if dice < 0.05:
            story.self_handled(self.now)
            return
        story.reported(self.now)
        if dice < 0.2:
            story.verified(self.later(), self.later())
        if dice > 0.94:
            story.declined(self.later())
        elif dice < 0.92:
            story.district = self.home
            limits = [(4, "work_hour"), (7, "work_day"), (2, "emergency_hour")]
            cell = random.Random(self.story.number).choice(["", "", "a", "b"])  # noqa: S311
            story.filed(self.later(), self.rng.choice(limits), cell)

    def go_on(self):
        """Take one of the steps that lead on from the stage, or one that leads nowhere."""
        stage, rng = self.story.stage, self.rng
        if stage not in {"closed", "declined", "voided", "merged"} and rng.random() < 0.12:
            self.take(self.leave, self.leave, self.supervise, self.remind)
        elif self.is_filed and rng.random() < 0.1:
            self.take(self.assess)
        else:
            self.take(*self.ways()[stage])

    def take(self, *steps):
        step = self.rng.choice(steps)
        if step.__name__ not in self.without:
            step()

    @property
    def is_filed(self):
        return any(row.action == "file" for row in self.story.rows)

    def ways(self):
        at_unit = [*[self.sign] * 6, self.give_back, self.reassign, self.redispatch,
                   self.extend, self.recompute, self.reclassify]  # fmt: skip
        handling = [*[self.finish] * 6, self.suspend, self.suspend,
                    self.redispatch, self.extend, self.recompute]  # fmt: skip
        return {
            "reported": [self.remind],
            "declined": [self.audit, self.remind],
            "filed": [*[self.dispatch] * 6, self.transfer, self.reclassify],
            "dispatched": at_unit,
            "handling": [*handling, self.give_back, self.reassign, self.reclassify],
            "rework": handling,
            "suspended": [self.resume, self.resume, self.remind],
            "handled": [self.send_check],
            "checking": [self.check],
            "checked": [self.close, self.close, self.recompute],
            "returned": [self.rework, self.reassign, self.dispute],
            "disputed": [self.arbitrate],
            "closed": [self.reopen, self.appeal, self.appeal, self.audit],
            "voided": [self.remind],
            "merged": [self.unmerge, self.remind],
        }

    def remind(self):
        self.later()

    def supervise(self):
        kind = self.rng.choice(["leader", "important", "overdue"])
        self.story.add("supervise", "", self.later(), kind=kind)

    def give(self, action, **facts):
        district = self.story.district or self.home
        body = self.rng.choice([district, district, "city"])
        unit = f"{body}-{self.rng.choice('xyz')}"
        if unit.endswith("z"):
            facts["parent"] = f"{body}-x"
        self.story.given(self.later(), self.due(), unit=unit, body=body, action=action, **facts)

    def ruling(self):
        return {"ruling": self.rng.choice(["justified", "unjustified"])}

    def dispatch(self):
        self.give("dispatch")

    def reassign(self):
        self.give("reassign", **(self.ruling() if self.story.stage == "returned" else {}))

    def arbitrate(self):
        if self.rng.random() < 0.3:
            self.story.moved(self.now, self.rng.choice(DISTRICTS), by="arbitrate")
        self.give("arbitrate", **self.ruling())

    def transfer(self):
        self.story.moved(self.later(), self.rng.choice(DISTRICTS), by="transfer")

    def reclassify(self):
        minor = self.rng.choice(["m1", "m2"])
        said = {"limit_value": 1, "limit_unit": "work_day", "minor_id": minor}
        clock = () if self.story.stage == "filed" else (self.due(),)
        self.story.add("reclassify", "", self.later(), said=said, clock=clock, recurs=minor == "m2")

    def sign(self):
        self.story.signed(self.later())

    def redispatch(self):
        parent = self.story.unit
        self.story.redispatched(self.later(), f"{self.story.body}-{self.rng.choice('zw')}", parent)

    def give_back(self):
        self.story.returned(self.later(), self.rng.choice(["returned", "disputed"]))

    def dispute(self):
        self.story.add("dispute", "disputed", self.later(), starts="arbitrate")

    def extend(self):
        level = self.rng.choice(["unit_head", "dispatcher", "dispatcher"])
        due, approved = self.due(), self.rng.random() < 0.8
        self.story.extended(self.later(), due, approved=approved, level=level)

    def suspend(self):
        self.suspended_from = self.story.stage
        if self.rng.random() < 0.3:
            self.story.suspended(self.later(), action="defer")
        elif self.rng.random() < 0.8:
            self.story.suspended(self.later(), approved=True)
        else:
            self.story.add("decide_suspension", "", self.later(), approved=False)

    def resume(self):
        self.story.resumed(self.later(), self.due(), self.suspended_from)

    def finish(self):
        self.story.finished(self.later())

    def send_check(self):
        self.story.add("send_check", "checking", self.later(), starts="check")

    def check(self):
        self.story.checked(self.later(), passed=self.rng.random() < 0.7)

    def rework(self):
        if self.story.unit:  # one that was returned has none
            self.story.reworked(self.later(), self.due())
        else:
            self.reassign()

    def close(self):
        self.story.closed(self.later())

    def leave(self):
        story = self.story
        way = self.rng.choice(["void", "merge", "merge", "force_close"])
        if way == "void":
            story.voided(self.later())
        elif way == "merge":
            self.merged_from = story.stage
            story.merged(self.later())
        elif self.is_filed:
            story.closed(self.later(), action="force_close")

    def unmerge(self):
        with_clock = {"dispatched", "handling", "rework"}
        due = self.due() if self.merged_from in with_clock else None
        self.story.unmerged(self.later(), self.merged_from, due)

    def reopen(self):
        self.story.reopened(self.later(), self.due() if self.story.unit else None)

    def appeal(self):
        self.story.upheld(self.later(), level=self.rng.choice(["dispatcher", "acceptor"]),
                          upheld=self.rng.random() < 0.8)  # fmt: skip

    def audit(self):
        self.story.audited(self.later(), passed=self.rng.random() < 0.7,
                           falsified=self.rng.random() < 0.2)  # fmt: skip

    def recompute(self):
        due = self.rng.choice([self.due(), self.due() - timedelta(days=4)])
        self.story.recomputed(self.later(), due, self.rng.choice([None, self.now]))

    def assess(self):
        if self.rng.random() < 0.4:
            self.story.confirmed(self.later())
            return
        period = self.rng.choice(["2026-09", "2026-10", "2026-10", "2026-11", "2026-Q4"])
        effect = self.rng.choice(["exempt", "leave_out", "put_in"])
        self.story.adjusted(self.later(), period, effect, approved=self.rng.random() < 0.8)
