"""Logs for tests: cases told in a few words, and random ones that follow the workflow."""

import random
from datetime import datetime, timedelta

from scoring.indicators import Row
from scoring.periods import CITY_TIME

DISTRICTS = ("hecheng", "hightech", "landport", "zhongfang")


def day(text):
    """Return 10-20 or 10-20 09:30 of 2026, Asia/Shanghai."""
    form = "%Y-%m-%d %H:%M" if " " in text else "%Y-%m-%d"
    return datetime.strptime(f"2026-{text}", form).replace(tzinfo=CITY_TIME)


STAGE_LIMITS = {
    "accept": timedelta(minutes=15),
    "dispatch": timedelta(minutes=15),
    "sign": timedelta(hours=1),
    "check": timedelta(minutes=30),
    "arbitrate": timedelta(hours=4),
}


class Story:
    """A case under way; each call adds one event."""

    def __init__(self, number="HH1", district="hecheng", **said):
        self.number, self.district, self.rows = number, district, []
        self.unit = self.body = ""
        self.recurs = said.pop("recurs", False)
        place = {"grid_cell": "c1", "point": "109.9765000,27.5505000"}
        self.said = {"source": "inspector", "minor_id": "m1", **place, **said}

    def add(
        self, action, stage, at, *, due=None, base=None, said=None, run=None, starts="", **facts
    ):
        unit, body = run or (self.unit, self.body)
        data = {"set": said or {}, "facts": facts}
        if starts:
            due_at = (at + STAGE_LIMITS[starts]).isoformat()
            data["starts"] = {"kind": starts, "due_at": due_at}
        seq = len(self.rows) + 1
        base = base or due
        self.rows.append(
            Row(self.number, seq, action, stage, at, self.district, body, unit, due, base, data)
        )

    def reported(self, at):
        self.add("report", "reported", at, said=self.said, starts="accept")
        return self

    def declined(self, at):
        self.add("decline", "declined", at)
        return self

    def filed(self, at, limit=(4, "work_hour")):
        if not self.rows:
            self.reported(at)
        self.add("accept", "accepted", at)
        limits = {"limit_value": limit[0], "limit_unit": limit[1]}
        self.add("file", "filed", at, said=limits, starts="dispatch", recurs=self.recurs)
        return self

    def given(self, at, due, unit="u1", body=None, action="dispatch", **facts):
        self.unit, self.body = unit, body or self.district
        self.add(action, "dispatched", at, due=due, starts="sign", **facts)
        return self

    def signed(self, at):
        self.add("sign", "handling", at)
        return self

    def returned(self, at, stage="returned"):
        run, (self.unit, self.body) = (self.unit, self.body), ("", "")
        starts = "dispatch" if stage == "returned" else "arbitrate"
        self.add("return", stage, at, run=run, starts=starts)
        return self

    def finished(self, at):
        self.add("finish", "handled", at)
        self.add("send_check", "checking", at, starts="check")
        return self

    def checked(self, at, *, passed=True):
        stage, starts = ("checked", "") if passed else ("returned", "dispatch")
        self.add("answer_check", stage, at, passed=passed, starts=starts)
        return self

    def reworked(self, at, due):
        self.add("rework", "rework", at, due=due)
        return self

    def closed(self, at):
        self.add("close", "closed", at)
        return self


def random_log(seed, cases=6):
    """Return the rows of a few cases that live around October 2026, as the workflow allows."""
    rng = random.Random(seed)  # noqa: S311  # a test's own dice
    return [row for n in range(cases) for row in _random_case(rng, f"S{seed}N{n}").rows]


def _random_case(rng, number):
    district = rng.choice(DISTRICTS)
    # Whole days make events and deadlines fall exactly on the period's ends.
    at = day("08-20") + timedelta(days=rng.randrange(75))
    source = rng.choice(["inspector", "hotline", "leader", "media"])
    apart = {"is_self_handled": True} if rng.random() < 0.05 else {}
    point = f"109.9765000,27.5{rng.choice(range(0, 15, 3)):03d}000"  # 33 m apart
    minor = rng.choice(["m1", "m2", "m2"])
    story = Story(number, district, source=source, grid_cell=rng.choice("ab"), point=point,
                  minor_id=minor, recurs=minor == "m2", **apart)  # fmt: skip

    def later():
        nonlocal at
        at += timedelta(hours=rng.choice([0, 1, 12, 24, 24, 72, 240]))
        return at

    def due():
        return at + timedelta(hours=rng.choice([0, 12, 24, 48, 168, 480]))

    def give(action, **facts):
        body = rng.choice([district, district, "city"])
        unit = f"{body}-{rng.choice('xyz')}"
        if unit.endswith("z"):
            facts["parent"] = f"{body}-x"
        story.given(later(), due(), unit=unit, body=body, action=action, **facts)

    story.reported(at)
    if rng.random() < 0.1:
        return story if rng.random() < 0.3 else story.declined(later())
    story.filed(later(), rng.choice([(4, "work_hour"), (7, "work_day"), (2, "emergency_hour")]))
    for _ in range(rng.randrange(14)):
        stage = story.rows[-1].to_stage
        ruling = {"ruling": rng.choice(["justified", "unjustified"])}
        if stage == "filed":
            give("dispatch")
        elif stage in {"dispatched", "handling"} and rng.random() < 0.35:
            if rng.random() < 0.5:
                story.returned(later(), rng.choice(["returned", "disputed"]))
            else:
                give("reassign")
        elif stage == "dispatched":
            story.signed(later())
        elif stage in {"handling", "rework"}:
            story.finished(later())
        elif stage == "checking":
            story.checked(later(), passed=rng.random() < 0.6)
        elif stage == "checked":
            story.closed(later())
        elif stage == "disputed":
            give("arbitrate", **ruling)
        elif story.rows[-1].action == "answer_check" and rng.random() < 0.8:
            story.reworked(later(), due())
        elif stage == "returned":
            give("reassign", **ruling)
    return story
