"""No person and no district takes what all need: tokens, seats, and statements that end."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory

from cases.api.problems import as_problem
from cases.choices import CITY, Role
from cases.errors import TooMany
from cases.models import Bucket, Case, CityOptions
from cases.selectors import home_scope
from cityops import limits
from cityops.accounts.models import ApiToken, User
from cityops.limits import NOBODY, Bulkheads, Room
from cityops.refusals import RefusalPages
from tests.support.people import person
from tests.support.spine import PLACE

looked_up = home_scope._looked_up  # before conftest answers in its stead


def let(**numbers):
    CityOptions.objects.update_or_create(pk=1, defaults=numbers)


def send(user, **words):
    """Report a case over the API."""
    token = ApiToken.issue(user)
    return Client().post(
        "/api/v1/cases/",
        {"location": PLACE, "category": "event-0112"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}", **words},
    )


# --- what the sender is told --------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("huaihua")
def test_api_answers_429_as_problem_json_and_nothing_is_kept():
    let(user_burst=1, user_per_s=1)
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    key = {"Idempotency-Key": "4b39ff7c-2b0d-4a59-9a2c-0d3a5a7d9a01"}
    assert send(inspector).status_code == 422  # no key: refused, but it was a change it asked for

    answer = send(inspector, **key)

    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_requests"
    assert Case.objects.count() == 0

    with connection.cursor() as cursor:
        cursor.execute("UPDATE cases_bucket SET at = at - interval '2 seconds'")
    assert send(inspector, **key).status_code == 201
    assert Case.objects.count() == 1


@pytest.mark.django_db
def test_a_form_gets_a_page_that_says_how_long_to_wait():
    let(user_burst=1, user_per_s=1)
    client = Client()
    client.force_login(person("i1", Role.INSPECTOR))
    client.post("/m/report/")

    page = client.post("/m/report/")

    assert (page.status_code, page["Retry-After"]) == (429, "1")
    text = page.content.decode()
    assert "this one was not made. Wait 1 s" in text
    assert "Loading this page again sends what you entered once more" in text


@pytest.mark.django_db
def test_the_desk_shows_a_refusal_beside_the_form_it_keeps():
    let(user_burst=1, user_per_s=1)
    client = Client()
    client.force_login(person("d1", Role.DISPATCHER))
    desk = {"HX-Request": "true"}
    client.post("/cases/HH0/actions/", headers=desk)

    line = client.post("/cases/HH0/actions/", headers=desk)

    assert (line.status_code, line["HX-Retarget"]) == (429, "#said")
    assert line.content.startswith(b'<p class="error" role="alert">Too many changes')
    page = client.get("/desk/").content.decode()
    assert '<div id="said"' in page
    assert "4(03|04|09|22|29)" in page


@pytest.mark.django_db
def test_reading_takes_no_token():
    let(user_burst=1, user_per_s=1)
    client = Client()
    client.force_login(person("i1", Role.INSPECTOR))

    assert [client.get("/m/").status_code for _ in range(3)] == [200, 200, 200]
    assert not Bucket.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("huaihua")
def test_who_comes_back_too_early_is_refused_without_a_statement(django_assert_num_queries):
    let(user_burst=1, user_per_s=1)
    client, token = Client(), ApiToken.issue(person("i1", Role.INSPECTOR))

    def post():
        return client.post("/api/v1/cases/", headers={"Authorization": f"Bearer {token}"})

    assert [post().status_code for _ in range(2)] == [422, 429]
    with django_assert_num_queries(0):
        early = post()

    assert (early.status_code, early["Retry-After"]) == (429, "1")


@pytest.mark.django_db
def test_a_remembered_sender_is_still_looked_up():
    client, token = Client(), ApiToken.issue(person("i1", Role.INSPECTOR))

    def get():
        return client.get("/api/v1/cases/", headers={"Authorization": f"Bearer {token}"})

    assert get().status_code == 200
    ApiToken.objects.all().delete()

    assert get().status_code == 401


# --- whose share --------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("huaihua")
@pytest.mark.parametrize(
    ("role", "scope", "grids", "home"),
    [
        (Role.DISPATCHER, "", (), CITY),
        (Role.DISPATCHER, "landport", (), "landport"),
        (Role.DISPATCHER, "atlantis", (), CITY),
        (Role.UNIT, "hecheng-urban-management", (), "hecheng"),
        (Role.UNIT, "no-such-unit", (), CITY),
        (Role.INSPECTOR, "", ("431221105",), "zhongfang"),
        (Role.INSPECTOR, "", ("999999",), CITY),
    ],
)
def test_home_scope_is_the_one_district_of_all_grants(monkeypatch, role, scope, grids, home):
    monkeypatch.setattr(home_scope, "_looked_up", looked_up)
    monkeypatch.setattr(home_scope, "_known", {})
    user = person("u", role, scope, grids=grids)

    assert home_scope.home_scope(user.grants) == home


@pytest.mark.django_db
def test_home_scope_is_looked_up_once(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(home_scope, "_looked_up", looked_up)
    monkeypatch.setattr(home_scope, "_known", {})
    grants = person("u", Role.UNIT, "no-such-unit").grants

    with django_assert_num_queries(1):
        assert [home_scope.home_scope(grants) for _ in range(3)] == [CITY] * 3


# --- seats --------------------------------------------------------------------------------------


class Crowd:
    """Requests that stay in a view until they are let go."""

    def __init__(self, bulkheads, user):
        self.bulkheads, self.user = bulkheads, user
        self.go, self.inside = threading.Event(), threading.Semaphore(0)
        self.threads = ThreadPoolExecutor(max_workers=20)
        self.answers = []

    def view(self, request):
        self.inside.release()
        assert self.go.wait(10)
        return "done"

    def enter(self, count, address="/m/"):
        """Send requests and return when those that find a seat are in the view."""
        for _ in range(count):
            self.answers.append(self.threads.submit(ask, self.bulkheads, self.user, address, self))

    def leave(self):
        self.go.set()
        return Counter(getattr(done.result(10), "status_code", "done") for done in self.answers)


def ask(bulkheads, user, address, crowd):
    request = RequestFactory().get(address)
    request.user = user
    return bulkheads.answer(request, crowd.view if crowd else lambda request: "done")


def of(scope):
    user = User(username=scope)
    user.grant_rows = [
        {"role": "dispatcher", "scope_kind": "district", "scope_key": scope, "grids": []}
    ]
    return user


@pytest.fixture
def bulkheads(monkeypatch):
    """Bulkheads whose refusal needs no template, for threads without a database."""
    monkeypatch.setattr(limits, "answer_of", lambda request, refusal: refusal)
    monkeypatch.setattr(TooMany, "status_code", 429, raising=False)
    return Bulkheads()


def test_a_district_that_sits_everywhere_is_refused_and_the_others_go_on(bulkheads):
    crowd = Crowd(bulkheads, of("hecheng"))
    crowd.enter(limits.MOST)
    for _ in range(limits.SEATS):
        assert crowd.inside.acquire(timeout=5)
    while bulkheads._rooms["hecheng"]._door._value:  # until the others wait for a seat
        sleep(0.01)

    refused = ask(bulkheads, of("hecheng"), "/m/", None)
    others = [ask(bulkheads, of(scope), "/m/", None) for scope in ("zhongfang", "landport")]

    assert isinstance(refused, TooMany)
    assert refused.wait_s == 1
    assert others == ["done", "done"]
    assert crowd.leave() == {"done": limits.MOST}
    assert ask(bulkheads, of("hecheng"), "/m/", None) == "done"


def test_who_waits_too_long_for_a_seat_is_refused(bulkheads, monkeypatch):
    monkeypatch.setattr(limits, "PATIENCE_S", 0.05)
    crowd = Crowd(bulkheads, of("hecheng"))
    crowd.enter(limits.SEATS)
    for _ in range(limits.SEATS):
        assert crowd.inside.acquire(timeout=5)

    assert isinstance(ask(bulkheads, of("hecheng"), "/m/", None), TooMany)
    assert crowd.leave() == {"done": limits.SEATS}


def test_a_stuck_report_leaves_its_own_district_at_work(bulkheads, monkeypatch):
    monkeypatch.setattr(limits, "PATIENCE_S", 0.05)
    crowd = Crowd(bulkheads, of("hecheng"))
    crowd.enter(limits.REPORT_SEATS, "/score/2026-10/")
    for _ in range(limits.REPORT_SEATS):
        assert crowd.inside.acquire(timeout=5)

    assert isinstance(ask(bulkheads, of("hecheng"), "/score/2026-10/", None), TooMany)
    assert ask(bulkheads, of("hecheng"), "/m/", None) == "done"
    assert ask(bulkheads, of("zhongfang"), "/score/2026-10/", None) == "done"
    assert crowd.leave() == {"done": limits.REPORT_SEATS}


def test_a_view_that_fails_gives_its_seat_back():
    room = Room(seats=1)
    for _ in range(limits.MOST + 1):
        with pytest.raises(ZeroDivisionError), room.door(), room.seat():
            1 / 0  # noqa: B018

    with room.seat():
        pass


def test_those_not_signed_in_share_one_small_room_also_for_reports(bulkheads):
    crowd = Crowd(bulkheads, AnonymousUser())
    crowd.enter(limits.MOST_NOBODY)
    while bulkheads._rooms[NOBODY]._door._value:
        sleep(0.01)

    refused = [ask(bulkheads, AnonymousUser(), path, None) for path in ("/", "/score/2026-10/")]

    assert [type(answer) for answer in refused] == [TooMany] * 2
    assert ask(bulkheads, of("hecheng"), "/score/2026-10/", None) == "done"
    assert crowd.leave() == {"done": limits.MOST_NOBODY}
    assert ask(bulkheads, AnonymousUser(), "/score/2026-10/", None) == "done"


def test_no_scope_can_take_every_thread_of_the_process():
    command = (Path(limits.__file__).parent.parent / "deploy/supervisord.conf").read_text()

    threads = int(command.split("--blocking-threads ")[1].split()[0])

    assert threads > 2 * limits.MOST
    assert threads > limits.MOST + limits.MOST_NOBODY


# --- statements that end ------------------------------------------------------------------------


def too_slow():
    """Return what Django raises when PostgreSQL ends a statement that took too long."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 20")
        with pytest.raises(OperationalError) as raised:
            cursor.execute("SELECT pg_sleep(5)")
    return raised.value


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_busy_not_broken(rf):
    with transaction.atomic():
        error = too_slow()
        transaction.set_rollback(True)
    pages, request = RefusalPages(lambda request: None), rf.get("/score/")
    request.user = AnonymousUser()

    page = pages.process_exception(request, error)
    problem = as_problem(error, {})

    assert (page.status_code, problem.status_code) == (503, 503)
    assert (page["Retry-After"], problem["Retry-After"]) == ("2", "2")
    assert problem.data["code"] == "busy"


def test_a_broken_database_stays_an_error(rf):
    error = OperationalError("the server is gone")

    assert RefusalPages(lambda request: None).process_exception(rf.get("/m/"), error) is None
    assert as_problem(error, {}) is None
