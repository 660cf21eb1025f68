"""One fault from its load to the verdict: break, heal, wait for rest, then judge."""

import json
import shutil
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import postgres
from deploy.console import run
from tests.faultlab import checker
from tests.faultlab.faults import Fault
from tests.faultlab.figures import Figures, Red, Size
from tests.faultlab.runner import Lab

QUIET_S = 120


@dataclass
class Verdict:
    """What came of one fault with one seed."""

    name: str
    title: str
    seed: int
    short: bool
    took_s: float = 0.0
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)  # empty: passed

    @property
    def passed(self) -> bool:
        """Whether every figure and every invariant held."""
        return not self.complaints

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**asdict(self), "passed": self.passed}


def run_fault(lab: Lab, fault: Fault, size: Size) -> Verdict:
    """Run a fault on a lab and judge it by its figures and by what must always hold."""
    verdict = Verdict(fault.name, fault.title, size.seed, size.short)
    begun = time.monotonic()
    figures = Figures(size)
    try:
        figures = fault.steps(lab, size)
    except Red as red:
        verdict.complaints.append(str(red))
    except Exception:  # noqa: BLE001 - a fault that breaks is red, and the others still run
        verdict.complaints.append(traceback.format_exc())
    try:
        lab.heal()
        rest_s = lab.quiesce(QUIET_S)
        figures.note("at rest after", rest_s, "s", at_most=QUIET_S, hard=True)
    except Red as red:
        verdict.complaints.append(str(red))
    verdict.complaints += figures.missed()
    verdict.complaints += [
        f"{found.invariant} {found.where}: {found.what}"
        for found in violations(lab, is_told=fault.is_told)
    ]
    verdict.figures = figures.found
    verdict.took_s = round(time.monotonic() - begun, 1)
    if not verdict.passed:
        keep_evidence(lab, verdict)
    return verdict


def violations(lab: Lab, *, is_told: bool = True) -> list[checker.Violation]:
    """Return what does not hold in histories, database and socket logs of this lab."""
    broker = lab.redis_url("redis-broker")
    return checker.check(lab.database_url, lab.out, broker_url=broker, is_told=is_told)


def keep_evidence(lab: Lab, verdict: Verdict) -> Path:
    """Keep logs and a dump of the database beside the histories of a red run."""
    folder = lab.out / f"red-{verdict.name}-{verdict.seed}"
    shutil.copytree(lab.home.log, folder / "log", dirs_exist_ok=True)
    (folder / "verdict.json").write_text(json.dumps(verdict.plain(), indent=2, ensure_ascii=False))
    run(
        [postgres.program(lab.home, "pg_dump"), "-Fc", "-f", folder / "database.dump"],
        env=postgres.owner_environment(lab.home),
        failure="The database could not be dumped:",
    )
    return folder
