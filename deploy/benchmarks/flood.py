"""Three districts at their usual work while the fourth floods, hangs, or sends giant photos."""

import base64
import contextlib
import hashlib
import io
import json
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
from django.utils import timezone
from PIL import Image

from cases.choices import DISTRICT_SLUGS, Role
from cases.selectors.home_scope import home_scope
from cases.selectors.place import locate
from cases.simulation.city import City
from cityops.accounts.models import User
from deploy.benchmarks.clients import as_json
from deploy.benchmarks.create import wait_until_dispatched
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.flooder import FRESH_KEY, Call, open_link, send
from deploy.benchmarks.people import token_of
from deploy.home import Home
from deploy.python_env import ROOT

FLOODED = "hecheng"
OTHERS = tuple(slug for slug in DISTRICT_SLUGS if slug != FLOODED)
CALM_RATE = 3.0  # calls a second of each district
FLOOD_RATE = 50 * CALM_RATE
STUCK_RATE = 10.0
UPLOAD_RATE = 5.0
SECONDS = 20.0
CLIENTS = 4  # connections of each district
PLACES = 40
LARGE_PHOTOS = 30
AIM = 1.5


def neighbours(home: Home) -> Figure:
    """Return the worst 95 % of the other districts' answers, against that of a calm city.

    Each trouble lies between two calm stretches, and calm is all of those together.
    """
    work = {slug: _Work(slug) for slug in OTHERS}
    calm = _Times()
    _measured(home, work, _Times(), SECONDS / 4)  # warms up
    troubles = {
        "50 times the calls": _flood(home, list(_reports(FLOODED)), FLOOD_RATE),
        "a report that hangs": _stuck_report(home),
        "photos of 200 megapixels": _flood(home, _uploads(home), UPLOAD_RATE),
    }
    more: dict[str, float] = {}
    worst = 0.0
    for name, trouble in troubles.items():
        _measured(home, work, calm, SECONDS / 2)
        times = _Times()
        with trouble() as statuses:
            _measured(home, work, times, SECONDS)
        _measured(home, work, calm, SECONDS / 2)
        worst = max(worst, times.p95_s)
        more |= {
            f"{name}: the others, 95 %, s": times.p95_s,
            f"{name}: against calm (aim {AIM})": times.p95_s / calm.p95_s,
            f"{name}: the others refused or failed": times.failures,
        }
        more |= {f"{name}: {FLOODED} got {code}": n for code, n in sorted(statuses.items())}
    wait_until_dispatched()
    return Figure("other districts, 95 %, worst trouble", "s", worst, "calm", calm.p95_s, more)


class _Times:
    """How long the calls of all three districts took, from the moment each was due."""

    def __init__(self) -> None:
        self.taken_s: list[float] = []
        self.failures = 0
        self._lock = threading.Lock()

    def note(self, taken_s: float, status: int) -> None:
        with self._lock:
            self.taken_s.append(taken_s)
            self.failures += status >= 400 or status == 0

    @property
    def p95_s(self) -> float:
        return statistics.quantiles(self.taken_s, n=20)[-1]


class _Work:
    """The usual work of one district: lists and reports in turn."""

    def __init__(self, slug: str) -> None:
        self._reports = list(_reports(slug))
        self._list: Call = ("GET", "/api/v1/cases/", b"", token_of(f"dispatcher-{slug}"))
        self._number = count()

    def call(self) -> Call:
        number = next(self._number)
        return self._reports[number // 2 % PLACES] if number % 2 else self._list


def _measured(home: Home, work: dict[str, _Work], times: _Times, seconds: float) -> None:
    """Let the three districts work for a while and note how long each call took."""
    begun = time.monotonic()

    def client(slug: str, place: int) -> None:
        with contextlib.closing(open_link(home.state.port)) as link:
            for number in count(place, CLIENTS):
                due = begun + number / CALM_RATE
                if due > begun + seconds:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                status = send(link, work[slug].call())
                times.note(time.monotonic() - due, status)

    places = [(slug, place) for slug in work for place in range(CLIENTS)]
    threads = [threading.Thread(target=client, args=at) for at in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- what the flooded district sends ------------------------------------------------------------

Trouble = Callable[[], contextlib.AbstractContextManager[dict[str, int]]]


def _flood(home: Home, calls: list[Call], rate: float) -> Trouble:
    """Return a flood of calls for as long as one measurement takes."""
    told = [(m, path, base64.b64encode(body).decode(), head) for m, path, body, head in calls]
    numbers = map(str, (home.state.port, rate, SECONDS))

    @contextlib.contextmanager
    def run() -> Iterator[dict[str, int]]:
        statuses: dict[str, int] = {}
        command = [sys.executable, "-m", "deploy.benchmarks.flooder", *numbers]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as flooder:
            assert flooder.stdin is not None
            flooder.stdin.write(json.dumps(told))
            flooder.stdin.close()
            flooder.stdin = None
            yield statuses
            answered, _ = flooder.communicate(timeout=300)
        statuses.update(json.loads(answered))

    return run


def _stuck_report(home: Home) -> Trouble:
    """Return people who ask for the ranking again and again while it waits for a locked table."""
    period = f"{timezone.localdate():%Y-%m}"
    ask = ("GET", f"/api/v1/assessments/{period}/", b"", token_of(f"dispatcher-{FLOODED}"))
    asking = _flood(home, [ask], STUCK_RATE)

    @contextlib.contextmanager
    def run() -> Iterator[dict[str, int]]:
        with psycopg.connect(home.variables()["DATABASE_URL"]) as owner:
            owner.execute("LOCK TABLE scoring_run IN ACCESS EXCLUSIVE MODE")
            with asking() as statuses:
                yield statuses
            owner.rollback()

    return run


def _reports(slug: str) -> Iterator[Call]:
    """Return reports of a district's inspectors, each with a key made when it is sent."""
    for body, headers in zip(_bodies(slug), _inspectors(slug) * PLACES, strict=False):
        yield "POST", "/api/v1/cases/", as_json(body), headers


def _bodies(slug: str) -> Iterator[dict[str, object]]:
    city, found = City(seed=5), 0
    luck = city.luck("flood")
    while found < PLACES:
        said = city.draft(timezone.now(), luck).report
        if locate(said.lon, said.lat).district == slug:
            found += 1
            place = {"lon": said.lon, "lat": said.lat}
            yield {"location": place, "category": said.category, "condition": said.condition}


def _inspectors(slug: str) -> list[dict[str, str]]:
    """Return the headers of a district's inspectors."""
    people = User.objects.with_grants().filter(grant__role=Role.INSPECTOR, is_demo=True)
    json_type = {"Content-Type": "application/json", "Idempotency-Key": FRESH_KEY}
    return [
        token_of(user.username) | json_type
        for user in people.order_by("pk")
        if home_scope(user.grants) == slug
    ]


def _uploads(home: Home) -> list[Call]:
    """Return photos for cases of the flooded district: every other one of 200 megapixels.

    Those are refused; the rest, of 48, is all that is allowed and makes the media worker sweat.
    """
    giant, large = _jpeg(20_000, 10_000), _jpeg(8_000, 6_000)
    headers = _inspectors(FLOODED)[0]
    calls: list[Call] = []
    for number, body in zip(range(LARGE_PHOTOS), _bodies(FLOODED), strict=False):
        photos = [giant, large + str(number).encode()]  # what stands behind its end is not seen
        names = [hashlib.sha256(photo).hexdigest() for photo in photos]
        link = open_link(home.state.port)
        report = as_json(body | {"photos": names})
        fresh = headers | {"Idempotency-Key": str(uuid.uuid4())}
        link.request("POST", "/api/v1/cases/", report, {"Host": "localhost", **fresh})
        case = json.load(link.getresponse())["number"]
        link.close()
        attached = {"Content-Type": "image/jpeg", "Content-Disposition": "attachment; filename=a"}
        for name, photo in zip(names, photos, strict=True):
            address = f"/api/v1/cases/{case}/photos/{name}/"
            sender = {"Authorization": headers["Authorization"]}
            calls.append(("PUT", address, photo, sender | attached))
    return calls


def _jpeg(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(out, "JPEG", quality=5)
    return out.getvalue()
