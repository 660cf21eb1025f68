"""`workflow_table`: print docs/workflow.md, the workflow table as people read it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import override

from cases.choices import FILED_STAGES, OPEN_STAGES, UNIT_STAGES, Action, ClockKind, Role, Stage
from cases.workflow import BEGINNINGS, MOVES, NOTES, REASONS, Input, Move, Who

_HEAD = """# The workflow table

Generated from `cases/workflow.py` by `manage.py workflow_table > docs/workflow.md`; a test fails
when the two differ. The same table draws the buttons and forms, guards the services, answers
`GET /api/v1/cases/{number}/actions/`, and is repeated by a constraint of the database. The words
are those of [domain.md](domain.md).

*Needs* are inputs an action is refused without, those in brackets may be given. *Clocks* are those
it may stop (−) and start (+); all others run on. The system takes the actions it is named for by
itself, by timer or setting.

## Stages

| stage | 中文 | belongs to |
|---|---|---|
"""
_WHO = {Who.LEAD: "", Who.ASSISTING: " (assisting)", Who.NEARBY: " (near it, not the reporter)"}
_SETS = {"open": OPEN_STAGES, "filed": FILED_STAGES, "with unit": UNIT_STAGES}


class Command(BaseCommand):
    """Print the table."""

    help = "Print docs/workflow.md: the workflow table as people read it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print Markdown."""
        self.stdout.write(workflow_page(), ending="")


def workflow_page() -> str:
    """Return the whole page."""
    parts = [_HEAD, *_stages(), "\n## How a case comes in\n\n", *_table(BEGINNINGS)]
    parts += ["\n## What is done to a case\n\n", *_table(MOVES)]
    parts += ["\n## Reasons to choose from\n\n| action | reasons |\n|---|---|\n"]
    parts += [f"| `{action}` | {_codes(codes)} |\n" for action, codes in REASONS.items()]
    parts += ["\n## Written by the system, the stage unchanged\n\n| event | 中文 |\n|---|---|\n"]
    parts += [f"| `{action}` | {_zh(action)} |\n" for action in NOTES]
    return "".join(parts)


def _stages() -> list[str]:
    rows = []
    for stage in Stage:
        sets = [f"*{name}*" for name, stages in _SETS.items() if stage in stages]
        rows.append(f"| `{stage}` | {_zh(stage)} | {', '.join(sets) or 'ended'} |\n")
    return rows


def _zh(word: Action | Stage) -> str:
    with override("zh-hans"):
        return str(word.label)


def _table(moves: dict[Action, Move]) -> list[str]:
    head = (
        "| action | 中文 | from → to | who | needs | only if | clocks | reporter |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    return [head, *(_row(action, move) for action, move in moves.items())]


def _row(action: Action, move: Move) -> str:
    cells = (
        f"`{action}`",
        _zh(action),
        f"{_sources(move)} → {_targets(action, move)}",
        _who(move),
        _needs(move),
        " ".join(_first_line(guard.__doc__) for guard in move.guards),
        _clocks(move),
        "told" if move.tells_reporter else "",
    )
    return "| " + " | ".join(cells) + " |\n"


def _sources(move: Move) -> str:
    """Return the stages an action may be taken from; a known set of them by its name."""
    for name, stages in _SETS.items():
        if move.sources == stages:
            return f"*{name}*"
    if move.sources > FILED_STAGES:
        return f"*filed*, {_codes(_ordered(move.sources - FILED_STAGES))}"
    return _codes(_ordered(move.sources)) or "–"


def _targets(action: Action, move: Move) -> str:
    if action in (Action.RESUME, Action.UNMERGE):
        return "the stage before"
    targets = [f"`{target}`" for target in move.targets]
    return " or ".join([*targets, *(["same"] if move.may_stay else [])])


def _who(move: Move) -> str:
    who = ", ".join(role.value for role in Role if role in move.roles)
    return f"{who}{_WHO[move.who]}"


def _needs(move: Move) -> str:
    needed = [f"`{name}`" for name in Input if name in move.required]
    may = [f"`{name}`" for name in Input if name in move.optional]
    return " ".join([", ".join(needed), f"({', '.join(may)})" if may else ""]).strip()


def _clocks(move: Move) -> str:
    return " ".join(
        f"{sign} {'all' if kinds == frozenset(ClockKind) else _codes(_ordered(kinds))}"
        for sign, kinds in (("−", move.stops), ("+", move.starts))
        if kinds
    )


def _ordered(members: Iterable[StrEnum | Stage | ClockKind]) -> list[str]:
    """Return the values of members of one word list in its own order."""
    found = set(members)
    kind = type(next(iter(found))) if found else Stage
    return [member.value for member in kind if member in found]


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].replace("|", "/")
