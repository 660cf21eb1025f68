"""The workflow table against a second one, written by hand from domain.md §3."""

from itertools import product

import pytest

from cases.choices import Action, Role, Stage
from cases.errors import MoveNotAllowed
from cases.workflow import MOVES, NOTES, actions_from, steps, target_of

# Groups of stages, as domain.md §3 speaks of them.
UNIT = "dispatched handling rework"
FILED = f"filed {UNIT} handled checking checked returned disputed suspended"
OPEN = f"reported verifying accepted {FILED}"
SCORED = f"{FILED} closed voided merged"

# action: (from, to, who); "same" stays where it is
ALLOWED = {
    "accept": ("reported", "accepted", "acceptor system"),
    "send_verify": ("reported", "verifying", "acceptor"),
    "answer_verify": ("verifying", "reported", "inspector"),
    "decline": ("reported accepted", "declined", "acceptor"),
    "file": ("accepted", "filed", "duty_chief system"),
    "decline_filing": ("accepted", "declined", "duty_chief"),
    "reclassify": ("filed dispatched handling", "same", "duty_chief"),
    "dispatch": ("filed", "dispatched", "dispatcher system"),
    "transfer": ("filed", "same", "dispatcher"),
    "redispatch": (UNIT, "same", "unit_head dispatcher"),
    "sign": ("dispatched", "handling", "unit"),
    "return": ("dispatched handling", "returned disputed", "unit"),
    "reassign": ("returned dispatched handling", "dispatched", "dispatcher"),
    "dispute": ("returned", "disputed", "dispatcher supervisor"),
    "arbitrate": ("disputed", "dispatched", "dispatcher supervisor"),
    "request_extension": (UNIT, "same", "unit"),
    "decide_extension": (UNIT, "same", "unit_head dispatcher"),
    "request_suspension": ("handling rework", "same", "unit"),
    "decide_suspension": ("handling rework", "suspended same", "dispatcher"),
    "defer": ("handling rework", "suspended", "leader"),
    "resume": ("suspended", "handling rework", "dispatcher system"),
    "send_assist": (UNIT, "same", "dispatcher"),
    "assist": (UNIT, "same", "unit"),
    "assign_handler": (UNIT, "same", "unit_head"),
    "release_handler": (UNIT, "same", "unit_head"),
    "remind": (OPEN, "same", "acceptor duty_chief dispatcher supervisor system"),
    "supervise": (OPEN, "same", "leader supervisor system"),
    "reply_supervision": (OPEN, "same", "unit unit_head dispatcher"),
    "finish": ("handling rework", "handled", "unit"),
    "send_check": ("handled", "checking", "acceptor system"),
    "answer_check": ("checking", "checked returned", "inspector"),
    "rework": ("returned", "rework", "dispatcher"),
    "close": ("checked", "closed", "duty_chief"),
    "force_close": (FILED, "closed", "duty_chief"),
    "void": (OPEN, "voided", "duty_chief"),
    "merge": (OPEN, "merged", "dispatcher"),
    "unmerge": ("merged", OPEN, "dispatcher"),
    "reopen": ("closed", "returned", "duty_chief"),
    "appeal": ("closed", "same", "unit unit_head"),
    "decide_appeal": ("closed", "same", "dispatcher acceptor"),
    "confirm_exit": (SCORED, "same", "assessor"),
    "propose_adjust": (SCORED, "same", "assessor"),
    "adjust": (SCORED, "same", "assessor"),
    "revisit": ("closed declined", "same", "operator"),
    "audit_closure": ("closed", "same", "supervisor system"),
    "audit_decline": ("declined", "same", "supervisor system"),
    "answer_audit": ("closed declined", "same", "inspector"),
    "recompute_deadline": (FILED, "same", "admin system"),
}


@pytest.mark.parametrize("action", list(Action))
def test_target_of_follows_the_table(action):
    sources, targets, roles = (text.split() for text in ALLOWED.get(action, ("", "", "")))

    for stage, role in product(Stage, Role):
        if stage in sources and role in roles:
            for target in _targets(targets, stage):
                assert target_of(action, stage=stage, roles=[role], outcome=target) == target
            assert action in actions_from(stage, roles=[role])
        else:
            with pytest.raises(MoveNotAllowed):
                target_of(action, stage=stage, roles=[role])
            assert action not in actions_from(stage, roles=[role])


def _targets(targets, stage):
    return [stage if target == "same" else target for target in targets]


def test_steps_are_the_table_and_nothing_else():
    moves = {
        (action, source, target)
        for action, (sources, targets, _) in ALLOWED.items()
        for source in sources.split()
        for target in _targets(targets.split(), source)
    }
    notes = {(note, stage, stage) for note, stage in product(NOTES, Stage)}

    assert set(steps()) == moves | notes | {
        ("report", None, "reported"),
        ("self_handle", None, "handled"),
    }


def test_no_role_of_one_centre_judges_and_dispatches():
    for action in (Action.CLOSE, Action.FILE, Action.ACCEPT):
        assert Role.DISPATCHER not in MOVES[action].roles
    for action in (Action.DISPATCH, Action.REASSIGN, Action.MERGE, Action.DECIDE_EXTENSION):
        assert MOVES[action].roles.isdisjoint({Role.ACCEPTOR, Role.DUTY_CHIEF, Role.OPERATOR})
