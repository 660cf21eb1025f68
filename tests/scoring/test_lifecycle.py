"""The life of a period: its dates, its closing, two people who publish it, and what then stands."""

import threading
from datetime import date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cases.choices import Role
from cases.errors import InvalidInput, NotAllowed, PeriodClosed, StalePeriod, StillDisputed
from cases.models import Case, Request
from scoring import publishing, services
from scoring.bulletin_texts import write_texts
from scoring.changes import annex_of, changes_between
from scoring.entries import enter_points
from scoring.lifecycle import Stand, require_open, require_provisional, stand_of
from scoring.models import Edition, ManualEntry, Objection, Run, RunList, ScoredPeriod
from scoring.objections import raise_objection
from scoring.periods import CITY_TIME, parse_period
from scoring.publishing import (
    approve_edition,
    close_period,
    extend_window,
    return_edition,
    set_dates,
    submit_run,
)
from scoring.services import compute_run, forget_provisional, recompute
from scoring.versions import scheme_of
from tests.scoring.periods_city import (
    LATE,
    OCTOBER,
    OPEN,
    dated,
    october,
    rule,
    touch_heads,
    window_over,
)
from tests.support.people import person

FAR = parse_period("2098-10")
SEPTEMBER = parse_period("2026-09")


def at_once(*acts):
    """Run acts at the same moment, each with its own connection; return what each came to."""
    start, came = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        start.wait(10)
        try:
            act()
            came[place] = "done"
        except Exception as refusal:  # noqa: BLE001  # the test looks at what it was
            came[place] = type(refusal).__name__
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return came


@pytest.fixture
def office(transactional_db):
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(3)]


@pytest.fixture
def city(transactional_db, tmp_path):
    october(tmp_path)


@pytest.fixture
def published(city, office):
    """October, published by the first two assessors."""
    return publish(office)


def publish(office, reason="", period=OCTOBER):
    run = compute_run(period)
    edition = submit_run(period=period, seen_run=run.pk, reason=reason, actor=office[0])
    return approve_edition(period=period, edition=edition.pk, seen_seal=run.seal, actor=office[1])


def submitted(office):
    run = compute_run(OCTOBER)
    return submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0])


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "state"),
    [
        (datetime(2026, 10, 20, tzinfo=CITY_TIME), Stand.LIVE),
        (datetime(2026, 11, 2, 23, 59, tzinfo=CITY_TIME), Stand.LIVE),
        (datetime(2026, 11, 3, tzinfo=CITY_TIME), Stand.OBJECTIONS),
        (datetime(2026, 11, 7, 23, 59, tzinfo=CITY_TIME), Stand.OBJECTIONS),
        (datetime(2026, 11, 8, tzinfo=CITY_TIME), Stand.CLOSED),
    ],
)
def test_a_period_closes_by_itself_on_the_citys_day(settings, at, state):
    settings.SCORE_CLOSES_AFTER_DAYS, settings.SCORE_OBJECTION_DAYS = 2, 5

    standing = stand_of(OCTOBER, at=at)

    assert standing.state == state
    assert (standing.closed_at is None) == (state == Stand.LIVE)
    assert standing.closed_by == ""
    assert ScoredPeriod.objects.count() == 0


@pytest.mark.django_db
def test_the_office_sets_the_day_and_the_days(office):
    day = date(2098, 11, 12)

    set_dates(period=FAR, closes_on=day, days=6, actor=office[0])

    standing = stand_of(FAR)
    assert standing.closes_at == datetime(2098, 11, 12, tzinfo=CITY_TIME)
    assert standing.window_until == datetime(2098, 11, 18, tzinfo=CITY_TIME)
    assert standing.state == Stand.LIVE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("closes_on", "days", "field"),
    [(date(2098, 10, 31), 5, "closes_on"), (date(2099, 1, 1), 5, "closes_on"),
     (date(9999, 12, 31), 5, "closes_on"), (date(2098, 11, 3), 0, "days"),
     (date(2098, 11, 3), 4, "days"), (date(2098, 11, 3), 61, "days")],
)  # fmt: skip
def test_dates_that_cannot_be_are_refused(office, closes_on, days, field):
    with pytest.raises(InvalidInput) as refusal:
        set_dates(period=FAR, closes_on=closes_on, days=days, actor=office[0])

    assert list(refusal.value.fields) == [field]
    assert ScoredPeriod.objects.count() == 0


@pytest.mark.django_db
def test_an_assessor_closes_a_period_that_is_over_and_then_it_is_open_to_objections(office):
    dated(closed=timedelta(days=4), window=timedelta(days=9))
    assert stand_of(OCTOBER).state == Stand.LIVE

    close_period(period=OCTOBER, days=5, actor=office[0])

    standing = stand_of(OCTOBER, reader=office[1])
    assert (standing.state, standing.closed_by, standing.action) == (
        Stand.OBJECTIONS, office[0].name, "",
    )  # fmt: skip
    assert standing.window_until.astimezone(CITY_TIME).hour == 0
    assert timedelta(days=5) < standing.window_until - standing.closes_at <= timedelta(days=6)


@pytest.mark.django_db
def test_only_the_office_closes_and_only_what_is_over_and_not_closed(office):
    dated(closed=timedelta(days=4), window=timedelta(days=9))
    before = ScoredPeriod.objects.values().get()

    for actor in (person("a", Role.ASSESSOR, "hecheng"), person("l", Role.LEADER)):
        with pytest.raises(NotAllowed):
            close_period(period=OCTOBER, days=5, actor=actor)
    with pytest.raises(InvalidInput):
        close_period(period=FAR, days=5, actor=office[0])
    assert [ScoredPeriod.objects.values().get()] == [before]

    dated()
    before = ScoredPeriod.objects.values().get()
    with pytest.raises(StalePeriod):
        close_period(period=OCTOBER, days=9, actor=office[0])
    with pytest.raises(StalePeriod):
        set_dates(period=OCTOBER, closes_on=date(2098, 1, 1), days=9, actor=office[0])
    assert ScoredPeriod.objects.values().get() == before


@pytest.mark.django_db
def test_the_window_only_grows(office):
    dated()
    before = stand_of(OCTOBER).window_until
    later = (before + timedelta(days=3)).astimezone(CITY_TIME).date()

    today = timezone.localdate()
    for until in (today, today + timedelta(days=60), date(9999, 12, 31)):
        with pytest.raises(InvalidInput):
            extend_window(period=OCTOBER, until=until, actor=office[0])
    assert stand_of(OCTOBER).window_until == before
    extend_window(period=OCTOBER, until=later, actor=office[0])

    assert stand_of(OCTOBER).window_until == datetime(
        later.year, later.month, later.day, tzinfo=CITY_TIME
    ) + timedelta(days=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScoredPeriod.objects.update(window_until=before)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScoredPeriod.objects.all().delete()


# --- publishing ---------------------------------------------------------------------------------


def test_two_people_publish_exactly_one_run(city, office):
    run = compute_run(OCTOBER)
    assert stand_of(OCTOBER, reader=office[0]).action == "submit"

    edition = submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0])
    waits = {user.username: stand_of(OCTOBER, reader=user).action for user in office}
    approve_edition(period=OCTOBER, edition=edition.pk, seen_seal=run.seal, actor=office[1])

    standing = stand_of(OCTOBER, reader=office[2])
    assert waits == {"assessor0": "", "assessor1": "approve", "assessor2": "approve"}
    assert (standing.state, standing.edition, standing.run) == (Stand.PUBLISHED, 1, run)
    assert standing.published_by == ("assessor0", "assessor1")
    assert standing.action == "reissue"


def test_who_submitted_does_not_approve_nor_anybody_outside_the_office(city, office):
    edition = submitted(office)
    outside = [person("x", Role.ASSESSOR, "hecheng"), person("y", Role.LEADER)]

    for actor in (office[0], *outside):
        with pytest.raises(NotAllowed):
            approve_edition(
                period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=actor
            )
    with pytest.raises(IntegrityError), transaction.atomic():
        Edition.objects.update(approved_by=office[0], approved_at=timezone.now())
    with pytest.raises(StalePeriod):
        approve_edition(period=OCTOBER, edition=edition.pk, seen_seal="0" * 64, actor=office[1])

    assert not Edition.objects.get().is_published


def test_what_is_submitted_is_what_was_seen(city, office):
    seen = compute_run(OCTOBER)
    rule(LATE)
    touch_heads()

    with pytest.raises(StalePeriod):
        submit_run(period=OCTOBER, seen_run=seen.pk, reason="", actor=office[0])

    assert Edition.objects.count() == 0


def test_a_run_sent_back_stays_on_record_and_another_is_submitted(city, office):
    edition = submitted(office)

    with pytest.raises(InvalidInput):
        return_edition(period=OCTOBER, edition=edition.pk, reason=" ", actor=office[1])
    return_edition(period=OCTOBER, edition=edition.pk, reason="进度有误", actor=office[1])
    again = submitted(office)
    with pytest.raises(IntegrityError), transaction.atomic():
        Edition.objects.filter(returned_at__isnull=False).update(returned_reason="x")

    assert again.number == 1
    assert list(Edition.objects.values_list("returned_reason", flat=True)) == ["进度有误", ""]


def test_a_form_of_a_run_that_was_sent_back_does_nothing_to_the_next_one(city, office):
    """Its number and its seal are those of the one before; its reason may be another."""
    sent = submitted(office)
    return_edition(period=OCTOBER, edition=sent.pk, reason="再看", actor=office[1])
    again = submitted(office)
    assert (again.number, again.run) == (sent.number, sent.run)

    for act in (
        lambda: approve_edition(
            period=OCTOBER, edition=sent.pk, seen_seal=sent.run.seal, actor=office[1]
        ),
        lambda: return_edition(period=OCTOBER, edition=sent.pk, reason="再看", actor=office[1]),
    ):
        with pytest.raises(StalePeriod):
            act()
    again.refresh_from_db()

    assert (again.approved_at, again.returned_at) == (None, None)


def test_nothing_is_submitted_while_it_runs_or_may_be_objected(city, office):
    run = compute_run(OCTOBER)

    dated(closed=timedelta(days=1), window=timedelta(days=2))
    with pytest.raises(PeriodClosed):
        submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0])
    dated()
    with pytest.raises(PeriodClosed):
        submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0])

    assert Edition.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "more"), [("appeal", {}), ("adjust", {"period": "2026-10", "effect": "exempt"})]
)
def test_an_open_appeal_or_adjustment_blocks_submission_and_approval(city, office, kind, more):
    case = Case.objects.get(number=LATE)
    in_time = stand_of(OCTOBER).window_until - timedelta(seconds=1)
    asked = Request(case=case, kind=kind, asked_by=office[2], asked_at=in_time, **more)

    edition = submitted(office)
    asked.save()
    with pytest.raises(StillDisputed):
        approve_edition(
            period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1]
        )
    assert not Edition.objects.get().is_published
    return_edition(period=OCTOBER, edition=edition.pk, reason="申诉未决", actor=office[1])
    with pytest.raises(StillDisputed):
        submitted(office)
    assert stand_of(OCTOBER).is_blocked
    assert stand_of(parse_period("2026-Q4")).is_blocked
    assert not stand_of(parse_period("2026-09")).is_blocked

    Request.objects.update(state="refused", decided_at=timezone.now(), decided_by=office[0])

    assert publish(office).is_published


def test_an_appeal_asked_after_the_days_of_objections_holds_nothing_back(city, office):
    case, late = Case.objects.get(number=LATE), stand_of(OCTOBER).window_until
    Request.objects.create(case=case, kind="appeal", asked_by=office[2], asked_at=late)

    assert publish(office).is_published
    assert stand_of(OCTOBER).open_appeals == 0


@pytest.mark.parametrize(
    ("action", "facts"),
    [("decide_appeal", {"level": "acceptor", "upheld": True}),
     ("adjust", {"period": "2026-10", "effect": "exempt", "approved": True}),
     ("confirm_exit", {"reason": "移交"})],
)  # fmt: skip
def test_what_was_granted_after_the_submission_is_not_lost(city, office, action, facts):
    edition = submitted(office)
    rule(LATE, action, **facts)
    touch_heads()

    with pytest.raises(StalePeriod):
        approve_edition(
            period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1]
        )
    assert not Edition.objects.get().is_published
    return_edition(period=OCTOBER, edition=edition.pk, reason="申诉成立", actor=office[1])

    assert publish(office).run != edition.run


def test_what_was_refused_after_the_submission_is_no_hindrance(city, office):
    edition = submitted(office)
    rule(LATE, level="acceptor", upheld=False)
    rule("HHhecheng1", "adjust", approved=False)
    rule("HHhecheng2", "adjust", period="2026-09", effect="exempt", approved=True)

    approve_edition(period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1])

    assert Edition.objects.get().is_published


@pytest.fixture
def quarter(transactional_db, tmp_path):
    """The quarter that ended with September, of which there are cases."""
    october(tmp_path, with_september=True)
    return parse_period("2026-Q3")


def test_a_run_whose_inputs_changed_since_it_was_submitted_is_not_approved(quarter, office):
    run = compute_run(quarter)
    edition = submit_run(period=quarter, seen_run=run.pk, reason="", actor=office[0])
    ManualEntry.objects.create(
        scheme=run.scheme, period=quarter.name, body="hecheng", code="A1", points=1,
        evidence="a", reason="b", by=office[2],
    )  # fmt: skip

    with pytest.raises(StalePeriod):
        approve_edition(period=quarter, edition=edition.pk, seen_seal=run.seal, actor=office[1])

    assert not Edition.objects.get().is_published


def test_a_deadline_put_right_after_the_submission_is_not_lost(quarter, office):
    run = compute_run(quarter)
    edition = submit_run(period=quarter, seen_run=run.pk, reason="", actor=office[0])
    rule(OPEN, "recompute_deadline", calendar_version=2)

    with pytest.raises(StalePeriod):
        approve_edition(period=quarter, edition=edition.pk, seen_seal=run.seal, actor=office[1])

    assert not Edition.objects.get().is_published


def test_a_quarter_waits_for_the_objections_to_its_months(quarter, office):
    run = compute_run(quarter)

    def submit():
        return submit_run(period=quarter, seen_run=run.pk, reason="", actor=office[0])

    dated(SEPTEMBER)
    assert stand_of(quarter).open_inside == ["2026-09"]
    with pytest.raises(PeriodClosed):
        submit()
    assert Edition.objects.count() == 0
    window_over(SEPTEMBER)
    edition = submit()
    dated(SEPTEMBER)
    with pytest.raises(PeriodClosed):
        approve_edition(period=quarter, edition=edition.pk, seen_seal=run.seal, actor=office[1])
    assert not Edition.objects.get().is_published


def test_a_run_that_cannot_be_computed_again_is_not_approved(city, office):
    edition = submitted(office)
    with connection.cursor() as cursor:  # a log that was bent since
        cursor.execute(
            "UPDATE cases_event SET due_at = due_at + interval '9 days' WHERE id IN ("
            "SELECT e.id FROM cases_event e JOIN cases_case c ON c.id = e.case_id"
            " WHERE c.number = %s AND e.sets_clock)",
            [LATE],
        )

    with pytest.raises(publishing.NotTheSame):
        approve_edition(
            period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1]
        )

    assert not Edition.objects.get().is_published


# --- what then stands ---------------------------------------------------------------------------


def test_a_published_run_and_its_lists_refuse_every_change(published):
    run = published.run
    changes = [
        lambda: Run.objects.filter(pk=run.pk).update(as_of=timezone.now()),
        lambda: RunList.objects.filter(run=run).update(numbers=[]),
        lambda: RunList.objects.filter(run=run).delete(),
        lambda: RunList.objects.create(run=run, body="x", count="y", numbers=[]),
        lambda: Run.objects.raw("DELETE FROM scoring_run WHERE id = %s RETURNING *", [run.pk])[0],
        lambda: Edition.objects.update(reason="x"),
        lambda: Edition.objects.all().delete(),
        lambda: ScoredPeriod.objects.update(window_until=timezone.now() + timedelta(days=9)),
        lambda: Objection.objects.create(
            period_id="2026-10", run=run, body="hecheng", count="filed", value="1",
            district="hecheng", text="x", raised_by=published.submitted_by,
            raised_at=timezone.now(),
        ),
    ]  # fmt: skip
    before = [Run.objects.values().get(), RunList.objects.count(), Edition.objects.values().get()]

    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            change()

    assert before == [
        Run.objects.values().get(), RunList.objects.count(), Edition.objects.values().get(),
    ]  # fmt: skip


def test_rulings_after_publication_change_nothing_and_enter_by_re_issue(published, office):
    first = published.run
    rule(LATE)
    touch_heads()

    newer = compute_run(OCTOBER)
    changes = changes_between(first, newer)
    assert stand_of(OCTOBER).run == first
    assert {(one.body, one.name, tuple(one.entered), tuple(one.left)) for one in changes.moved} >= {
        ("hecheng", "exempt", (LATE,), ()),
        ("hecheng", "assessed", (), (LATE,)),
    }
    assert {one.body for one in changes.moved} == {"hecheng"}
    annex = annex_of(first, newer, OCTOBER, changes)
    assert [(one.number, one.action) for one in annex] == [(LATE, "decide_appeal")]
    assert ("hecheng", "exempt", True) in annex[0].moves

    with pytest.raises(InvalidInput):
        publish(office)
    second = publish(office, reason="申诉成立")

    standing = stand_of(OCTOBER)
    assert (second.number, standing.edition, standing.run) == (2, 2, newer)
    assert list(Edition.objects.values_list("number", "run", "reason")) == [
        (1, first.pk, ""), (2, newer.pk, "申诉成立"),
    ]  # fmt: skip
    with pytest.raises(InvalidInput) as nothing:
        publish(office, reason="再来")
    assert list(nothing.value.fields) == ["reason"]
    assert Edition.objects.count() == 2


def test_a_recomputed_month_gives_the_same_bytes(published):
    rule(LATE)
    rule("HHlandport5", "adjust", period="2026-10", effect="leave_out", approved=True)
    touch_heads()

    assert recompute(published.run) == published.run.result
    assert recompute(compute_run(OCTOBER)) != published.run.result


def test_runs_nobody_needs_are_forgotten_and_sealed_ones_never(published, monkeypatch):
    sealed = published.run.pk
    rule(LATE)
    touch_heads()
    idle = compute_run(OCTOBER).pk
    rule("HHhightech0")
    touch_heads()
    newest = compute_run(OCTOBER)

    monkeypatch.setattr(services, "PROVISIONAL_KEPT", timedelta(0))
    forget_provisional(newest)

    assert set(Run.objects.values_list("pk", flat=True)) == {sealed, newest.pk}
    assert idle not in RunList.objects.values_list("run", flat=True)


# --- what may still be entered ------------------------------------------------------------------


@pytest.fixture
def manual(transactional_db):
    return scheme_of("example-jinhua"), scheme_of("example-yuncheng")


def entered(scheme, actor, period=OCTOBER):
    item = next(i for i in scheme.data["items"] if i["rule"]["kind"] == "manual")
    return enter_points(
        scheme=scheme, period=period, body="hecheng", code=item["code"], points="1",
        evidence="a", reason="b", actor=actor,
    )  # fmt: skip


def test_points_are_entered_until_the_run_is_submitted(city, office, manual):
    scheme = manual[0]
    dated()
    entered(scheme, office[0])
    window_over()
    submitted(office)

    with pytest.raises(PeriodClosed):
        entered(scheme, office[0])

    assert ManualEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_closed_period_takes_what_the_office_enters_and_no_other(office):
    dated()

    with transaction.atomic():
        require_open(OCTOBER, actor=office[0])
    with pytest.raises(PeriodClosed), transaction.atomic():
        require_open(OCTOBER, actor=person("x", Role.ASSESSOR, "hecheng"))
    with pytest.raises(PeriodClosed), transaction.atomic():
        require_open(OCTOBER)
    with pytest.raises(PeriodClosed), transaction.atomic():
        require_provisional(OCTOBER)
    dated(closed=timedelta(days=1))
    with transaction.atomic():
        require_open(OCTOBER)
        require_provisional(OCTOBER)


@pytest.mark.django_db(transaction=True)
def test_after_the_days_of_objections_nothing_enters_unless_they_are_made_longer(office, manual):
    """No number moves that nobody may object to any more; only the bulletin's words still do."""
    window_over()

    with pytest.raises(PeriodClosed, match="days of objections"):
        entered(manual[0], office[0])
    with pytest.raises(PeriodClosed), transaction.atomic():
        require_provisional(OCTOBER)
    write_texts(period=OCTOBER, texts={"overall": "字"}, seen={"overall": 0}, actor=office[0])

    assert ManualEntry.objects.count() == 0
    later = timezone.now().astimezone(CITY_TIME).date() + timedelta(days=3)
    extend_window(period=OCTOBER, until=later, actor=office[0])
    entered(manual[0], office[0])
    assert ManualEntry.objects.count() == 1


# --- at the same moment -------------------------------------------------------------------------


def test_two_close_a_period_at_once_and_one_does(office):
    dated(closed=timedelta(days=4), window=timedelta(days=9))

    came = at_once(
        lambda: close_period(period=OCTOBER, days=5, actor=office[0]),
        lambda: close_period(period=OCTOBER, days=9, actor=office[1]),
    )

    assert sorted(came) == ["StalePeriod", "done"]
    assert ScoredPeriod.objects.get().closed_by == office[came.index("done")]


def test_two_submit_at_once_and_one_run_waits(city, office):
    run = compute_run(OCTOBER)

    came = at_once(*(
        lambda actor=actor: submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=actor)
        for actor in office[:2]
    ))  # fmt: skip

    assert sorted(came) == ["StalePeriod", "done"]
    assert Edition.objects.get().submitted_by == office[came.index("done")]


def test_two_approve_at_once_and_one_is_named(city, office):
    edition = submitted(office)

    came = at_once(*(
        lambda actor=actor: approve_edition(
            period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=actor
        )
        for actor in office[1:]
    ))  # fmt: skip

    assert sorted(came) == ["StalePeriod", "done"]
    assert Edition.objects.get().approved_by == office[1 + came.index("done")]


def test_one_approves_while_another_sends_back(city, office):
    edition = submitted(office)

    came = at_once(
        lambda: approve_edition(
            period=OCTOBER, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1]
        ),
        lambda: return_edition(period=OCTOBER, edition=edition.pk, reason="再看", actor=office[2]),
    )

    after = Edition.objects.get()
    assert sorted(came) == ["StalePeriod", "done"]
    assert after.is_published == (came[0] == "done")


def test_points_entered_while_a_run_is_submitted_come_before_it_or_not_at_all(
    city, office, monkeypatch
):
    """The entry holds the period; the submission waits, and then finds other inputs."""
    dated()
    scheme, run = scheme_of("example-jinhua"), compute_run(OCTOBER)
    after = stand_of(OCTOBER).window_until + timedelta(seconds=1)
    monkeypatch.setattr(publishing, "moment_of_action", lambda: after)
    monkeypatch.setattr(publishing, "is_as_read", lambda run: not ManualEntry.objects.exists())
    held, go = threading.Event(), threading.Event()

    def enter():
        with transaction.atomic():
            entered(scheme, office[1])
            held.set()
            go.wait(10)

    came = at_once(
        enter,
        lambda: (held.wait(10), _after(go, lambda: submit_run(
            period=OCTOBER, seen_run=run.pk, reason="", actor=office[0]))),
    )  # fmt: skip

    assert came == ["done", "StalePeriod"]
    assert Edition.objects.count() == 0
    assert ManualEntry.objects.count() == 1


def _after(go, act):
    """Let the other go on once this one waits for its lock."""
    watch = threading.Thread(target=_release_when_waited_for, args=[go])
    watch.start()
    try:
        act()
    finally:
        go.set()
        watch.join(20)


def _release_when_waited_for(go):
    try:
        while not go.is_set():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                )
                if cursor.fetchone()[0]:
                    go.set()
    finally:
        connection.close()


def test_no_points_enter_a_month_while_its_quarter_is_submitted(quarter, office):
    scheme, run = scheme_of("example-jinhua"), compute_run(quarter)
    held = threading.Event()

    def enter():  # its days of objections are over, or the quarter would have to wait
        held.set()
        entered(scheme, office[1], SEPTEMBER)

    came = at_once(
        enter,
        lambda: (held.wait(10), submit_run(
            period=quarter, seen_run=run.pk, reason="", actor=office[0])),
    )  # fmt: skip

    assert came == ["PeriodClosed", "done"]
    assert (Edition.objects.count(), ManualEntry.objects.count()) == (1, 0)


def test_no_points_enter_a_month_while_its_quarter_is_approved(quarter, office):
    scheme, run = scheme_of("example-jinhua"), compute_run(quarter)
    edition = submit_run(period=quarter, seen_run=run.pk, reason="", actor=office[0])
    held = threading.Event()

    def enter():  # its days of objections are over, or the quarter would have to wait
        held.set()
        entered(scheme, office[1], SEPTEMBER)

    came = at_once(
        enter,
        lambda: (held.wait(10), approve_edition(
            period=quarter, edition=edition.pk, seen_seal=edition.run.seal, actor=office[1])),
    )  # fmt: skip

    assert came == ["PeriodClosed", "done"]
    assert Edition.objects.get().is_published
    assert ManualEntry.objects.count() == 0


def test_an_objection_of_the_last_moment_wins_over_the_submission_that_waited_for_it(
    city, office, monkeypatch
):
    dated()
    run, leader = compute_run(OCTOBER), person("leader", Role.LEADER, "zhongfang")
    after = stand_of(OCTOBER).window_until + timedelta(seconds=1)
    monkeypatch.setattr(publishing, "moment_of_action", lambda: after)
    held, go = threading.Event(), threading.Event()

    def objects():
        with transaction.atomic():
            raise_objection(
                period=OCTOBER, seen_run=run.pk, body="zhongfang", count="filed", text="少一件",
                actor=leader,
            )  # fmt: skip
            held.set()
            go.wait(10)

    came = at_once(
        objects,
        lambda: (held.wait(10), _after(go, lambda: submit_run(
            period=OCTOBER, seen_run=run.pk, reason="", actor=office[0]))),
    )  # fmt: skip

    assert came == ["done", "StillDisputed"]
    assert (Objection.objects.count(), Edition.objects.count()) == (1, 0)


def test_an_objection_that_comes_after_the_submission_is_refused(city, office):
    run, leader = compute_run(OCTOBER), person("leader", Role.LEADER, "zhongfang")
    window_over()
    submitted(office)

    with pytest.raises(PeriodClosed):
        raise_objection(
            period=OCTOBER, seen_run=run.pk, body="zhongfang", count="filed", text="少一件",
            actor=leader,
        )  # fmt: skip

    assert Objection.objects.count() == 0
