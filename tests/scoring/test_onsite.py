"""On-site inspection: points and assessors by lot, one answer, its findings as cases, the mean."""

import csv
import hashlib
import io
import json
import os
import time
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.contrib.gis.geos import Point
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed, PeriodClosed
from cases.models import Area, Attachment, Case, Component, DistrictHead, Effect
from cases.services.effects import run_effect
from cases.services.photo_store import arrived_path, has_arrived, sweep_photos
from cases.services.photos import store
from cityops.accounts.models import User
from cityops.accounts.roles import Role
from scoring.measured import (
    OnsiteAnswer,
    OnsiteDraw,
    OnsiteFinding,
    OnsitePoint,
    OnsiteReplacement,
)
from scoring.onsite import (
    Found,
    answer_point,
    checklist_of,
    draw_points,
    onsite_measures,
    own_districts,
    points_by_kind,
    replace_assessor,
)
from scoring.periods import month_of, months_after
from scoring.versions import scheme_of
from tests.scoring.ledger import write
from tests.scoring.logs import Story
from tests.scoring.periods_city import dated
from tests.support.browsers import picture
from tests.support.people import person
from tests.support.scores import score_now
from tests.support.spine import photo

MONTH = month_of(timezone.now())
LAST = month_of(MONTH.start - timedelta(days=1))


@pytest.fixture
def office(huaihua, db):
    """Two assessors of the city, and one of 鹤城区 who may go everywhere else."""
    person("h1", Role.ASSESSOR, "hecheng")
    person("a2", Role.ASSESSOR)
    return person("a1", Role.ASSESSOR)


@pytest.fixture
def draw(office):
    return draw_points(period=MONTH, actor=office)


def assessor_of(point):
    return User.objects.with_grants().get(pk=point.assessor_id)


def answer(point, *codes, **words):
    found = [Found(code, photo=photo("near").as_note()) for code in codes]
    said = {"found": found, "remark": "", "actor": assessor_of(point)} | words
    return answer_point(point=point, **said)


@pytest.mark.parametrize(
    ("there", "given"),
    [
        ({"a": 99, "b": 99, "c": 99}, {"a": 8, "b": 8, "c": 4}),
        ({"a": 99, "b": 99, "c": 1}, {"a": 10, "b": 9, "c": 1}),  # 3 missing: a, b, a
        ({"a": 0, "b": 9, "c": 99}, {"a": 0, "b": 9, "c": 11}),  # b has one more to give
        ({"a": 2, "b": 0, "c": 3}, {"a": 2, "b": 0, "c": 3}),  # all there are
        ({}, {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_what_a_kind_lacks_goes_to_the_others(there, given):
    assert points_by_kind({"a": 8, "b": 8, "c": 4}, there) == given


def test_each_body_has_as_many_points_and_nobody_goes_to_the_own_district(draw):
    points = list(draw.points.all())
    per_body = {slug: sum(p.body == slug for p in points) for slug in DISTRICT_SLUGS}
    who = {slug: {p.assessor.username for p in points if p.body == slug} for slug in per_body}

    assert per_body == dict.fromkeys(DISTRICT_SLUGS, 24)
    assert who.pop("hecheng") == {"a1", "a2"}
    assert list(who.values()) == [{"a1", "a2", "h1"}] * 3
    assert all(p.kind in draw.pool[p.body] and p.cell in draw.pool[p.body][p.kind] for p in points)
    for point in points[:4]:
        cell = Area.objects.get(level="cell", code=point.cell)
        assert cell.geom.covers(point.place)


def test_kinds_of_place_follow_the_register_and_the_communities(office):
    cells = Area.objects.filter(level="cell", code__startswith="431202001001").order_by("code")
    first, second, third = cells[:3]
    for cell, minor in ((first, "component-0204"), (second, "component-0137")):
        Component.objects.create(code=f"431202{minor[-4:]}000001", name="a", minor_id=minor,
                                 point=cell.label, district="hecheng", county="431202",
                                 grid_cell=cell.code)  # fmt: skip

    pool = draw_points(period=MONTH, actor=office).pool["hecheng"]

    assert first.code in pool["facility"]
    assert second.code in pool["main"]
    assert third.code in pool["back"] + pool["fringe"]
    villages = Area.objects.filter(level="community", name_zh__endswith="村")
    codes = tuple(villages.values_list("code", flat=True))
    assert [c for kind in ("main", "back", "facility") for c in pool[kind] if c[:12] in codes] == []


def test_anybody_repeats_the_draw_from_what_its_page_prints(client, office):
    """Once the month is closed, by nothing of ours: hashlib, the page and the file."""
    dated(LAST)
    draw = draw_points(period=LAST, actor=office, at=LAST.start + timedelta(hours=9))
    client.force_login(person("l1", Role.LEADER, "zhongfang"))
    page = client.get(f"/score/onsite/{LAST.name}/")
    rows = list(csv.DictReader(io.StringIO(
        client.get(f"/score/onsite/{LAST.name}/pool.csv").content.decode())))  # fmt: skip
    shown = page.content.decode()
    heads = [draw.heads[slug] for slug in DISTRICT_SLUGS]

    seed = hashlib.sha256(b"".join(map(bytes.fromhex, heads)) + f"onsite-{LAST.name}".encode())
    assert all(f"<code>{text}</code>" in shown for text in (*heads, seed.hexdigest(), draw.name))

    def lot(text):
        return hashlib.sha256(seed.digest() + text.encode()).digest()

    for body in DISTRICT_SLUGS:
        order, cells = [], {}
        for row in rows:
            if row["body"] == body:
                cells.setdefault(row["kind"], []).append(row["cell"])
        wanted = {kind["code"]: kind["points"] for kind in checklist_of()["kinds"]}
        given = points_by_kind(wanted, {kind: len(found) for kind, found in cells.items()})
        for kind, number in given.items():
            order += sorted(cells.get(kind, []), key=lot)[:number]
        people = sorted({"a1", "a2", "h1"} - ({"h1"} if body == "hecheng" else set()),
                        key=lambda name, body=body: lot(f"{body}/{name}"))  # fmt: skip
        points = draw.points.filter(body=body).order_by("order")
        assert [p.cell for p in points] == order
        assert [p.assessor.username for p in points] == [
            people[n % len(people)] for n in range(len(order))
        ]


def test_a_month_is_drawn_once_and_only_by_the_office(draw, office):
    with pytest.raises(InvalidInput, match="drawn before"):
        draw_points(period=MONTH, actor=office)
    with pytest.raises(NotAllowed):
        draw_points(period=MONTH, actor=person("x1", Role.ASSESSOR, "zhongfang"))
    with pytest.raises(InvalidInput, match="not begun"):
        draw_points(period=months_after(timezone.now(), 1)[0], actor=office)
    with pytest.raises(IntegrityError), transaction.atomic():
        OnsiteDraw.objects.create(
            period=MONTH.name, name="b", seed="", heads={}, checklist={}, pool={}, assessors={},
            drawn_by=office, drawn_at=timezone.now(),
        )  # fmt: skip

    assert OnsiteDraw.objects.count() == 1
    assert OnsitePoint.objects.count() == 96


def test_a_month_that_is_closed_is_neither_drawn_nor_inspected(office):
    """Streets of November are not October's, not even for the office."""
    dated(LAST)
    before = LAST.start + timedelta(hours=9)

    with pytest.raises(PeriodClosed, match="inspected"):
        draw_points(period=LAST, actor=office)
    assert OnsiteDraw.objects.count() == 0
    point = draw_points(period=LAST, actor=office, at=before).points.first()
    with pytest.raises(PeriodClosed):
        answer(point, "S1")
    assert (OnsiteAnswer.objects.count(), Effect.objects.filter(kind="finding").count()) == (0, 0)
    answer(point, "S1", at=before + timedelta(days=1))

    assert OnsiteAnswer.objects.count() == 1


def test_a_body_with_no_stranger_to_send_is_not_drawn(huaihua, db):
    office = person("a1", Role.ASSESSOR)
    office.grant_set.create(role=Role.ACCEPTOR, scope_kind="district", scope_key="hecheng")

    with pytest.raises(InvalidInput, match="sent to Hecheng"):
        draw_points(period=MONTH, actor=office)

    assert OnsiteDraw.objects.count() == 0


def test_the_database_sends_nobody_to_the_own_district(draw):
    one = draw.points.filter(body="hecheng").first()

    with pytest.raises(IntegrityError, match="onsite_not_of_the_body"), transaction.atomic():
        OnsitePoint.objects.create(draw=draw, body="hecheng", kind="back", cell="0", order=99,
                                   place=Point(0, 0), assessor=one.assessor,
                                   assessor_of=["zhongfang", "hecheng"])  # fmt: skip


def test_an_answer_adds_up_and_each_finding_becomes_one_case(draw):
    point = draw.points.filter(body="hecheng").first()

    kept = answer(point, "S1", "S3", remark=" 较差 ")
    effects = Effect.objects.filter(kind="finding")
    outcomes = [run_effect(one.pk) for one in effects]
    again = Effect.objects.filter(pk=effects[0].pk).update(
        state="due", done_at=None, claimed_until=None
    )
    repeated = run_effect(effects[0].pk)

    assert (kept.deducted, kept.score, kept.remark) == (Decimal(8), Decimal(92), "较差")
    found = kept.findings.order_by("pk")
    cases = [Case.objects.get(client_uuid=one.key) for one in found]
    assert outcomes == [case.number for case in cases]
    assert (again, repeated) == (1, cases[0].number)
    assert [case.minor_id for case in cases] == ["event-0112", "event-0111"]
    assert [(case.source, case.grid_cell, case.district) for case in cases] == [
        ("inspector", point.cell, "hecheng")] * 2  # fmt: skip
    assert cases[0].event_set.earliest("case_seq").actor_role == "assessor"
    assert Attachment.objects.filter(case__in=cases, kind="near").count() == 2
    assert Case.objects.count() == 2


@pytest.fixture
def known(draw):
    """A case of 高新区 that an assessor of 鹤城区, who does not see it, brought in."""
    point = draw.points.filter(body="hightech", assessor__username="h1").first()
    first = answer(point, "S1")
    run_effect(Effect.objects.get(kind="finding").pk)
    return Case.objects.get(client_uuid=first.findings.get().key)


def test_a_finding_may_name_the_case_there_is_and_its_photo_is_kept_there(draw, known):
    second = draw.points.filter(body="hightech", assessor__username="h1", answer=None).first()
    note = photo("near").as_note() | {"sha256": "ab" * 32}

    kept = answer(second, found=[Found("S1", photo=note, known_case=known.number)])
    (effect,) = Effect.objects.filter(kind="finding", state="due")
    outcomes = run_effect(effect.pk), Case.objects.count()
    Effect.objects.filter(pk=effect.pk).update(state="due", done_at=None, claimed_until=None)
    again = run_effect(effect.pk)

    assert kept.findings.get().known_case == known.number
    assert (outcomes, again) == ((known.number, 1), known.number)
    evidence = Attachment.objects.filter(case=known, kind="evidence")
    assert [one.sha256 for one in evidence] == ["ab" * 32]
    assert Effect.objects.filter(kind="photo", payload__sha256="ab" * 32).count() == 1


@pytest.mark.parametrize("wrong", ["unknown", "district", "class", "closed", "later"])
def test_a_known_case_is_of_the_district_and_class_and_open_then(draw, known, wrong):
    """Else a deduction could name any case there ever was."""
    body = "zhongfang" if wrong == "district" else "hightech"
    point = draw.points.filter(body=body, answer=None).first()
    number = "HH1" if wrong == "unknown" else known.number
    code = "S3" if wrong == "class" else "S1"
    if wrong == "closed":
        Case.objects.update(stage="closed", closed_at=timezone.now())
    elif wrong == "later":
        Case.objects.update(reported_at=timezone.now() + timedelta(hours=1))

    with pytest.raises(InvalidInput) as refusal:
        answer(point, found=[Found(code, photo=photo("near").as_note(), known_case=number)])

    assert refusal.value.fields == {f"known_{code}": "no open case of this district and class"}
    assert OnsiteAnswer.objects.count() == 1


@pytest.mark.parametrize("state", ["due", "dead", "needs_review", "discarded"])
def test_the_photo_of_a_finding_is_kept_until_it_lies_with_a_case(draw, settings, tmp_path, state):
    """An effect may stand for days; nothing else backs the deduction when it is objected to."""
    settings.MEDIA_ROOT = tmp_path
    answer(draw.points.first(), "S12")
    lone = photo("far")
    raw = io.BytesIO(picture("white")["buffer"])
    stray = store(raw, kind="near", sender=None)
    for one in (lone.sha256, stray.sha256):
        path = arrived_path(one)
        os.utime(path, (time.time() - 26 * 3600,) * 2)
    Effect.objects.filter(kind="finding").update(state=state)

    assert sweep_photos() == "1 uploads, 0 half files"
    assert has_arrived(lone.sha256)  # the same picture as of the finding
    assert not has_arrived(stray.sha256)


def test_who_has_grids_in_a_district_is_not_sent_there(office):
    """An inspector of 鹤城区 who also assesses, and one who came into a post there since."""
    cell = Area.objects.filter(level="cell", code__startswith="431202001001").first().code
    office.grant_set.create(role=Role.INSPECTOR, scope_kind="grids", scope_key="own",
                            grids=[cell[:9]])  # fmt: skip

    draw = draw_points(period=MONTH, actor=office)

    home = {slug for slug in DISTRICT_SLUGS if slug in own_districts([office.pk])[office.pk]}
    assert "hecheng" in home
    assert {p.body for p in draw.points.filter(assessor=office)} & home == set()
    point = draw.points.filter(body="hecheng").first()
    assert point.assessor.username == "a2"
    point.assessor.grant_set.create(role=Role.ACCEPTOR, scope_kind="district",
                                    scope_key="hecheng")  # fmt: skip
    with pytest.raises(NotAllowed, match="post in this district"):
        answer(point, "S1")
    assert (OnsiteAnswer.objects.count(), Effect.objects.filter(kind="finding").count()) == (0, 0)


@pytest.mark.parametrize("wrong", ["again", "another", "unknown", "twice"])
def test_a_wrong_answer_is_refused_and_changes_nothing(draw, wrong):
    point = draw.points.filter(body="landport").first()
    words = {"another": {"actor": person("z9", Role.ASSESSOR)}}.get(wrong, {})
    codes = {"unknown": ("S99",), "twice": ("S1", "S1")}.get(wrong, ("S1",))
    if wrong == "again":
        answer(point)
    before = OnsiteAnswer.objects.count(), OnsiteFinding.objects.count(), Effect.objects.count()

    with pytest.raises((InvalidInput, NotAllowed)):
        answer(point, *codes, **words)

    now = OnsiteAnswer.objects.count(), OnsiteFinding.objects.count(), Effect.objects.count()
    assert now == before


def test_the_database_holds_the_sum_and_the_assessor(draw):
    point = draw.points.filter(body="zhongfang").first()
    words = {"at": timezone.now(), "remark": ""}
    right = {"by": point.assessor, "deducted": Decimal(3), "score": Decimal(97)}

    def keep(findings, **said):
        row = OnsiteAnswer.objects.create(point=point, **words | right | said)
        for number in range(findings):
            OnsiteFinding.objects.create(answer=row, code=f"S{number}", points=3)

    stranger = person("z8", Role.ASSESSOR)
    for findings, said in (
        (0, {}),
        (2, {}),
        (1, {"by": stranger}),
        (1, {"score": Decimal(98)}),
    ):
        with pytest.raises(IntegrityError):
            at_commit(partial(keep, findings, **said))
    at_commit(partial(keep, 1))
    more = partial(OnsiteFinding.objects.create, answer=point.answer, code="S9", points=1)
    with pytest.raises(IntegrityError):
        at_commit(more)
    assert OnsiteAnswer.objects.count() == 1


@transaction.atomic
def as_web(statement):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE cityops_web")
        cursor.execute(statement)


@transaction.atomic
def at_commit(change):
    """Let the database look at a change as it does at the end of a transaction."""
    change()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def test_the_programs_roles_change_no_answer(draw):
    answer(draw.points.first())
    for statement in (
        "UPDATE scoring_onsiteanswer SET remark = 'x'",
        "DELETE FROM scoring_onsitefinding",
        "UPDATE scoring_onsitepoint SET cell = ''",
        "UPDATE scoring_onsitereplacement SET reason = 'x'",
        "DELETE FROM scoring_onsitedraw",
    ):
        with pytest.raises(DatabaseError, match="permission denied"):
            as_web(statement)


def test_the_score_reads_the_mean_of_each_body_and_its_page_shows_the_points(client, draw):
    """Ten answers a body at least: fewer take three months, which have no more."""
    scores = {}
    for body in DISTRICT_SLUGS:
        points = draw.points.filter(body=body)[: 9 if body == "landport" else 10]
        for number, point in enumerate(points):
            kept = answer(point, *(("S1",) if number < 2 else ()))
            scores.setdefault(body, []).append(kept.score)
    write(Story("HH1").filed(MONTH.start).rows)
    heads = [DistrictHead(scope=s, hash=b"", at=MONTH.start) for s in (*DISTRICT_SLUGS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)

    measured = onsite_measures(MONTH.start, MONTH.end)
    run = score_now(MONTH, scheme_of())
    client.force_login(person("l1", Role.LEADER))
    ranking = client.get(f"/score/{MONTH.name}/hecheng/?run={run.pk}").content.decode()
    page = client.get(f"/score/onsite/{MONTH.name}/")

    assert measured["hecheng"].value == sum(scores["hecheng"]) / 10 == Decimal("99.4")
    assert measured["landport"].groups == 9
    given = json.loads(run.beside)["given"]
    assert given["hecheng"]["onsite"] == {
        "value": "497/5", "groups": 10, "cases": 10, "key": 0}  # fmt: skip
    lines = {
        sheet["body"]: next(line for line in sheet["items"] if line["code"] == "B")
        for sheet in json.loads(run.result)["bodies"]
    }
    assert (lines["hecheng"]["value"], lines["hecheng"]["groups"]) == ("99.40", 10)
    assert lines["landport"]["points"] is None
    # Nobody is ranked here, so that a part one lacks counts for those that have it.
    assert f'href="/score/onsite/{MONTH.name}/#hecheng">10</a>' in ranking
    bodies = {body["body"]: body for body in page.context["bodies"]}
    assert str(bodies["hecheng"]["mean"]) == "99.40"
    assert page.content.decode().count("data-point=") == 96


def test_the_page_costs_the_same_whatever_was_found(client, draw):
    client.force_login(person("l1", Role.LEADER))
    counts = []
    for points in (draw.points.all()[:1], draw.points.filter(answer=None)[:6]):
        for point in points:
            answer(point, "S1", "S2")
        for effect in Effect.objects.filter(kind="finding", state="due"):
            run_effect(effect.pk)
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"/score/onsite/{MONTH.name}/")
        assert page.status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_an_assessor_answers_on_the_phone_once(client, draw):
    point = draw.points.first()
    client.force_login(assessor_of(point))
    address = f"/m/onsite/{point.pk}/"
    said = {"found_S1": "on", "note_S1": "路口", "remark": "好"}

    listed = client.get("/m/onsite/")
    without = client.post(address, said)
    known = client.post(address, said | {"known_S1": "HH1"})
    sent = client.post(address, said | {"photo_S1": io.BytesIO(picture("grey")["buffer"])})
    again = client.post(address, said | {"photo_S1": io.BytesIO(picture("grey")["buffer"])})

    assert address in listed.content.decode()
    assert without.status_code == 422
    for refused in (without, known):
        assert "What is found needs a photo." in refused.content.decode()
    assert (sent.status_code, sent["location"]) == (302, "/m/onsite/")
    assert (again.status_code, again["location"]) == (302, "/m/onsite/")
    kept = OnsiteAnswer.objects.get()
    assert (kept.score, kept.findings.get().note) == (Decimal(97), "路口")
    assert len(kept.findings.get().sha256) == 64
    assert address not in client.get("/m/onsite/").content.decode()


def test_nobody_else_sees_the_checklist_and_units_see_no_draw(client, draw):
    point = draw.points.first()
    for who, page, phone in (
        (person("z7", Role.ASSESSOR), 200, 404),
        (person("l1", Role.LEADER), 200, 404),
        (person("u1", Role.UNIT, "u1"), 403, 404),
    ):
        client.force_login(who)
        assert client.get(f"/score/onsite/{MONTH.name}/").status_code == page
        pool = client.get(f"/score/onsite/{MONTH.name}/pool.csv").status_code
        assert pool == (404 if who.username == "l1" else page)
        assert client.get(f"/m/onsite/{point.pk}/").status_code == phone

    client.force_login(User.objects.get(username="l1"))
    assert client.post(f"/score/onsite/{MONTH.name}/").status_code == 403
    assert client.get("/m/onsite/").status_code == 404


def texts_of(point):
    """Return what tells where a point lies and who goes there, as the page writes it."""
    return f"<code>{point.cell}</code>", f"<td>{point.assessor.name}</td>"


def test_the_inspected_learn_of_a_point_when_it_was_inspected(client, draw):
    """Before that only the office and the assessor drawn know; all once the month is closed."""
    first, second = draw.points.filter(body="hecheng", assessor__username="a1")[:2]
    own = draw.points.filter(body="zhongfang", assessor__username="h1").first()
    answer(first)
    address, pool = f"/score/onsite/{MONTH.name}/", f"/score/onsite/{MONTH.name}/pool.csv"
    secrets = (draw.seed, *draw.heads.values(), *texts_of(second))

    for who, knows in (
        (person("d1", Role.DISPATCHER, "hecheng"), ()),
        (person("l1", Role.LEADER), ()),
        (User.objects.with_grants().get(username="h1"), texts_of(own)),
    ):
        client.force_login(who)
        page = client.get(address).content.decode()
        assert [
            text for text in secrets if text in page and text != f"<td>{own.assessor}</td>"
        ] == [
            f"<td>{first.assessor.name}</td>"  # of the point that was inspected
        ]
        assert [text for text in knows if text not in page] == []
        assert texts_of(first)[0] in page
        assert page.count("data-point=") == 96
        assert client.get(pool).status_code == 404

    client.force_login(User.objects.get(username="a2"))
    page = client.get(address).content.decode()
    assert [text for text in secrets if text not in page] == []
    assert client.get(pool).status_code == 200


def test_what_is_said_of_a_case_is_read_by_who_may_see_it(client, draw):
    point = draw.points.filter(body="zhongfang").first()
    answer(point, found=[Found("S1", note="三单元王某家", photo=photo("near").as_note())],
           remark="二楼无人")  # fmt: skip
    address = f"/score/onsite/{MONTH.name}/"
    waiting = [Effect.objects.get(kind="finding").pk]

    def read_by(who):
        client.force_login(who)
        page = client.get(address).content.decode()
        return [text for text in ("三单元王某家", "二楼无人") if text in page]

    people = [person("c1", Role.ACCEPTOR, "hecheng"), person("c2", Role.ACCEPTOR, "zhongfang"),
              User.objects.get(pk=point.assessor_id), person("l1", Role.LEADER)]  # fmt: skip
    assert [len(read_by(who)) for who in people] == [0, 1, 2, 1]  # no case yet that one could see
    for pk in waiting:
        run_effect(pk)
    assert [len(read_by(who)) for who in people] == [0, 2, 2, 2]


def test_the_page_draws_for_an_assessor(client, office):
    client.force_login(office)

    empty = client.get(f"/score/onsite/{MONTH.name}/")
    drawn = client.post(f"/score/onsite/{MONTH.name}/")

    assert "Draw the points" in empty.content.decode()
    assert drawn.status_code == 302
    assert OnsiteDraw.objects.get().drawn_by == office


# --- who leaves or falls ill --------------------------------------------------------------------


def orders_of(draw, body, username):
    points = draw.points.filter(body=body, assessor__username=username)
    return sorted(points.values_list("order", flat=True))


def test_the_points_of_who_falls_ill_go_to_the_next_of_the_draw(client, office, draw):
    ill = "a2"
    done = draw.points.filter(assessor__username=ill).order_by("body", "order").first()
    answer(done)
    before = {body: orders_of(draw, body, ill) for body in DISTRICT_SLUGS}
    client.force_login(office)
    address = f"/score/onsite/{MONTH.name}/replace/"

    assert client.post(address, {"assessor": ill, "reason": " "}).status_code == 422
    assert client.post(address, {"assessor": "x", "reason": "病假"}).status_code == 422
    assert OnsiteReplacement.objects.count() == 0
    assert {body: orders_of(draw, body, ill) for body in DISTRICT_SLUGS} == before
    assert client.post(address, {"assessor": ill, "reason": "病假"}).status_code == 302

    assert {body: orders_of(draw, body, ill) for body in DISTRICT_SLUGS} == {
        body: [done.order] if body == done.body else [] for body in DISTRICT_SLUGS
    }
    for one in OnsiteReplacement.objects.all():
        order = draw.assessors[one.body]
        assert one.after.username == order[(order.index(ill) + 1) % len(order)]
        assert set(one.points) == set(before[one.body]) - {done.order if one.body == done.body
                                                           else 0}  # fmt: skip
        assert set(one.points) <= set(orders_of(draw, one.body, one.after.username))
    waiting = draw.points.filter(answer=None, body="zhongfang").first()
    answer(waiting)
    page = client.get(f"/score/onsite/{MONTH.name}/").content.decode()
    assert page.count("病假") == len(OnsiteReplacement.objects.all()) > 1
    client.force_login(person("l1", Role.LEADER, "zhongfang"))
    page = client.get(f"/score/onsite/{MONTH.name}/").content.decode()
    assert "病假" not in page  # it would say who goes where
    assert "Hand on to the next" not in page


def test_nobody_is_sent_to_the_own_district_or_twice_and_none_left_changes_nothing(office, draw):
    replace = partial(replace_assessor, period=MONTH, reason="离任", actor=office)
    with pytest.raises(NotAllowed):
        replace(username="a2", actor=User.objects.with_grants().get(username="h1"))
    replace(username="a2")
    assert orders_of(draw, "hecheng", "h1") == []

    with pytest.raises(InvalidInput, match="nobody is left"):
        replace(username="a1")  # h1 may not go to 鹤城区, and a2 was replaced

    assert len(orders_of(draw, "hecheng", "a1")) == 24
    assert OnsiteReplacement.objects.count() == 4
    with pytest.raises(InvalidInput, match="No point waits"):
        replace(username="a2")


def test_the_database_lets_no_point_change_hands_without_a_reason_or_after_its_answer(draw):
    point = draw.points.filter(body="zhongfang").first()
    other = draw.points.filter(body="zhongfang").exclude(assessor=point.assessor).first().assessor
    with pytest.raises(IntegrityError, match="by no replacement"), transaction.atomic():
        OnsitePoint.objects.filter(pk=point.pk).update(assessor=other)
    answer(point)
    OnsiteReplacement.objects.create(
        draw=draw, body="zhongfang", before=point.assessor, after=other, points=[point.order],
        reason="a", by=other, at=timezone.now(),
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="its assessor stays"), transaction.atomic():
        OnsitePoint.objects.filter(pk=point.pk).update(assessor=other)
