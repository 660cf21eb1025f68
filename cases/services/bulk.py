"""One action on many cases: each row is a transaction of its own, with a result of its own."""

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cases.choices import Action, Role
from cases.errors import Busy, InvalidInput, Refusal
from cases.models import Case
from cases.services.moves import require_may_try, take_action
from cases.workflow import MOVES
from cityops.accounts.models import User

ACTIONS = (Action.DISPATCH, Action.SIGN, Action.SEND_CHECK, Action.CLOSE)
MOST_ROWS = 200
MOST_S = 20.0  # seconds after which the rows left are told to come again
DONE = "done"
NOT_FOUND = "not_found"


@dataclass(frozen=True)
class Row:
    """A case as its sender saw it."""

    number: str
    seen_version: int


@dataclass(frozen=True)
class Result:
    """What became of one row: `done`, or the code and sentence of its refusal."""

    number: str
    code: str
    sentence: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)  # the case, where it is done

    @property
    def is_done(self) -> bool:
        """Whether the action was taken, now or by the same request before."""
        return self.code == DONE


def actions_of(roles: Iterable[Role]) -> list[Action]:
    """Return the actions that may be taken on many cases by somebody with `roles`."""
    held = frozenset(roles)
    return [action for action in ACTIONS if not MOVES[action].roles.isdisjoint(held)]


def take_actions(
    *,
    action: Action,
    actor: User,
    rows: Sequence[Row],
    inputs: dict[str, Any],
    key: uuid.UUID,
) -> list[Result]:
    """Take `action` on each row as `take_action` does, in the order given.

    Each row has a key of its own made from `key`, so a request repeated changes nothing where it
    was carried out and tries again where it was refused. Raises InvalidInput for the request as a
    whole; then nothing has changed.
    """
    if action not in ACTIONS:
        raise InvalidInput(
            f"The action {action} is taken on one case at a time.",
            fields={"action": f"take one of {', '.join(ACTIONS)}"},
        )
    if not 0 < len(rows) <= MOST_ROWS:
        raise InvalidInput(
            f"{len(rows)} cases are named.", fields={"rows": f"name 1 to {MOST_ROWS} cases"}
        )
    if len({row.number for row in rows}) < len(rows):
        raise InvalidInput("A case is named twice.", fields={"rows": "name each case once"})
    until = time.monotonic() + MOST_S
    return [_result(row, action, actor, inputs, key, until) for row in rows]


def _result(
    row: Row, action: Action, actor: User, inputs: dict[str, Any], key: uuid.UUID, until: float
) -> Result:
    own_key = uuid.uuid5(key, row.number)
    try:
        if time.monotonic() > until:
            raise Busy("There was no time for this case. Send the same request again.")
        require_may_try(number=row.number, action=None, actor=actor, key=own_key)
        answer = take_action(
            number=row.number,
            action=action,
            actor=actor,
            seen_version=row.seen_version,
            inputs=inputs,
            key=own_key,
        )
    except Case.DoesNotExist:
        return Result(row.number, NOT_FOUND, "There is no such case that you may see.")
    except Refusal as refusal:
        return Result(row.number, refusal.code, refusal.message, refusal.fields)
    return Result(row.number, DONE, answer=answer)
