"""A small city with a month that is over, and rulings that come after: for the life of a period."""

from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from cases.models import Case, DistrictHead, Event
from cases.services.city import load_city
from scoring.models import ScoredPeriod
from scoring.periods import parse_period
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, Story, day
from tests.support.city import SmallCity, open_logs

OCTOBER = parse_period("2026-10")
EACH = 31  # cases a district, enough to be ranked
OPEN = "HHopen"  # since September, where there is one
LATE = "HHhecheng0"  # closed late, so an appeal that is upheld moves it


def story(number, district, on, *, late=False, month="10"):
    """Tell a quick case of a month from its filing to its closing."""
    begun = day(f"{month}-01") + timedelta(days=on % 25, hours=on)
    due = begun + timedelta(hours=4)
    told = Story(number, district, grid_cell=f"c{on}").filed(begun).given(begun, due)
    end = due + timedelta(hours=1 if late else -1)
    return told.signed(begun).finished(end).checked(end).closed(end)


def october(folder, *, with_september=False):
    """Load the city and a month of it: in each district one case more was late than in the last.

    And a month before in which one was late in each, HHhecheng900, and one stayed open.
    """
    open_logs()
    load_city(SmallCity(folder).write(), since=None, progress=lambda line: None)
    write(cases_of_october(with_september=with_september))
    DistrictHead.objects.update(dseq=10_000)  # behind all of these


def cases_of_october(*, with_september=False):
    """Return the rows of all cases."""
    rows = []
    for place, district in enumerate(DISTRICTS):
        for n in range(EACH):
            rows += story(f"HH{district}{n}", district, n, late=n <= place).rows
            if with_september:
                number = f"HH{district}9{n:02d}"
                rows += story(number, district, n, late=not n, month="09").rows
    if with_september:
        left = Story(OPEN, "landport").filed(day("09-20")).given(day("09-20"), day("12-30"))
        rows += left.rows
    return rows


def dated(period=OCTOBER, *, closed=timedelta(days=-3), window=timedelta(days=2)):
    """Let a period have closed so long ago, and be open to objections for so much longer."""
    now = timezone.now()
    with unguarded():
        ScoredPeriod.objects.update_or_create(
            name=period.name,
            defaults={
                "ends_at": period.end,
                "closes_at": now + closed,
                "window_until": now + window,
                "closed_by": None,
            },
        )


def window_over(period=OCTOBER):
    """Let the days of objections be over."""
    dated(period, window=timedelta(days=-1))


@contextmanager
def unguarded():
    """Let a test set dates, whatever the triggers say of them."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE scoring_scoredperiod DISABLE TRIGGER scoring_period_stands")
        yield
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE scoring_scoredperiod ENABLE TRIGGER scoring_period_stands")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def rule(number, action="decide_appeal", **facts):
    """Add a ruling to the log of a case, now."""
    case = Case.objects.get(number=number)
    last = Event.objects.filter(case=case).latest("case_seq")
    dseq = Event.objects.filter(scope=last.scope).aggregate(top=Max("dseq"))["top"] + 1
    facts = facts or {"level": "acceptor", "upheld": True}
    return Event.objects.create(
        scope=last.scope,
        dseq=dseq,
        case=case,
        case_seq=last.case_seq + 1,
        action=action,
        from_stage=last.to_stage,
        to_stage={"void": "voided"}.get(action, last.to_stage),
        at=timezone.now(),
        actor_role="system",
        district=last.district,
        body=last.body,
        unit=last.unit,
        data={"set": {}, "facts": facts},
        header="",
        body_digest=b"",
        prev_hash=b"",
        hash=b"",
    )


def touch_heads():
    """Let the heads say that something was written, as the ledger does with every event."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cases_districthead SET dseq = dseq + 1, hash = sha256(hash)")
