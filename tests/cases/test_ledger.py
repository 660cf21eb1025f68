"""The ledger: chains verify, changes behind its back are named, rights are fenced."""

import hashlib
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError, ProgrammingError

from cases.ledger import stamp
from cases.models import Case, DistrictHead, Event
from cases.services.ledger_check import verify_ledger
from tests.support.spine import dispatched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def number(people, condition):
    """Return the number of a dispatched case: four events in the log of 鹤城区."""
    return dispatched(people, condition)


def run(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


@transaction.atomic
def run_as(role, sql):
    run(f"SET LOCAL ROLE {role}")
    run(sql)


def test_log_is_gap_free(number):
    assert list(Event.objects.order_by("dseq").values_list("dseq", flat=True)) == [1, 2, 3, 4]
    assert verify_ledger() == []


def test_the_log_tells_when_each_stage_is_due(number):
    events = Event.objects.order_by("dseq")
    starts = {e.action: e.data["starts"] for e in events if "starts" in e.data}
    at = {e.action: e.at for e in events}

    assert starts == {
        "report": {"kind": "accept", "due_at": stamp(at["report"] + timedelta(minutes=15))},
        "file": {"kind": "dispatch", "due_at": stamp(at["file"] + timedelta(minutes=15))},
        "dispatch": {"kind": "sign", "due_at": stamp(at["dispatch"] + timedelta(minutes=60))},
    }


def test_same_hashes_in_sql(number):
    rows = run(
        """
        SELECT hash, sha256(prev_hash || convert_to(header, 'UTF8')
                            || sha256(salt || convert_to(private, 'UTF8')))
        FROM cases_event
        """
    )

    assert len(rows) == 4
    assert all(bytes(stored) == bytes(computed) for stored, computed in rows)


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("UPDATE cases_event SET at = at - interval '1 h' WHERE dseq = 3", "hecheng/3"),
        ("UPDATE cases_event SET due_at = due_at + interval '1 h' WHERE dseq = 4", "hecheng/4"),
        ("UPDATE cases_event SET private = '{\"actor\":null}' WHERE dseq = 2", "hecheng/2"),
        ("UPDATE cases_event SET actor_id = NULL WHERE dseq = 1", "hecheng/1"),
        ("DELETE FROM cases_event WHERE dseq = 2", "hecheng/2"),
        ("DELETE FROM cases_event WHERE dseq = 4", "hecheng/3"),
        ("UPDATE cases_districthead SET dseq = 9 WHERE scope = 'hecheng'", "hecheng/4"),
    ],
)
def test_tampering_is_named_by_position(number, sql, position):
    run(sql)

    faults = verify_ledger()

    assert str(faults[0]).startswith(f"{position}: ")


def test_state_changed_behind_the_log_is_named(number):
    Case.objects.filter(number=number).update(grid_cell="431202001001001", version=99)

    faults = verify_ledger()

    assert {fault.case for fault in faults} == {number}
    assert {fault.what.split()[0] for fault in faults} == {"grid_cell", "version"}


def test_erased_private_part_leaves_the_chain_whole(number):
    Event.objects.update(private=None, salt=None)

    assert verify_ledger() == []


@pytest.mark.parametrize("role", ["cityops_web", "cityops_system"])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE cases_event SET actor_role = 'x'",
        "DELETE FROM cases_event",
        "TRUNCATE cases_event",
        "UPDATE cases_workcalendar SET note = 'x'",
        "UPDATE cases_effectruling SET reason = 'x'",
        "DELETE FROM cases_effectruling",
    ],
)
def test_application_roles_may_not_change_the_log(number, role, sql):
    with pytest.raises(ProgrammingError, match="permission denied"):
        run_as(role, sql)

    assert Event.objects.count() == 4


def test_database_refuses_a_step_the_table_lacks(number):
    event = Event.objects.get(dseq=1)
    event.pk, event.dseq, event.case_seq = None, 99, 99
    event.from_stage, event.to_stage = "reported", "closed"

    with pytest.raises(IntegrityError, match="event_follows_the_table"), transaction.atomic():
        event.save()

    assert Event.objects.count() == 4


def test_head_holds_the_last_hash(number):
    last = Event.objects.get(dseq=4)

    head = DistrictHead.objects.get(scope="hecheng")

    assert bytes(head.hash) == bytes(last.hash)
    assert hashlib.sha256(
        bytes(last.prev_hash) + last.header.encode() + bytes(last.body_digest)
    ).digest() == bytes(last.hash)
