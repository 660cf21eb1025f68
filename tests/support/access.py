"""A small city with one person of each kind and a case at each stage, mine and somebody else's.

`Mine` is hecheng, the unit `office` and the inspector `ins`; `other` is landport, `zone-office`
and an inspector none of the actors is. Used by tests/test_permissions.py.
"""

import hashlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from PIL import Image

from cases.choices import Action, Role
from cases.models import Attachment, Case, CityOptions, SavedSearch
from cases.selectors.calendars import current_version
from cases.services.city import load_city
from cases.services.intake import Report, report_case
from cityops.accounts.models import ApiToken, SignInLock, User
from tests.support.city import SmallCity, open_logs
from tests.support.components import component, register
from tests.support.people import person
from tests.support.spine import act, photo, run_dispatch

BLANK = re.compile(r"<\w+:(?P<name>\w+)>")
PASSWORD = "an-old-password"
CONDITION = {"category": "event-0112", "condition": "event-0112-1"}
COMPONENT = {  # registered in the small city, whose one class of components it is
    "标识码": "4312020112000001",
    "经度": "110.015",
    "纬度": "27.515",
    "主管部门": "office",
    "权属单位": "",
    "养护单位": "",
}
PLACES = {"mine": {"lon": 110.015, "lat": 27.515}, "other": {"lon": 110.08, "lat": 27.55}}
DISTRICTS = {"mine": "hecheng", "other": "landport"}
UNITS = {"mine": "office", "other": "zone-office"}

# Looked at by tests/test_permissions_live.py: they need a database other threads can see.
LIVE = {"live/events", "ws/live/"}

# Posts of the centres, which are held for one district or the whole city.
POSTS = {
    "acc": Role.ACCEPTOR,
    "chi": Role.DUTY_CHIEF,
    "dis": Role.DISPATCHER,
    "ope": Role.OPERATOR,
    "sup": Role.SUPERVISOR,
    "ass": Role.ASSESSOR,
    "lea": Role.LEADER,
    "adm": Role.ADMIN,
}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "green").save(out, "JPEG")
    return out.getvalue()


SHA256 = hashlib.sha256(jpeg()).hexdigest()


def load_table_city(folder: Path) -> None:
    """Load the small city with a class of components too."""
    city = SmallCity(folder)
    city.categories.append(city.categories[0] | {"kind": "component"})
    open_logs()
    load_city(city.write(), since=None, progress=lambda line: None)


class World:
    """Actors by their column in the table, and cases by stage and owner."""

    NAMES = (
        *("ano", "ins", "uni", "hea"),
        *POSTS,
        *(name.upper() for name in POSTS),
        *("non", "sta", "roo", "off", "new"),
    )

    def __init__(self) -> None:
        self.actors: dict[str, User | None] = {"ano": None}
        self.cases: dict[tuple[str, str], str] = {}
        self.photos: dict[str, int] = {}
        self.inspectors: dict[str, User] = {}
        self._people()
        ApiToken.issue(self._actor("lea"))
        SignInLock.objects.create(username="somebody", tries=1)
        Group.objects.create(name="a group")
        CityOptions.objects.update(auto_check=False)
        for whose in PLACES:
            self._cases_of(whose)
        self.searches = {
            "mine": SavedSearch.objects.create(
                user=self._actor("dis"), name="a", query="q=a", is_shared=True
            ),
            "other": SavedSearch.objects.create(user=self.inspectors["other"], name="a", query="q"),
        }
        self.component = component(**COMPONENT).pk
        self.before = fingerprint()
        self.cookies = {name: _cookie(user) for name, user in self.actors.items() if user}
        User.objects.filter(username="off").update(is_active=False)

    def _people(self) -> None:
        made = {
            "ins": person("ins", Role.INSPECTOR, grids=("431202",)),
            "uni": person("uni", Role.UNIT, "office"),
            "hea": person("hea", Role.UNIT_HEAD, "office"),
            **{name: person(name, role, "hecheng") for name, role in POSTS.items()},
            **{name.upper(): person(name.upper(), role) for name, role in POSTS.items()},
            "non": User.objects.create_user("non", name="non"),
            "sta": User.objects.create_user("sta", name="sta", is_staff=True),
            "roo": User.objects.create_superuser("roo", name="roo"),
            "off": person("off", Role.DISPATCHER),
            "new": person("new", Role.DISPATCHER),
        }
        User.objects.filter(username="new").update(must_change_password=True)
        for user in made.values():
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
        self.actors |= made
        stranger = person("stranger", Role.INSPECTOR, grids=("431202",))
        self.inspectors = {"mine": made["ins"], "other": stranger}
        self.workers = {
            "mine": made["uni"],
            "other": person("other-unit", Role.UNIT, "zone-office"),
        }

    def _cases_of(self, whose: str) -> None:
        place, inspector = PLACES[whose], self.inspectors[whose]

        def come(**words: Any) -> str:
            report = Report(**place, **{**CONDITION, **words})
            return str(report_case(report=report, actor=inspector, key=uuid.uuid4())["number"])

        def keep(stage: str, number: str) -> None:
            self.cases[stage, whose] = number

        keep("awaiting", come(photos_due=(SHA256,)))
        operated = Report(**place, **CONDITION, source="hotline")
        said = report_case(report=operated, actor=self._actor("OPE"), key=uuid.uuid4())
        keep("reported", str(said["number"]))
        keep("accepted", come(condition=""))
        keep("filed", come())
        for stage, steps in _WAYS.items():
            number = come()
            assert run_dispatch(number) == "dispatched"
            for action, worker, inputs in steps:
                self._step(number, whose, action, worker, dict(inputs))
            keep(stage, number)
        for stage, number in list(self.cases.items()):
            shown = "reported" if stage[0] == "awaiting" else stage[0].partition("-")[0]
            assert Case.objects.get(number=number).stage == shown, stage
        attachment = Attachment.objects.filter(case__number=self.cases["handled", whose])
        self.photos[whose] = attachment.get().pk

    def _step(self, number: str, whose: str, action: Action, worker: str, inputs: Any) -> None:
        actor = {"unit": self.workers[whose], "inspector": self.inspectors[whose]}.get(worker)
        if "assignee" in inputs:
            inputs["assignee"] = self.inspectors[whose].username
        if "unit" in inputs:
            inputs["unit"] = UNITS[whose]
        photos = (photo(),) if action == Action.FINISH else ()
        act(number, action, actor or self._actor(worker), photos=photos, **inputs)

    def _actor(self, name: str) -> User:
        user = self.actors[name]
        assert user is not None
        return User.objects.with_grants().get(pk=user.pk)

    def client(self, name: str, *, csrf: bool = False) -> Client:
        """Return a new browser that holds the actor's session."""
        client = Client(enforce_csrf_checks=csrf, raise_request_exception=False)
        if name in self.cookies:
            client.cookies["sessionid"] = self.cookies[name]
        return client


def _cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


_FINISHED = [(Action.SIGN, "unit", {}), (Action.FINISH, "unit", {})]
_SENT = [*_FINISHED, (Action.SEND_CHECK, "ACC", {"assignee": True})]
_BACK = (Action.RETURN, "unit", {"reason": "other"})
_WAYS: dict[str, list[tuple[Action, str, dict[str, Any]]]] = {
    "dispatched": [],
    "handling": [(Action.SIGN, "unit", {})],
    "handled": _FINISHED,
    "checking": _SENT,
    "checked": [*_SENT, (Action.ANSWER_CHECK, "inspector", {"passed": True})],
    "returned": [_BACK],
    "returned-check": [*_SENT, (Action.ANSWER_CHECK, "inspector", {"passed": False})],
    "disputed": [_BACK, (Action.REASSIGN, "DIS", {"unit": True}), _BACK],
}

# Where each action is tried, and what it is given.
ACTIONS: dict[Action, tuple[str, dict[str, str]]] = {
    Action.ACCEPT: ("reported", {}),
    Action.DECLINE: ("reported", {"reason": "other"}),
    Action.FILE: ("accepted", {"condition": CONDITION["condition"]}),
    Action.DECLINE_FILING: ("accepted", {"reason": "other"}),
    Action.DISPATCH: ("filed", {"unit": "UNIT"}),
    Action.SIGN: ("dispatched", {}),
    Action.RETURN: ("dispatched", {"reason": "other"}),
    Action.REASSIGN: ("returned", {"unit": "UNIT"}),
    Action.ARBITRATE: ("disputed", {"unit": "UNIT"}),
    Action.FINISH: ("handling", {"photos": "PHOTO"}),
    Action.SEND_CHECK: ("handled", {"assignee": "INSPECTOR"}),
    Action.ANSWER_CHECK: ("checking", {"passed": "true"}),
    Action.REWORK: ("returned-check", {}),
    Action.CLOSE: ("checked", {}),
}

_FINGERPRINT = """
    SELECT (SELECT string_agg(scope || dseq || encode(hash, 'hex'), ' ' ORDER BY scope)
            FROM cases_districthead),
           (SELECT count(*) FROM cases_event),
           (SELECT md5(string_agg(c::text, '' ORDER BY id)) FROM cases_case c),
           (SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM cases_task t),
           (SELECT count(*) FROM cases_attachment), (SELECT count(*) FROM cases_idempotencykey),
           (SELECT count(*) FROM cases_effect),
           (SELECT md5(string_agg(username || password || is_superuser || is_staff, ''
                                  ORDER BY id)) FROM accounts_user),
           (SELECT count(*) FROM accounts_grant), (SELECT count(*) FROM accounts_apitoken),
           (SELECT md5(string_agg(s::text, '' ORDER BY id)) FROM cases_savedsearch s),
           (SELECT md5(string_agg(c::text, '' ORDER BY code)) FROM cases_component c),
           (SELECT count(*) FROM django_admin_log)
"""


def fingerprint() -> tuple[Any, ...]:
    """Return what a refusal must leave alone: logs, cases, people, and the files of photos."""
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT)
        row: tuple[Any, ...] = cursor.fetchone()
    return (*row, len(photo_files()))


def photo_files() -> set[Path]:
    return set(Path(settings.MEDIA_ROOT).rglob("*.jpg"))


@contextmanager
def undone() -> Iterator[None]:
    """Let a request write, then take it back."""
    files = photo_files()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    for path in photo_files() - files:
        path.unlink()


# --- requests -----------------------------------------------------------------------------------

Send = Callable[[World, Client, str, str, str], Any]  # world, client, address, word, whose


def _upload() -> io.BytesIO:
    file = io.BytesIO(jpeg())
    file.name = "photo.jpg"
    return file


def _inputs(world: World, action: Action, whose: str) -> dict[str, Any]:
    words = {"UNIT": UNITS[whose], "INSPECTOR": world.inspectors[whose].username}
    inputs = {k: words.get(v, v) for k, v in ACTIONS[action][1].items()}
    if "photos" in inputs:
        inputs["photos"] = _upload()
    number = world.cases[ACTIONS[action][0], whose]
    version = Case.objects.values_list("version", flat=True).get(number=number)
    return {"action": action.value, "seen_version": version, **inputs}


def act_on_page(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {**_inputs(world, Action(word), whose), "key": str(uuid.uuid4())})


def act_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    inputs = _inputs(world, Action(word), whose)
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    if "photos" in inputs:
        return client.post(address, inputs, headers=headers)
    return client.post(address, json.dumps(inputs), "application/json", headers=headers)


def sign_many(world: World) -> list[dict[str, Any]]:
    numbers = [world.cases["dispatched", whose] for whose in PLACES]
    found = Case.objects.filter(number__in=numbers).values_list("number", "version")
    return [{"number": number, "seen_version": version} for number, version in found]


def act_on_many(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    rows = [f"{row['number']}:{row['seen_version']}" for row in sign_many(world)]
    return client.post(address, {"action": "sign", "rows": rows, "key": str(uuid.uuid4())})


def act_on_many_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    body = json.dumps({"action": "sign", "rows": sign_many(world)})
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return client.post(address, body, "application/json", headers=headers)


def report_by_api(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    place = {**PLACES["mine"], "crs": "wgs84"}
    body = json.dumps({"location": place, **CONDITION})
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return client.post(address, body, "application/json", headers=headers)


def answer_on_phone(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    words = _inputs(world, Action.ANSWER_CHECK, whose)
    return client.post(address, {**words, "photo": _upload(), "key": str(uuid.uuid4())})


def form(**fields: Any) -> Send:
    """Return a sender of a form with these fields."""

    def send(world: World, client: Client, address: str, word: str, whose: str) -> Any:
        made = {name: value() if callable(value) else value for name, value in fields.items()}
        return client.post(address, made)

    return send


def at_place(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.get(address, PLACES["mine"])


def import_components(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    return client.post(address, {"file": io.BytesIO(register(COMPONENT))})


def put_photo(world: World, client: Client, address: str, word: str, whose: str) -> Any:
    headers = {"Content-Disposition": "attachment; filename=photo.jpg"}
    return client.put(address, jpeg(), "image/jpeg", headers=headers)


# (method, route): how to send a request that is right in everything but, perhaps, who sends it.
# A route that is not here gets the method with an empty form.
REQUESTS: dict[tuple[str, str], Send] = {
    ("GET", "api/v1/locate/"): at_place,
    ("GET", "outline/near/"): at_place,
    ("POST", "m/tasks/<str:number>/"): answer_on_phone,
    ("POST", "sign-in/"): form(username="ins", password=PASSWORD),
    ("POST", "admin/login/"): form(username="roo", password=PASSWORD),
    ("POST", "password/"): form(
        old_password=PASSWORD, new_password1="Ganz-neu-4312", new_password2="Ganz-neu-4312"
    ),
    ("POST", "i18n/setlang/"): form(language="en"),
    ("POST", "m/report/"): form(
        condition=CONDITION["condition"],
        key=lambda: str(uuid.uuid4()),
        near=_upload,
        source="hotline",
        **PLACES["mine"],
    ),
    ("POST", "admin/cases/component/import/"): import_components,
    ("POST", "cases/<str:number>/actions/"): act_on_page,
    ("POST", "api/v1/cases/<str:number>/actions/"): act_by_api,
    ("POST", "api/v1/cases/"): report_by_api,
    ("POST", "api/v1/cases/bulk/"): act_on_many_by_api,
    ("POST", "cases/bulk/"): act_on_many,
    ("POST", "cases/searches/"): form(name="b", query="q=b"),
    ("POST", "cases/searches/<int:pk>/"): form(name="b"),
    ("PUT", "api/v1/cases/<str:number>/photos/<str:sha256>/"): put_photo,
}

# The stage of the case a route is tried on, where it is not a case being checked.
STAGES = {"api/v1/cases/<str:number>/photos/<str:sha256>/": "awaiting"}


def address_of(world: World, route: str, word: str, whose: str) -> str:
    """Fill the blanks of a route; raises KeyError for one nobody has said how to fill."""
    stage = ACTIONS[Action(word)][0] if word else STAGES.get(route, "checking")
    whose = whose or "mine"
    blanks = {
        "code": world.component,
        "number": world.cases[stage, whose],
        "pk": str(world.searches[whose].pk if "searches" in route else world.photos[whose]),
        "sha256": SHA256,
        "period": f"{timezone.localdate():%Y-%m}",
        "body": DISTRICTS[whose],
        "count": "filed",
        "app_label": "cases",
        "url": "no-such-page",
        "version": str(current_version()),
        "content_type_id": "1",
        "object_id": "1",
    }
    return "/" + BLANK.sub(lambda found: blanks[found["name"]], route)


def send(world: World, actor: str, method: str, route: str, word: str, whose: str) -> Any:
    """Send the request of a cell as `actor`."""
    client, address = world.client(actor), address_of(world, route, word, whose)
    sender = REQUESTS.get((method, route))
    if sender is not None:
        return sender(world, client, address, word, whose)
    return getattr(client, method.lower())(address)
