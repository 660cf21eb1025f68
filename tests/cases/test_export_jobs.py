"""Long lists written by a worker: once, of one moment, for who may still see them."""

import hashlib
import threading
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now

from cases.choices import Role
from cases.errors import InvalidInput, TooMany
from cases.models import Case, Effect, Export, Notice
from cases.selectors.case_search import read_filters
from cases.selectors.columns import DEFAULT, columns_named
from cases.services import exports
from cases.services.effects import (
    bury_crashed,
    claim_effect,
    end_lost_claims,
    run_effect,
)
from cases.services.exports import (
    Asked,
    drop_export,
    make_export,
    path_of,
    request_export,
    sweep_exports,
)
from cases.services.intake import report_case
from cityops.accounts.models import Grant, User
from tests.cases.test_concurrency import REPORT, city, together
from tests.cases.test_pages_phone import client_of
from tests.support.people import person
from tests.support.workbooks import read_workbook

__all__ = ["city"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("city")]


@pytest.fixture
def dispatcher():
    return person("d1", Role.DISPATCHER, "hecheng")


@pytest.fixture
def numbers(monkeypatch):
    """Report five cases, read two at a time; the newest first, as the list has them."""
    monkeypatch.setattr(exports, "PAGE", 2)
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    held = [report_case(report=REPORT, actor=inspector, key=uuid.uuid4()) for _ in range(5)]
    return [str(case["number"]) for case in held][::-1]


def ask(owner, query="", key=None, total=5):
    asked = Asked(read_filters(dict(pair.split("=") for pair in query.split("&") if pair)), ())
    asked = Asked(asked.filters, columns_named(DEFAULT), [("Stage", "all open")])
    return request_export(
        owner=owner, asked=asked, total=total, language="en", key=key or uuid.uuid4()
    )


def run(export):
    export.refresh_from_db()
    Effect.objects.filter(pk=export.effect_id).update(claimed_until=None)
    outcome = run_effect(export.effect_id)
    export.refresh_from_db()
    return outcome


def rows_in(export):
    content = path_of(export.file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == export.sha256
    head, *rows = read_workbook(content)[0].rows
    place = head.index("Case number")
    return [row[place] for row in rows]


def files():
    folder = path_of(exports.FOLDER)
    return sorted(path.name for path in folder.glob("*")) if folder.exists() else []


def while_running(monkeypatch, job):
    """Do `job` in another connection when the first page of rows has been read."""
    ask_page, told = exports.page, []

    def page(*args, **words):
        answer = ask_page(*args, **words)
        if not told:
            told.append(1)
            thread = threading.Thread(target=lambda: (job(), connection.close()))
            thread.start()
            thread.join(30)
        return answer

    monkeypatch.setattr(exports, "page", page)


def test_a_long_list_is_written_by_a_worker(dispatcher, numbers, monkeypatch):
    monkeypatch.setattr("cases.views.case_export.MOST_AT_ONCE", 4)
    client = client_of(dispatcher)
    sent = {"query": "stage=open", "export_key": str(uuid.uuid4())}

    answers = [client.post("/cases/export/", sent) for _ in range(2)]

    assert [answer["Location"] for answer in answers] == ["/downloads/", "/downloads/"]
    export, effect = Export.objects.get(), Effect.objects.get(kind="export")
    assert (effect.queue, effect.state, export.total) == ("report", "due", 5)
    assert 'hx-trigger="every 2s"' in client.get("/downloads/").content.decode()
    assert client.get(f"/downloads/{export.pk}/").status_code == 404

    assert run(export) == "5 rows"

    assert rows_in(export) == numbers
    assert (export.state, export.done, export.total) == ("ready", 5, 5)
    page = client.get("/downloads/").content.decode()
    assert "hx-trigger" not in page
    assert f'href="/downloads/{export.pk}/"' in page
    answer = client.get(f"/downloads/{export.pk}/")
    assert answer["X-Accel-Redirect"] == f"/protected-media/{export.file}"
    assert "attachment" in answer["Content-Disposition"]
    assert run_effect(effect.pk) == "held elsewhere"
    assert len(files()) == 1


def test_its_owner_is_told(dispatcher, numbers):
    export = ask(dispatcher)
    run(export)
    client, notice = client_of(dispatcher), Notice.objects.get()

    assert "A file you asked for is ready" in client.get("/notices/").content.decode()
    assert client.get("/notices/unread/").json()["unread"] == 1
    assert client.post(f"/notices/{notice.pk}/")["Location"] == "/downloads/"
    assert client.get("/notices/unread/").json()["unread"] == 0


def test_every_row_is_of_one_moment(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    while_running(monkeypatch, lambda: Case.objects.update(address="changed"))

    run(export)

    assert rows_in(export) == numbers
    assert "changed" not in str(read_workbook(path_of(export.file).read_bytes())[0].rows)
    assert "changed" in str(list(Case.objects.values_list("address", flat=True)))


def test_progress_is_seen_while_it_runs(dispatcher, numbers, monkeypatch):
    export, seen = ask(dispatcher, total=1), []
    ask_page = exports.page

    def page(*args, **words):
        thread = threading.Thread(
            target=lambda: (
                seen.append(Export.objects.values_list("state", "done", "total").get()),
                connection.close(),
            )
        )
        thread.start()
        thread.join(30)
        return ask_page(*args, **words)

    monkeypatch.setattr(exports, "page", page)

    run(export)

    assert seen == [("running", 0, 5), ("running", 2, 5), ("running", 4, 5)]


def test_a_crash_in_the_middle_starts_anew_and_leaves_one_file(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    with monkeypatch.context() as patch:
        patch.setattr(exports, "page", _die)
        with pytest.raises(KeyboardInterrupt):  # nothing of ours catches it
            run_effect(export.effect_id)
    half = path_of(exports.FOLDER) / f"{export.key.hex}-1.part"
    half.mkdir()  # what a process that was killed has not cleared away
    (half / "cases.xlsx").write_bytes(b"half")
    Effect.objects.update(claimed_by=0)  # its connection is gone
    assert end_lost_claims() == 1

    assert run(export) == "5 rows"

    assert files() == [f"{export.key.hex}-2.xlsx"]
    assert rows_in(export) == numbers
    assert Notice.objects.count() == 1


def _die(*_args, **_words):
    raise KeyboardInterrupt


def test_a_run_that_was_overtaken_keeps_nothing(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)

    def overtake():
        Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))
        monkeypatch.undo()
        run_effect(export.effect_id)

    while_running(monkeypatch, overtake)

    assert run_effect(export.effect_id) == "held elsewhere"
    export.refresh_from_db()
    assert (export.state, export.run) == ("ready", 2)
    assert files() == [f"{export.key.hex}-2.xlsx"]
    assert Effect.objects.get(kind="export").state == "done"


def claim_anew(export):
    """Claim the effect as a worker does after the lease of another; returns it."""
    Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))
    effect = Effect.objects.get(pk=export.effect_id)
    assert claim_effect(effect)
    return effect


def test_a_run_that_was_overtaken_leaves_the_effect_to_the_newer_one(
    dispatcher, numbers, monkeypatch
):
    """The newer one is still at it: done now, nobody would do it again if that one dies."""
    export = ask(dispatcher)
    while_running(monkeypatch, lambda: exports._begin(claim_anew(export)))

    assert run_effect(export.effect_id) == "held elsewhere"

    effect = Effect.objects.get(pk=export.effect_id)
    assert (effect.state, effect.runs, effect.done_at) == ("due", 2, None)
    monkeypatch.undo()
    assert run(export) == "5 rows"
    assert files() == [f"{export.key.hex}-3.xlsx"]


def test_a_run_that_was_overtaken_before_its_end_keeps_nothing(dispatcher, numbers, monkeypatch):
    """All its rows are written; another claims, begins and ends before it puts the file there."""
    export, keep = ask(dispatcher), exports._keep

    def keep_late(*args):
        monkeypatch.undo()
        assert together(lambda: make_export(claim_anew(export))) == ["5 rows"]
        return keep(*args)

    monkeypatch.setattr(exports, "_keep", keep_late)

    assert run_effect(export.effect_id) == "held elsewhere"
    export.refresh_from_db()
    assert (export.state, export.file) == ("ready", f"exports/{export.key.hex}-2.xlsx")
    assert files() == [f"{export.key.hex}-2.xlsx"]
    assert Notice.objects.count() == 1


def test_a_run_held_up_before_it_began_does_not_stop_the_one_that_claimed_after_it(
    dispatcher, numbers
):
    export = ask(dispatcher)
    late = claim_anew(export)
    assert exports._begin(claim_anew(export)) is not None

    with pytest.raises(exports.Overtaken):
        make_export(late)

    assert Export.objects.get().run == 1
    assert files() == []


def test_a_run_held_up_after_it_began_clears_nothing_of_a_newer_one(
    dispatcher, numbers, monkeypatch
):
    export, begin = ask(dispatcher), exports._begin

    def begin_and_sleep(effect):
        monkeypatch.undo()
        begun = begin(effect)
        assert together(lambda: make_export(claim_anew(export))) == ["5 rows"]
        return begun

    monkeypatch.setattr(exports, "_begin", begin_and_sleep)

    assert run_effect(export.effect_id) == "held elsewhere"
    export.refresh_from_db()
    assert files() == [export.file.partition("/")[2]]
    assert rows_in(export) == numbers[:5]


def test_one_is_written_at_a_time_so_that_the_queue_shows_that_it_is_read(
    dispatcher, numbers, monkeypatch
):
    first, second, seen = ask(dispatcher), ask(dispatcher), []
    while_running(monkeypatch, lambda: seen.append(run_effect(second.effect_id)))

    assert run(first) == "5 rows"

    effect = Effect.objects.get(pk=second.effect_id)
    assert seen == ["put off"]
    assert (effect.runs, effect.claimed_until, effect.published_at) == (0, None, None)
    assert run(second) == "5 rows"


def test_one_whose_worker_died_holds_up_no_other(dispatcher, numbers):
    first, second = ask(dispatcher), ask(dispatcher)
    Export.objects.filter(pk=first.pk).update(state="running", run=1)
    Effect.objects.filter(pk=first.effect_id).update(runs=1, claimed_until=Now())

    assert run(second) == "5 rows"


def test_one_that_is_cancelled_stops_and_leaves_nothing(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    client = client_of(dispatcher)
    while_running(monkeypatch, lambda: client.post(f"/downloads/{export.pk}/drop/"))

    assert run_effect(export.effect_id) == "not wanted any more"

    assert not Export.objects.exists()
    assert not Notice.objects.exists()
    assert files() == []


def test_one_cancelled_before_it_began_is_not_written(dispatcher, numbers):
    export = ask(dispatcher)
    drop_export(export)

    assert run_effect(export.effect_id) == "not wanted any more"
    assert files() == []


def test_one_that_keeps_failing_says_so(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    monkeypatch.setattr(exports, "write_workbook", lambda *_a, **_w: 1 / 0)
    for _ in range(exports.RUNS):
        assert run(export) == "failed"

    page = client_of(dispatcher).get("/downloads/").content.decode()
    assert "could not be written" in page
    assert "every 2s" not in page
    assert files() == []
    assert [bury_crashed(), bury_crashed()] == [0, 0]
    assert Notice.objects.get().export == export
    said = client_of(dispatcher).get("/notices/").content.decode()
    assert "A file you asked for could not be written: ask for it again" in said
    assert ask(dispatcher).pk != export.pk  # it counts no more


def test_rows_are_those_its_owner_sees_when_it_runs(dispatcher, numbers):
    export = ask(dispatcher)
    Grant.objects.filter(user=dispatcher).update(scope_key="landport")

    run(export)

    assert rows_in(export) == []
    assert export.reach == ["district:landport"]


def test_a_file_is_given_only_to_who_sees_as_far_as_when_it_was_written(dispatcher, numbers):
    export = ask(dispatcher)
    run(export)
    address = f"/downloads/{export.pk}/"
    stranger = person("d2", Role.DISPATCHER, "hecheng")
    assert client_of(stranger).get(address).status_code == 404
    assert client_of(stranger).post(f"{address}drop/").status_code == 404
    assert client_of(dispatcher).get(address).status_code == 200

    Grant.objects.filter(user=dispatcher).update(scope_key="landport")
    other = User.objects.with_grants().get(pk=dispatcher.pk)
    assert client_of(other).get(address).status_code == 404
    assert "roles have changed" in client_of(other).get("/downloads/").content.decode()

    Grant.objects.filter(user=dispatcher).update(scope_kind="city", scope_key="")
    assert client_of(dispatcher).get(address).status_code == 200


def test_telephones_in_full_are_for_operators_only(numbers):
    operator = person("o1", Role.OPERATOR)
    export = ask(operator)
    run(export)
    address = f"/downloads/{export.pk}/"
    assert client_of(operator).get(address).status_code == 200

    Grant.objects.filter(user=operator).update(role=Role.SUPERVISOR)

    assert client_of(operator).get(address).status_code == 404


def test_telephones_of_a_district_are_for_its_operators(numbers):
    acceptor = person("a1", Role.ACCEPTOR, "hecheng")
    Grant.objects.create(
        user=acceptor, role=Role.OPERATOR, scope_kind="district", scope_key="hecheng"
    )
    export = ask(acceptor)
    run(export)
    address = f"/downloads/{export.pk}/"
    assert export.reach == ["district:hecheng", "telephones:hecheng"]
    assert client_of(acceptor).get(address).status_code == 200
    about = str(read_workbook(path_of(export.file).read_bytes())[1].rows)
    assert "in full in Hecheng, elsewhere with the middle hidden" in about

    Grant.objects.filter(role=Role.OPERATOR).update(scope_key="landport")
    assert client_of(acceptor).get(address).status_code == 404

    Grant.objects.filter(role=Role.OPERATOR).update(scope_kind="city", scope_key="")
    assert client_of(acceptor).get(address).status_code == 200


def test_nobody_has_many_written_at_once(dispatcher, numbers):
    for _ in range(exports.MOST_UNDER_WAY):
        ask(dispatcher)

    with pytest.raises(TooMany):
        ask(dispatcher)

    assert Export.objects.count() == Effect.objects.filter(kind="export").count() == 3
    ask(person("d2", Role.DISPATCHER, "hecheng"))


def test_requests_at_once_do_not_pass_the_limit(dispatcher, numbers):
    for _ in range(exports.MOST_UNDER_WAY - 1):
        ask(dispatcher)

    results = together(lambda: ask(dispatcher), lambda: ask(dispatcher))

    assert sorted(type(result).__name__ for result in results) == ["Export", "TooMany"]
    assert Export.objects.count() == exports.MOST_UNDER_WAY


def test_one_key_sent_twice_at_once_is_one_export(dispatcher, numbers):
    key = uuid.uuid4()

    first, second = together(lambda: ask(dispatcher, key=key), lambda: ask(dispatcher, key=key))

    assert first.pk == second.pk
    assert Effect.objects.filter(kind="export").count() == 1
    with pytest.raises(InvalidInput):
        ask(person("d2", Role.DISPATCHER, "hecheng"), key=key)


def test_a_form_the_browser_brings_back_asks_anew_for_one_that_was_deleted(dispatcher, numbers):
    key = uuid.uuid4()
    first = ask(dispatcher, key=key)
    drop_export(first)

    second = ask(dispatcher, key=key)

    assert Export.objects.get().pk == second.pk != first.pk
    assert ask(dispatcher, key=key).pk == second.pk
    assert run(second) == "5 rows"
    drop_export(second)
    assert ask(dispatcher, key=key).pk != second.pk
    assert Effect.objects.filter(kind="export").count() == 3


def test_a_form_the_browser_brings_back_asks_anew_for_one_that_ended(
    dispatcher, numbers, monkeypatch
):
    key = uuid.uuid4()
    ready = ask(dispatcher, key=key)
    run(ready)

    failed = ask(dispatcher, key=key)
    assert ask(dispatcher, key=key).pk == failed.pk != ready.pk
    with monkeypatch.context() as patch:
        patch.setattr(exports, "write_workbook", lambda *_a, **_w: 1 / 0)
        for _ in range(exports.RUNS):
            assert run(failed) == "failed"
    first, second = together(lambda: ask(dispatcher, key=key), lambda: ask(dispatcher, key=key))

    assert first.pk == second.pk
    assert first.is_under_way
    assert len({ready.pk, failed.pk, first.pk}) == Export.objects.count() == 3


def test_more_than_a_file_holds_is_refused_with_a_word(dispatcher, numbers, monkeypatch):
    monkeypatch.setattr(exports, "MOST_ROWS", 4)
    with pytest.raises(InvalidInput, match="narrow the filters"):
        ask(dispatcher)
    export = ask(dispatcher, total=3)  # and there were more when it ran

    assert run(export) == "too many rows"

    assert export.state == "too_big"
    assert "narrow the filters" in client_of(dispatcher).get("/downloads/").content.decode()
    said = client_of(dispatcher).get("/notices/").content.decode()
    assert "A file you asked for would hold too many cases: narrow its filters" in said
    assert files() == []


def test_one_that_failed_and_was_run_again_is_told_of_anew(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    with monkeypatch.context() as patch:
        patch.setattr(exports, "write_workbook", lambda *_a, **_w: 1 / 0)
        for _ in range(exports.RUNS):
            assert run(export) == "failed"
    bury_crashed()
    told = Notice.objects.get()
    Effect.objects.update(state="due", runs=0)

    assert run(export) == "5 rows"

    assert Notice.objects.get().pk != told.pk
    assert (
        "A file you asked for is ready" in client_of(dispatcher).get("/notices/").content.decode()
    )


def test_after_a_week_it_is_gone(dispatcher, numbers):
    export, other = ask(dispatcher), ask(dispatcher)
    run(export)
    run(other)
    Export.objects.filter(pk=export.pk).update(expires_at=Now())
    stray = path_of(exports.FOLDER) / "stray.xlsx"
    stray.write_bytes(b"")
    assert client_of(dispatcher).get(f"/downloads/{export.pk}/").status_code == 404

    assert sweep_exports() == "1 exports, 0 files"

    assert files() == sorted([other.file.partition("/")[2], "stray.xlsx"])
    assert [one.pk for one in Export.objects.all()] == [other.pk]


def test_a_restored_city_lists_no_file_it_does_not_have(dispatcher, numbers):
    lost, kept, waiting = ask(dispatcher), ask(dispatcher), ask(dispatcher)
    run(lost)
    run(kept)
    path_of(lost.file).unlink()

    call_command("sweep_exports")

    assert set(Export.objects.all()) == {kept, waiting}
    assert Notice.objects.get().export == kept
    assert files() == [kept.file.partition("/")[2]]


def test_files_nobody_names_are_swept(dispatcher, numbers, monkeypatch):
    export = ask(dispatcher)
    run(export)
    (path_of(exports.FOLDER) / "a-1.part").mkdir()
    (path_of(exports.FOLDER) / "stray.xlsx").write_bytes(b"")
    monkeypatch.setattr(exports, "HALF_KEPT_S", -1)

    assert sweep_exports() == "0 exports, 2 files"
    assert files() == [export.file.partition("/")[2]]


def test_nothing_is_written_where_the_disk_is_full(dispatcher, numbers, settings):
    settings.LEAST_FREE = 1 << 60
    export = ask(dispatcher)

    assert run(export) == "waits"
    assert Effect.objects.get(kind="export").runs == 0
    assert files() == []
