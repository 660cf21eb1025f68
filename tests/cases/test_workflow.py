"""The workflow table against a second one, written by hand from domain.md §3."""

from itertools import product

import pytest

from cases.choices import Action, Role, Stage
from cases.errors import MoveNotAllowed
from cases.workflow import MOVES, NOTES, actions_from, steps, target_of

# action: (from, to, who)
ALLOWED = {
    "accept": ("reported", "accepted", "acceptor system"),
    "decline": ("reported accepted", "declined", "acceptor"),
    "file": ("accepted", "filed", "duty_chief system"),
    "decline_filing": ("accepted", "declined", "duty_chief"),
    "dispatch": ("filed", "dispatched", "dispatcher system"),
    "sign": ("dispatched", "handling", "unit"),
    "return": ("dispatched handling", "returned disputed", "unit"),
    "reassign": ("returned dispatched handling", "dispatched", "dispatcher"),
    "arbitrate": ("disputed", "dispatched", "dispatcher supervisor"),
    "finish": ("handling rework", "handled", "unit"),
    "send_check": ("handled", "checking", "acceptor system"),
    "answer_check": ("checking", "checked returned", "inspector"),
    "rework": ("returned", "rework", "dispatcher"),
    "close": ("checked", "closed", "duty_chief"),
}


@pytest.mark.parametrize("action", list(Action))
def test_target_of_follows_the_table(action):
    sources, targets, roles = (text.split() for text in ALLOWED.get(action, ("", "", "")))

    for stage, role in product(Stage, Role):
        if stage in sources and role in roles:
            for target in targets:
                assert target_of(action, stage=stage, roles=[role], outcome=target) == target
            assert action in actions_from(stage, roles=[role])
        else:
            with pytest.raises(MoveNotAllowed):
                target_of(action, stage=stage, roles=[role])
            assert action not in actions_from(stage, roles=[role])


def test_steps_are_the_table_and_nothing_else():
    moves = {
        (action, source, target)
        for action, (sources, targets, _) in ALLOWED.items()
        for source, target in product(sources.split(), targets.split())
    }
    notes = {(note, stage, stage) for note, stage in product(NOTES, Stage)}

    assert set(steps()) == moves | notes | {("report", None, "reported")}


def test_no_role_of_one_centre_judges_and_dispatches():
    for action in (Action.CLOSE, Action.FILE, Action.ACCEPT):
        assert Role.DISPATCHER not in MOVES[action].roles
    assert Role.ACCEPTOR not in MOVES[Action.DISPATCH].roles
