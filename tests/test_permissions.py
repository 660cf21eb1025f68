"""Who gets what at which address: tests/permissions.txt against the project, cell by cell.

The table is written by hand and names nothing of ours but addresses, actors and actions. Every
address the project answers must stand in it, with every method it reacts to, for every actor, for
what is theirs and what is not. A new address, action or role fails here until somebody has
said who may have it.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver

import scoring.frame
import scoring.lifecycle_pages
import scoring.publishing
import scoring.views
from cases.choices import Action, Role, Stage
from cases.sockets import websocket_urlpatterns
from cases.workflow import MOVES
from scoring.versions import scheme_of
from tests.cases.test_workflow import ALLOWED, GUARDS
from tests.support import access
from tests.support.access import ACTIONS, BLANK, POSTS, World, fingerprint, send, undone
from tests.support.scores import score_now

FILE = Path(__file__).with_name("permissions.txt")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SOME = ("ano", "ins", "uni", "dis", "DIS", "ADM", "sta", "roo", "new")  # where all fare alike
MODEL_PAGES = ("list", "add", "change", "delete", "history")
_MODEL_ROUTE = re.compile(
    r"admin/(?P<model>\w+/\w+)/((?P<list>)|(?P<add>add/)|<path:object_id>/"
    r"((?P<change>change/)|(?P<delete>delete/)|(?P<history>history/)|))$"
)


class Row(NamedTuple):
    """What one method of one address answers to each actor."""

    route: str
    method: str
    word: str  # the action, where the address takes several
    whose: str  # mine, other, or empty where the address concerns no case

    def __str__(self) -> str:
        return " ".join(part for part in self[1:] if part)


class Table(NamedTuple):
    """The table as read: the actors in order, and the cells of each row."""

    actors: list[str]
    rows: dict[Row, dict[str, str]]
    admin: dict[str, dict[str, str]]  # model: page: what a superuser gets


def read_table(text: str) -> Table:
    actors: list[str] = []
    rows: dict[Row, dict[str, str]] = {}
    models: dict[str, dict[str, str]] = {}
    route = ""
    for line in text.splitlines():
        label, bar, cells = line.partition("|")
        if line.startswith("#") or not line.strip():
            continue
        if label.split() == ["actors"]:
            actors = cells.split()
        elif label.startswith("admin model "):
            models[label.split()[2]] = dict(zip(MODEL_PAGES, cells.split(), strict=True))
        elif not bar:
            route = "" if line.strip() == "/" else line.strip().lstrip("/")
        else:
            row = _row(route, label.split())
            assert row not in rows, f"permissions.txt says {route} {row} twice"
            rows[row] = dict(zip(actors, cells.split(), strict=True))
    return Table(actors, rows, models)


def _row(route: str, words: list[str]) -> Row:
    method, *rest = words
    whose = rest.pop() if rest and rest[-1] in access.PLACES else ""
    return Row(route, method, " ".join(rest), whose)


TABLE = read_table(FILE.read_text("utf-8"))
ROUTES = sorted({row.route for row in TABLE.rows} - access.LIVE)


# --- what the project has -----------------------------------------------------------------------


def routes(resolver: Any = None, prefix: str = "") -> Iterator[str]:
    """Yield every address the project answers, as its parts spell it."""
    for part in (resolver or get_resolver()).url_patterns:
        route = prefix + re.sub(r"^\^|\$$", "", str(part.pattern))
        route = re.sub(r"\(\?P<(\w+)>.*\)", r"<re:\1>", route)
        if isinstance(part, URLResolver):
            yield from routes(part, route)
        else:
            yield route


def is_model_page(route: str) -> bool:
    return _MODEL_ROUTE.match(route) is not None and not route.startswith(
        ("admin/login/", "admin/logout/", "admin/password_change/", "admin/jsi18n/", "admin/r/")
    )


def wanted_rows(route: str, methods: set[str]) -> set[Row]:
    """Return the rows an address needs for the methods the table knows of it."""
    names = {found["name"] for found in BLANK.finditer(route)}
    owners = tuple(access.PLACES) if names & {"number", "pk", "body"} else ("",)
    acts = route.endswith("<str:number>/actions/")
    return {
        Row(route, method, word, whose)
        for method in methods
        for word in (ACTIONS if acts and method == "POST" else ("",))
        for whose in owners
    }


# --- the city -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[World]:
    """Build the city once; every request is taken back after it was answered."""
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock(), transaction.atomic():
        patch.setattr("django.conf.settings.MEDIA_ROOT", str(tmp_path_factory.mktemp("media")))
        patch.setattr("django.conf.settings.HOME", tmp_path_factory.mktemp("home"))
        # A score needs a transaction of its own, and here there is one around everything.
        for module in (
            scoring.frame,
            scoring.views,
            scoring.lifecycle_pages,
            scoring.publishing,
        ):
            patch.setattr(module, "compute_run", lambda p, s=None: score_now(p, s or scheme_of()))
        # Who may read the description is asked here, not what it says, which takes a second.
        patch.setattr("drf_spectacular.generators.SchemaGenerator.get_schema", lambda *a, **k: {})
        # And a file reads in one.
        patch.setattr("cases.services.exports.one_snapshot", nullcontext)
        patch.setattr(logging.getLogger("django.request"), "disabled", True)  # thousands of 405
        access.load_table_city(tmp_path_factory.mktemp("city"))
        yield World()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def media() -> None:
    """Leave the folder of photos as `world` set it, for the whole module."""


def answer_of(world: World, actor: str, row: Row) -> str:
    """Return the cell as the project answers it; whatever refuses must have changed nothing."""
    with undone():
        answer = send(world, actor, row.method, row.route, row.word, row.whose)
        cell = cell_of(answer)
        if cell not in ("200", "201", "204", "302") or row.method == "GET":
            assert fingerprint() == world.before, f"{row.route} {row} changed something: {actor}"
    return cell


def cell_of(answer: Any) -> str:
    target = answer.headers.get("Location", "").partition("?")[0]
    if answer.status_code == 302 and target in ("/sign-in/", "/admin/login/"):
        return "in"
    if answer.status_code == 302 and target == "/password/":
        return "pw"
    return "-" if answer.status_code == 404 else str(answer.status_code)


def line_of(row: Row, cells: dict[str, str]) -> str:
    return f"  {row!s:<30}|" + "".join(f"{cells[actor]:>4}" for actor in TABLE.actors)


def _paste(rows: set[Row], world: World) -> str:
    """Return rows as the project answers them now, for somebody to judge."""
    lines: list[str] = []
    for route in sorted({row.route for row in rows}):
        lines.append(f"/{route}")
        for row in sorted(row for row in rows if row.route == route):
            cells = {actor: answer_of(world, actor, row) for actor in TABLE.actors}
            lines.append(line_of(row, cells))
    return "\n".join(lines)


# --- tests --------------------------------------------------------------------------------------


def test_the_table_has_every_role():
    assert TABLE.actors == list(World.NAMES), "the first line of permissions.txt names other actors"
    missing = set(Role) - set(POSTS.values()) - {Role.INSPECTOR, Role.UNIT, Role.UNIT_HEAD}
    assert missing == {Role.SYSTEM}, "give the new role an actor: World in tests/support/access.py"
    assert {one.action for one in ACTIONS.values()} == set(MOVES), "say in ACTIONS how it is tried"


def test_the_table_has_every_socket():
    sockets = {str(route.pattern) for route in websocket_urlpatterns}
    assert sockets == access.LIVE - set(routes()), "a new socket needs its rows and their test"


@pytest.mark.django_db
def test_the_table_has_every_address(world):
    found = {route for route in routes() if not is_model_page(route)} - access.LIVE
    listed = set(ROUTES)
    unlisted = found - listed
    new = {row for route in unlisted for row in wanted_rows(route, _reacts_to(world, route))}
    assert not unlisted, (
        "tests/permissions.txt lacks these addresses. This is what they answer now: judge every\n"
        f"cell against docs/domain.md §2, then paste the lines.\n{_paste(new, world)}"
    )
    gone = listed - found
    assert not gone, f"These addresses are gone: take them out of tests/permissions.txt: {gone}"


def _reacts_to(world: World, route: str) -> set[str]:
    """Return the methods an address nobody has listed yet answers to somebody."""
    try:
        access.address_of(world, route, "", "mine")
    except KeyError as blank:
        pytest.fail(f"/{route}: say in access.address_of what stands for {blank}")
    return {
        method for method in METHODS if answer_of(world, "roo", Row(route, method, "", "")) != "405"
    }


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"/{route}")
def test_every_cell(world, route):
    rows = {row: cells for row, cells in TABLE.rows.items() if row.route == route}
    methods = {row.method for row in rows}
    wanted = wanted_rows(route, methods)
    assert not rows.keys() - wanted, f"/{route} has rows that mean nothing: {rows.keys() - wanted}"
    lacking = wanted - rows.keys()
    assert not lacking, f"Judge every cell, then paste these lines:\n{_paste(lacking, world)}"

    wrong = []
    for row, cells in rows.items():
        found = {actor: answer_of(world, actor, row) for actor in TABLE.actors}
        if found != cells:
            differ = ", ".join(
                f"{actor} gets {found[actor]}, not {cells[actor]}"
                for actor in TABLE.actors
                if found[actor] != cells[actor]
            )
            wrong.append(f"  {row}: {differ}\n{line_of(row, found)}   <- as it answers now")
    assert not wrong, f"/{route} answers otherwise than the table says:\n" + "\n".join(wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"/{route}")
def test_no_address_reacts_to_a_method_the_table_does_not_name(world, route):
    """Django's own pages take any method for a GET; none of ours does."""
    rows = {row.method: cells for row, cells in TABLE.rows.items() if row.route == route}
    same = rows.get("GET", {}) if route.startswith(("admin/", "i18n/", "sign-in/")) else {}
    wrong = [
        f"{method} as {actor}: {cell}"
        for method in METHODS
        if method not in rows
        for actor in SOME
        if (cell := answer_of(world, actor, Row(route, method, "", "")))
        not in ("405", "401", "403", "-", "in", "pw", same.get(actor))
    ]
    assert not wrong, f"/{route} reacts to more than the table says; add rows for: {wrong}"


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"/{route}")
def test_no_page_takes_a_post_of_another_site(world, route):
    rows = [row for row in TABLE.rows if row.route == route and row.method in ("POST", "PUT")]
    for row in rows:
        for actor in ("ins", "uni", "DIS", "roo"):
            client = world.client(actor, csrf=True)
            address = access.address_of(world, row.route, row.word, row.whose)
            with undone():
                answer = getattr(client, row.method.lower())(address)
                assert answer.status_code == 403, f"{row} as {actor}"
                assert fingerprint() == world.before


# --- the workflow table through the API: every stage, action and role ---------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM}))
def test_every_stage_and_action_of_a_role(world, role):
    """What the second table of tests/cases/test_workflow.py forbids changes nothing."""
    for stage in Stage:
        for action in MOVES:
            sources, _, roles, _ = (text.split() for text in ALLOWED[action])
            told = f"{role} {action} at {stage}"
            if stage in sources and role in roles:
                with undone():
                    status = access.try_cell(world, stage, action, role)
                # A guard may refuse it, or the case is with no unit, or with another than asked.
                # A support is refused to the reporter, which no guard can see.
                is_theirs = action in (Action.ASSIST, Action.SUPPORT)
                may_not = {404, 409, 403 if is_theirs else 409}
                is_guarded = action in {*GUARDS, Action.SUPPORT}
                assert status == 200 or (is_guarded and status in may_not), (told, status)
            else:
                status = access.try_cell(world, stage, action, role)
                assert status in (403, 404, 409), (told, status)
        assert fingerprint() == world.before, f"{role} changed something at {stage}"


# --- the admin site: each model's pages, for superusers only ------------------------------------


def test_the_table_has_every_model_of_the_admin_site():
    found = {f"{model._meta.app_label}/{model._meta.model_name}" for model in admin.site._registry}
    assert found == set(TABLE.admin), (
        f"add to permissions.txt: {sorted(found - set(TABLE.admin))}; "
        f"take out: {sorted(set(TABLE.admin) - found)}"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("model", sorted(TABLE.admin))
def test_admin_pages_of_a_model(world, model):
    others = [actor for actor in SOME if actor != "roo"]
    wrong = []
    for page, tail in zip(MODEL_PAGES, _tails(model), strict=True):
        address = f"/admin/{model}/{tail}"
        found = _fetch(world.client("roo"), "get", address, world)
        if found != TABLE.admin[model][page]:
            wrong.append(f"{page} gives a superuser {found}, not {TABLE.admin[model][page]}")
        for actor in others:
            for method in ("get", "post"):
                found = _fetch(world.client(actor), method, address, world)
                refusal = {"sta": "403", "new": "pw"}.get(actor, "in")
                if found != refusal:
                    wrong.append(f"{method} {address} as {actor}: {found}, not {refusal}")
    assert not wrong, "\n".join(wrong)


def _tails(model: str) -> list[str]:
    found = next(m for m in admin.site._registry if m._meta.label_lower == model.replace("/", "."))
    row = found._default_manager.order_by("pk").first()
    pk = row.pk if row else "none"
    return ["", "add/", f"{pk}/change/", f"{pk}/delete/", f"{pk}/history/"]


def _fetch(client: Client, method: str, address: str, world: World) -> str:
    with undone():
        cell = cell_of(getattr(client, method)(address))
        assert fingerprint() == world.before
    return cell
