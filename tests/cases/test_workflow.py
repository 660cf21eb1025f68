"""The workflow table against a second one, written by hand from domain.md §2 to §4.

Full product of stage, action and role; inputs, guards, clocks, and who is told, for each action.
"""

from datetime import UTC, datetime, timedelta
from itertools import product
from types import SimpleNamespace

import pytest

from cases.choices import Action, ClockKind, Role, Stage
from cases.errors import MoveNotAllowed
from cases.workflow import BEGINNINGS, MOVES, NOTES, actions_from, refusal_of, steps, target_of

# Groups of stages, as domain.md §3 speaks of them.
UNIT = "dispatched handling rework"
FILED = f"filed {UNIT} handled checking checked returned disputed suspended"
OPEN = f"reported verifying accepted {FILED}"
SCORED = f"{FILED} closed voided merged"
ANY = " ".join(ClockKind)

# action: (from, to, who, what it needs); "same" stays where it is
ALLOWED = {
    # 案件建立
    "accept": ("reported", "accepted", "acceptor system", ""),
    "send_verify": ("reported", "verifying", "acceptor", ""),
    "answer_verify": ("verifying", "reported", "inspector", "passed"),
    "decline": ("reported accepted", "declined", "acceptor", "reason"),
    "file": ("accepted", "filed", "duty_chief system", "condition"),
    "decline_filing": ("accepted", "declined", "duty_chief", "reason"),
    "reclassify": ("filed dispatched handling", "same", "duty_chief", "condition"),
    # 任务派遣
    "dispatch": ("filed", "dispatched", "dispatcher system", "unit"),
    "transfer": ("filed", "same", "dispatcher", "district reason"),
    "redispatch": (UNIT, "same", "unit_head dispatcher", "unit"),
    "send_assist": (UNIT, "same", "dispatcher", "assist"),
    "return": ("dispatched handling", "returned disputed", "unit", "reason"),
    "reassign": ("returned dispatched handling", "dispatched", "dispatcher", "unit"),
    "dispute": ("returned", "disputed", "dispatcher supervisor", ""),
    "arbitrate": ("disputed", "dispatched", "dispatcher supervisor", "unit"),
    # 任务处理
    "sign": ("dispatched", "handling", "unit", ""),
    "assign_handler": (UNIT, "same", "unit_head", "handler"),
    "release_handler": (UNIT, "same", "unit_head", ""),
    "assist": (UNIT, "same", "unit", ""),
    "request_extension": (UNIT, "same", "unit", "reason"),
    "decide_extension": (UNIT, "same", "unit_head dispatcher", "approved"),
    "request_suspension": ("handling rework", "same", "unit", "reason until"),
    "decide_suspension": ("handling rework", "suspended same", "dispatcher", "approved"),
    "defer": ("handling rework", "suspended", "leader", "reason until"),
    "resume": ("suspended", "handling rework", "dispatcher system", ""),
    "finish": ("handling rework", "handled", "unit", ""),
    # 核查结案
    "send_check": ("handled", "checking", "acceptor system", ""),
    "answer_check": ("checking", "checked returned", "inspector", "passed"),
    "rework": ("returned", "rework", "dispatcher", ""),
    "close": ("checked", "closed", "duty_chief", ""),
    "force_close": (FILED, "closed", "duty_chief", "reason"),
    "void": (OPEN, "voided", "duty_chief", "reason"),
    "merge": (OPEN, "merged", "dispatcher", "into"),
    "unmerge": ("merged", OPEN, "dispatcher", ""),
    "reopen": ("closed", "returned", "duty_chief", "reason"),
    # 督办 and 综合评价
    "remind": (OPEN, "same", "acceptor duty_chief dispatcher supervisor system", ""),
    "support": (OPEN, "same", "inspector", "place"),
    "supervise": (OPEN, "same", "leader supervisor system", "note reply_by"),
    "reply_supervision": (OPEN, "same", "unit unit_head dispatcher", "note"),
    "revisit": ("closed declined", "same", "operator", "satisfaction"),
    "appeal": ("closed", "same", "unit unit_head", "note"),
    "decide_appeal": ("closed", "same", "dispatcher acceptor", "approved"),
    "audit_closure": ("closed", "same", "supervisor system", ""),
    "audit_decline": ("declined", "same", "supervisor system", ""),
    "answer_audit": ("closed declined", "same", "inspector", "passed"),
    "confirm_exit": (SCORED, "same", "assessor", "note"),
    "propose_adjust": (SCORED, "same", "assessor", "period effect note"),
    "adjust": (SCORED, "same", "assessor", "approved"),
    "recompute_deadline": (FILED, "same", "admin system", ""),
}

# action: (clocks it may stop, clocks it may start); all others run on
CLOCKS = {
    "accept": ("", ""),  # the accept clock runs on: "file with accept"
    "send_verify": ("accept", "verify"),
    "answer_verify": ("verify", "accept"),
    "decline": ("accept supervise hotline", ""),
    "file": ("accept", "dispatch"),
    "decline_filing": ("accept supervise hotline", ""),
    "reclassify": ("", "handle"),  # moved, counted from the run's own start
    "dispatch": ("dispatch", "sign handle"),
    "return": ("sign handle extend", "dispatch arbitrate"),
    "reassign": ("dispatch sign handle extend", "sign handle"),
    "dispute": ("dispatch", "arbitrate"),
    "arbitrate": ("arbitrate", "sign handle"),
    "sign": ("sign", ""),  # signing does not restart the handling clock
    "decide_extension": ("extend", "extend"),
    "decide_suspension": ("handle extend", "suspend"),
    "defer": ("handle extend", "suspend"),
    "resume": ("suspend", "handle"),
    "finish": ("sign handle extend", ""),
    "send_check": ("", "check"),
    "answer_check": ("check", "dispatch"),
    "rework": ("dispatch", "handle"),
    "close": ("supervise hotline", ""),
    "force_close": (ANY, ""),
    "void": (ANY, ""),
    "merge": (ANY, ""),
    "unmerge": ("", ANY),
    "reopen": ("", "dispatch handle"),
    "supervise": ("", "supervise"),
    "reply_supervision": ("supervise", ""),
    "recompute_deadline": ("", "handle"),
}

TELLS_REPORTER = {"accept", "decline", "file", "decline_filing", "close", "force_close", "void"}

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
LATE = {"due_at": NOW - timedelta(seconds=1)}
# A case on which no guard refuses anything but what has not been asked for.
FREE = {
    "stage": "handling",
    "source": "hotline",
    "due_at": NOW,  # a deadline met to the second is met
    "arbitrated_unit": "",
    "parent_unit": "",
    "last_reason": "other",
    "waiting_for": [],
    "extensions_left": 1,
    "suspensions_left": 1,
    "handler_id": 1,
    "reopen_until": NOW,
    "was_late": True,
    "appeal": "",
    "exit_confirmed": False,
    "unit_id": "office",
}
# action: [(role, what must be so beside FREE, [what refuses it then])]
GUARDS = {
    "send_verify": [("acceptor", {}, [{"source": "inspector"}, {"source": "leader"}])],
    "return": [
        (
            "unit",
            {"arbitrated_unit": "another"},
            [
                LATE,
                {"arbitrated_unit": "office"},
                {"arbitrated_unit": "head office", "parent_unit": "head office"},
            ],
        )
    ],
    "dispute": [("dispatcher", {}, [{"last_reason": "check_failed"}, {"last_reason": "reopened"}])],
    "rework": [
        (
            "dispatcher",
            {"last_reason": "check_failed"},
            [{"last_reason": "other"}, {"unit_id": None}],
        ),
        ("dispatcher", {"last_reason": "reopened"}, [{"last_reason": "not_responsible"}]),
    ],
    "release_handler": [("unit_head", {}, [{"handler_id": None}])],
    "assist": [("unit", {"waiting_for": ["assist"]}, [{"waiting_for": []}])],
    "request_extension": [
        (
            "unit",
            {},
            [
                LATE,
                {"extensions_left": 0},
                {"waiting_for": ["extension_head"]},
                {"waiting_for": ["extension"]},
            ],
        )
    ],
    "decide_extension": [
        (
            "unit_head",
            {"waiting_for": ["extension_head"]},
            [LATE, {"waiting_for": ["extension"]}, {"waiting_for": []}],
        ),
        (
            "dispatcher",
            {"waiting_for": ["extension"]},
            [LATE, {"waiting_for": ["extension_head"]}, {"waiting_for": []}],
        ),
    ],
    "request_suspension": [
        ("unit", {}, [LATE, {"suspensions_left": 0}, {"waiting_for": ["suspension"]}])
    ],
    "decide_suspension": [
        ("dispatcher", {"waiting_for": ["suspension"]}, [LATE, {"waiting_for": []}])
    ],
    "defer": [("leader", {}, [LATE, {"suspensions_left": 0}])],
    "reopen": [("duty_chief", {}, [{"reopen_until": NOW - timedelta(seconds=1)}])],
    "reply_supervision": [
        (role, {"waiting_for": ["reply"]}, [{"waiting_for": []}])
        for role in ("unit", "unit_head", "dispatcher")
    ],
    "appeal": [
        (role, {}, [{"was_late": False}, {"appeal": "asked"}, {"appeal": "refused"}])
        for role in ("unit", "unit_head")
    ],
    "decide_appeal": [
        ("dispatcher", {"waiting_for": ["appeal"]}, [{"waiting_for": ["appeal_acceptor"]}]),
        ("acceptor", {"waiting_for": ["appeal_acceptor"]}, [{"waiting_for": ["appeal"]}]),
    ],
    "audit_closure": [("supervisor", {}, [{"waiting_for": ["audit"]}])],
    "audit_decline": [("supervisor", {}, [{"waiting_for": ["audit"]}])],
    "answer_audit": [("inspector", {"waiting_for": ["audit"]}, [{"waiting_for": []}])],
    "confirm_exit": [("assessor", {}, [{"was_late": False}, {"exit_confirmed": True}])],
    "propose_adjust": [("assessor", {}, [{"waiting_for": ["adjust"]}])],
    "adjust": [("assessor", {"waiting_for": ["adjust"]}, [{"waiting_for": []}])],
}


def _row(action):
    return [text.split() for text in ALLOWED.get(action, ("", "", "", ""))]


def _targets(targets, stage):
    return [stage if target == "same" else target for target in targets]


@pytest.mark.parametrize("action", list(Action))
def test_target_of_follows_the_table(action):
    sources, targets, roles, _ = _row(action)

    for stage, role in product(Stage, Role):
        if stage in sources and role in roles:
            ends = _targets(targets, stage)
            assert sorted(MOVES[action].targets_from(stage)) == sorted(ends)
            for target in ends:
                assert target_of(action, stage=stage, roles=[role], outcome=target) == target
            assert action in actions_from(stage, roles=[role])
        else:
            with pytest.raises(MoveNotAllowed):
                target_of(action, stage=stage, roles=[role])
            assert action not in actions_from(stage, roles=[role])


def test_steps_are_the_table_and_nothing_else():
    moves = {
        (action, source, target)
        for action in ALLOWED
        for source in _row(action)[0]
        for target in _targets(_row(action)[1], source)
    }
    notes = {(note, stage, stage) for note, stage in product(NOTES, Stage)}

    assert set(steps()) == moves | notes | {
        ("report", None, "reported"),
        ("self_handle", None, "handled"),
    }


def test_cases_begin_with_inspectors_and_operators():
    assert {action: set(move.roles) for action, move in BEGINNINGS.items()} == {
        "report": {"inspector", "operator"},
        "self_handle": {"inspector"},
    }


def test_each_action_needs_what_the_table_says():
    assert {action: set(move.required) for action, move in MOVES.items()} == {
        action: set(_row(action)[3]) for action in ALLOWED
    }


def test_each_action_stops_and_starts_what_the_table_says():
    effects = {action: (set(move.stops), set(move.starts)) for action, move in MOVES.items()}

    assert effects == {
        action: tuple(set(text.split()) for text in CLOCKS.get(action, ("", "")))
        for action in ALLOWED
    }


def test_the_reporter_is_told_of_what_becomes_of_the_report():
    assert {action for action, move in MOVES.items() if move.tells_reporter} == TELLS_REPORTER


@pytest.mark.parametrize("action", list(MOVES))
def test_guards_refuse_what_the_table_says(action):
    trials = GUARDS.get(action, [(role, {}, []) for role in _row(action)[2]])

    assert bool(MOVES[action].guards) == (action in GUARDS)
    for role, wanted, refusing in trials:
        assert refusal_of(action, SimpleNamespace(**FREE | wanted), Role(role), at=NOW) == ""
        for facts in refusing:
            case = SimpleNamespace(**FREE | wanted | facts)
            assert refusal_of(action, case, Role(role), at=NOW) != "", facts


def test_each_guard_has_a_case_it_refuses():
    for action, trials in GUARDS.items():
        for guard in MOVES[action].guards:
            refused = [
                guard(SimpleNamespace(**FREE | wanted | facts), Role(role), NOW)
                for role, wanted, refusing in trials
                for facts in refusing
            ]
            assert any(refused), f"{action}: {guard.__doc__}"


def test_no_role_of_one_centre_judges_and_dispatches():
    for action in (Action.CLOSE, Action.FILE, Action.ACCEPT):
        assert Role.DISPATCHER not in MOVES[action].roles
    for action in (Action.DISPATCH, Action.REASSIGN, Action.MERGE, Action.DECIDE_EXTENSION):
        assert MOVES[action].roles.isdisjoint({Role.ACCEPTOR, Role.DUTY_CHIEF, Role.OPERATOR})
