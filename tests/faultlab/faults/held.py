"""A transaction held open while a thousand others commit: no screen skips its events."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.faultlab.faults import fault
from tests.faultlab.faults.reports import Reporter
from tests.faultlab.faults.steady import chance, note_load, require, steady
from tests.faultlab.figures import Figures, Size
from tests.faultlab.history import Call
from tests.faultlab.runner import Lab

# A report through the service, stalled right before it locks the head of its log.
_HELD = """
import json, sys, uuid
import django
django.setup()
from django.db import transaction
from cases import ledger
from cases.services.intake import Report, report_case
from cityops.accounts.models import User

lock_heads = ledger._lock_heads

def held(scopes):
    print("held", flush=True)
    sys.stdin.readline()
    return lock_heads(scopes)

ledger._lock_heads = held
said = json.loads(sys.argv[1])
actor = User.objects.with_grants().get(username=said["actor"])
report = Report(**said["report"])
try:
    with transaction.atomic():
        answer = report_case(report=report, actor=actor, key=uuid.UUID(said["key"]))
        if said["ends"] == "rollback":
            raise RuntimeError("rolled back as asked")
except RuntimeError:
    answer = {}
print(json.dumps(answer), flush=True)
"""


@fault("F25", "a transaction held open across a thousand commits")
def hold_open(lab: Lab, size: Size) -> Figures:
    """Hold two reports before the head lock, then commit one and roll the other back."""
    figures, reporter = Figures(size), Reporter(lab, chance("F25", size), "held")
    _report_one(lab, reporter)
    with (
        _held(lab, reporter, "commit") as kept,
        _held(lab, reporter, "rollback") as lost,
        steady(lab, size) as load,
    ):
        before, begun = _events(lab), time.monotonic()
        _wait_commits(lab, before, size.pick(1000, 60), size.pick(60, 5))
        figures.note("held open for", time.monotonic() - begun, "s")
        commits = _events(lab) - before
        figures.note("events written meanwhile", commits, at_least=size.pick(1000, 60))
        kept.let_go()
        lost.let_go()
        time.sleep(size.pick(10, 1))
    reporter.close()
    note_load(load, figures)
    return figures


def _report_one(lab: Lab, reporter: Reporter) -> None:
    """Report a case: the first of a day writes the day's row, and others wait for it."""
    call = Call("create", reporter.key(), reporter.draw.choice(reporter.inspectors))
    with closing(reporter.client()) as client:
        answer = client.send(call, "/api/v1/cases/", reporter.body())
    require(answer is not None, "the first report was refused")


def _events(lab: Lab) -> int:
    return sum(lab.heads().values())


def _wait_commits(lab: Lab, before: int, count: int, least_s: float) -> None:
    begun = time.monotonic()
    while _events(lab) - before < count or time.monotonic() - begun < least_s:
        require(time.monotonic() - begun < 4 * least_s + 60, "there were too few commits")
        time.sleep(0.2)


class _Held:
    """A process whose transaction waits for a word."""

    def __init__(self, lab: Lab, reporter: Reporter, ends: str) -> None:
        self.reporter = reporter
        self.call = Call("create", reporter.key(), reporter.draw.choice(reporter.inspectors))
        body = reporter.body()
        report = {
            **body.pop("location"),
            **{name: body[name] for name in ("category", "condition", "description")},
        }
        said = {"actor": self.call.actor, "report": report, "key": self.call.key, "ends": ends}
        reporter.history.invoke(self.call)
        self.child = subprocess.Popen(
            [sys.executable, "-c", _HELD, json.dumps(said)],
            cwd=lab.root,
            env=lab.home.environment("manage"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        require(self._line() == "held\n", "the transaction did not come to its head lock")

    def let_go(self) -> None:
        """Let the transaction end; what became of it goes into the history."""
        require(self.child.poll() is None, "the transaction did not stay open")
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        answer = json.loads(self._line())
        status = 201 if answer else 422  # rolled back: for certain it did not take place
        self.reporter.history.answered(self.call, status, body=answer)

    def _line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline()


@contextmanager
def _held(lab: Lab, reporter: Reporter, ends: str) -> Iterator[_Held]:
    held = _Held(lab, reporter, ends)
    try:
        yield held
    finally:
        held.child.kill()
        held.child.communicate()
