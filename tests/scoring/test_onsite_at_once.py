"""A point of the on-site inspection that is handed on and answered at the same moment."""

import threading
import time

from django.db import connection
from django.utils import timezone

from cases.errors import NotAllowed
from cases.services.city import load_city
from cityops.accounts.roles import Role
from scoring import onsite
from scoring.measured import OnsiteAnswer, OnsitePoint
from scoring.onsite import answer_point, draw_points, replace_assessor
from scoring.periods import month_of
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

MONTH = month_of(timezone.now())


def test_a_point_is_not_answered_while_it_is_handed_on(transactional_db, tmp_path, monkeypatch):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    office, other = person("a1", Role.ASSESSOR), person("a2", Role.ASSESSOR)
    draw = draw_points(period=MONTH, actor=office)
    point = draw.points.filter(assessor=other).first()
    find, came = onsite._next_in, []

    def answer_late():
        try:
            answer_point(point=point, found=[], remark="", actor=other)
        except NotAllowed:
            came.append("refused")
        finally:
            connection.close()

    late = threading.Thread(target=answer_late)

    def once_somebody_waits(*said):
        if not late.ident:
            late.start()
            wait_for_a_waiter()
        return find(*said)

    monkeypatch.setattr(onsite, "_next_in", once_somebody_waits)
    replace_assessor(period=MONTH, username="a2", reason="病假", actor=office)
    late.join(30)

    assert came == ["refused"]
    assert not OnsiteAnswer.objects.exists()
    assert OnsitePoint.objects.get(pk=point.pk).assessor == office


def wait_for_a_waiter():
    """Wait until another connection waits for a lock this one holds."""
    until, waiting = time.monotonic() + 20, 0
    while not waiting:
        assert time.monotonic() < until, "nobody waits"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            waiting = cursor.fetchone()[0]
