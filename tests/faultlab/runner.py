"""The lab: every process of a city in a home of its own, started as `deploy/up` starts them.

supervisord and its configuration are the product's; the lab adds a second relay and a second beat,
and lets the application reach both Redis (and, where asked, PostgreSQL) through proxies that break
at a word. It ends only what it started.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from redis import Redis

from deploy import lifecycle, postgres, processes
from deploy.home import Home, pick_port, prepare_folders, prepare_state
from deploy.processes import Supervisor, session_members
from deploy.python_env import ROOT
from tests.faultlab.figures import Red
from tests.faultlab.proxy import Proxy

TWICE = ("relay", "beat")  # of these a second copy runs, which must be harmless
APPLICATION = (*processes.APPLICATION, *(f"{name}-2" for name in TWICE))
DISPATCH_WORKERS = tuple(n for n in processes.WORKERS if n.startswith("worker-dispatch."))
THROUGH = ("redis-broker", "redis-channels")
INJECTED = Path(__file__).resolve().parent / "injected"
HEALTHY_S = 120
TEMPLATE = "cityops_base"
# Tokens of every account, and a session of each that opens screens.
_PEOPLE = """
import json
from django.conf import settings
from django.test import Client
from cityops.accounts.models import ApiToken, User

def session(user):
    client = Client()
    client.force_login(user)
    return client.session.session_key

users = list(User.objects.filter(is_active=True).order_by("username"))
words = ("acceptor", "chief", "dispatcher", "inspector", "leader", "supervisor")
print(json.dumps({
    "tokens": {user.username: ApiToken.issue(user) for user in users},
    "sessions": {u.username: session(u) for u in users if u.username.startswith(words)},
}))
"""


class LabHome(Home):
    """A home whose application processes go through proxies and carry the lab's crash points."""

    through: dict[int, int]  # port of a server: port of its proxy
    crash_folder: Path

    def environment(self, process: str = "manage") -> dict[str, str]:
        """Return the environment of supervisord and so of every process."""
        env = super().environment(process)
        for name, value in env.items():
            if name.startswith(("DATABASE_URL", "REDIS")):
                env[name] = self._proxied(value)
        return env | {"PYTHONPATH": str(INJECTED), "LAB_CRASH_FOLDER": str(self.crash_folder)}

    def _proxied(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.port not in self.through:
            return url
        who = parts.netloc.rpartition(":")[0]
        return urlunsplit(parts._replace(netloc=f"{who}:{self.through[parts.port]}"))


class Lab:
    """A running city to break. `root` is the checkout whose code the application runs."""

    def __init__(
        self, path: Path, *, root: Path = ROOT, through: tuple[str, ...] = THROUGH
    ) -> None:
        self.home = LabHome.at(path)
        self.home.through = {}
        self.home.crash_folder = path / "crash"
        self.root = root
        self.out = path / "out"
        self.proxy: dict[str, Proxy] = {}
        self.people: dict[str, str] = {}  # username: token
        self._sessions: dict[str, str] = {}
        self._behind = through
        self._supervisor = Supervisor(self.home)
        self._code = path / "code"

    @property
    def url(self) -> str:
        """The one address people use."""
        return f"http://127.0.0.1:{self.home.state.port}"

    @property
    def screens_url(self) -> str:
        """The address live screens connect to."""
        return f"ws://127.0.0.1:{self.home.state.port}/ws/live/"

    @property
    def lookers(self) -> list[str]:
        """Who opens live screens: people of the city and of every district."""
        return list(self._sessions)

    def cookie(self, username: str) -> str:
        """Return the session key of a user."""
        return self._sessions[username]

    def start(self) -> None:
        """Make the city, keep a copy of its database, and start every process."""
        home = self.home
        home.path.mkdir(parents=True, exist_ok=True)
        lifecycle.stop(home)  # a lab that was killed may have left its processes
        prepare_folders(home)
        prepare_state(home, venv=Path(sys.prefix))
        home.state.servers.clear()  # the lab has its own, whatever the caller's environment names
        home.state.port = home.state.port or pick_port(set(home.state.ports.values()))
        home.state.listen = ["127.0.0.1"]
        home.save()
        for folder in (self.out, home.crash_folder):
            folder.mkdir(exist_ok=True)
        postgres.prepare(home, for_tests=False)  # an answered commit must survive a crash
        self._start_proxies()
        self._launch()
        self._start_servers()
        postgres.prepare_database(home, for_tests=False)
        known = postgres.superuser_sql(home, "SELECT datname FROM pg_database").splitlines()
        if TEMPLATE in known:
            self._take_database()  # an earlier lab of this home has used its city up
        lifecycle.prepare_application(home)
        self._meet_people()
        self.limit_people(user=10**6, scope=10**6)
        self._keep_database()
        self._start_application()

    def stop(self) -> None:
        """End every process of this lab, whoever asks to end sooner."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if self._supervisor.is_running():
                self.down(*(name for name in APPLICATION if self.pid(name)))  # need not be gentle
            lifecycle.stop(self.home)
        finally:
            signal.signal(signal.SIGINT, before)
        for proxy in self.proxy.values():
            proxy.stop()
        self.proxy = {}

    def delete(self) -> None:
        """Delete what the lab kept, `out` included."""
        postgres.delete_data(self.home)
        shutil.rmtree(self.home.path)

    def refound(self, *, root: Path | None = None, out: Path | None = None) -> None:
        """Begin again with an untouched city, run from `root`, with histories in `out`."""
        self.heal_servers()
        self.down(*(name for name in APPLICATION if self.pid(name)))
        self.root, self.out = root or self.root, out or self.out
        self.out.mkdir(parents=True, exist_ok=True)
        self._take_database()
        self.flush_redis()
        self._point_root()
        self._start_application()

    def _start_proxies(self) -> None:
        ports = {name: name.removeprefix("redis-") for name in THROUGH} | {"postgres": "postgres"}
        for name in self._behind:
            port = self.home.state.ports[ports[name]]
            self.proxy[name] = Proxy(port)
            self.home.through[port] = self.proxy[name].start()

    def _launch(self) -> None:
        """Write the product's configuration, with the lab's few changes, and start supervisord."""
        processes.write_configuration(self.home)
        path = self.home.path / "supervisord.conf"
        text = path.read_text().replace(f'"{ROOT}/', f'"{self._code}/')
        for name in TWICE:
            copied = re.search(rf"^\[program:{name}\]\n(?:.+\n)+", text, re.MULTILINE)
            assert copied, f"supervisord.conf has no {name}"
            second = copied[0].replace(f"program:{name}", f"program:{name}-2")
            text += "\n" + second.replace(f"{name}.pid", f"{name}-2.pid")
        ours = r"^\[program:(?!postgres).+\]$"  # PostgreSQL's user may not reach the checkout
        path.write_text(re.sub(ours, rf"\g<0>\ndirectory = {self._code}", text, flags=re.MULTILINE))
        self._point_root()
        self._supervisor.launch()
        self._session = self._supervisor._call("getPID")

    def _point_root(self) -> None:
        """Let the link the programs start in lead to the checkout they are to run."""
        self._code.unlink(missing_ok=True)
        self._code.symlink_to(self.root)

    def _start_servers(self) -> None:
        self._supervisor.start("postgres", *THROUGH)
        self.wait_servers()

    def _start_application(self) -> None:
        # Beat first: a worker that is up finds its canary waiting.
        self._supervisor.start(*reversed(APPLICATION), "nginx")
        self.wait_healthy()

    def _meet_people(self) -> None:
        """Issue a token to every account, and sessions to those who look at screens."""
        said = lifecycle.manage(
            self.home, "shell", "-v0", "-c", _PEOPLE, failure="No tokens could be issued:"
        )
        found = json.loads(said.strip().splitlines()[-1])
        self.people, self._sessions = found["tokens"], found["sessions"]

    def limit_people(self, *, user: int, scope: int) -> None:
        """Let one person and one district make so many changes at once, and a tenth a second."""
        self.rows(
            "UPDATE cases_cityoptions SET user_burst = %s, user_per_s = %s,"
            " scope_burst = %s, scope_per_s = %s",
            *(user, user // 10, scope, scope // 10),
        )

    def _keep_database(self) -> None:
        postgres.superuser_sql(
            self.home,
            f"DROP DATABASE IF EXISTS {TEMPLATE};\nCREATE DATABASE {TEMPLATE} TEMPLATE cityops;\n",
        )

    def _take_database(self) -> None:
        postgres.superuser_sql(
            self.home,
            "DROP DATABASE cityops WITH (FORCE);\n"
            f"CREATE DATABASE cityops TEMPLATE {TEMPLATE} OWNER cityops_owner;\n"
            "REVOKE ALL ON DATABASE cityops FROM PUBLIC;\n"
            "GRANT CONNECT ON DATABASE cityops TO cityops_web, cityops_system;\n",
        )

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Read or write as the owner of the database, past proxies and rules of the product."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    @property
    def database_url(self) -> str:
        """The database as its owner sees it, past the proxy."""
        return self.home.variables()["DATABASE_URL"]

    def redis_url(self, name: str) -> str:
        """Return the address of one Redis, past its proxy."""
        variable = {"redis-broker": "REDIS_URL", "redis-channels": "REDIS_CHANNELS_URL"}[name]
        return self.home.variables()[variable]

    def programs(self) -> list[str]:
        """Return every program of the lab."""
        return list(self._supervisor.states())

    def pid(self, name: str) -> int:
        """Return the process id of a program, 0 while it does not run."""
        return int(self._supervisor.states()[name]["pid"])

    def children(self, name: str) -> list[int]:
        """Return the living processes of a program except its first."""
        first = self.pid(name)
        group = session_members(self._session)
        return [pid for pid in group if pid != first and _group_of(pid) == first]

    def page(self, path: str, username: str) -> int:
        """Return the status with which a page answers a user's session; redirects count as such."""
        connection = http.client.HTTPConnection("127.0.0.1", self.home.state.port, timeout=30)
        with contextlib.closing(connection):
            cookie = f"sessionid={self.cookie(username)}"
            connection.request("GET", path, headers={"Host": "localhost", "Cookie": cookie})
            return connection.getresponse().status

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue, each with a worker of its own."""
        return processes.QUEUES

    def degraded(self) -> list[str] | None:
        """Return what /readyz calls degraded; None while it does not answer 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=10) as answer:  # noqa: S310 - our own
                return list(json.load(answer)["degraded"])
        except OSError:
            return None

    def heads(self) -> dict[str, int]:
        """Return where the logs stand."""
        return dict(self.rows("SELECT scope, dseq FROM cases_districthead"))

    def waiting(self) -> tuple[int, int]:
        """Return how many effects of cases are not done, and how many cases wait for one."""
        ((effects, cases),) = self.rows(
            """
            SELECT (SELECT count(*) FROM cases_effect
                    WHERE state = 'due' AND case_id IS NOT NULL),
                   (SELECT count(*) FROM cases_case WHERE stage = 'filed' AND NOT is_unrouted)
            """
        )
        return effects, cases

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a program and its children; a killed one is seen to be gone.

        supervisord starts it again at once, as it does in a city. Returns the pid it had.
        """
        pid = self.pid(name)
        if not pid:
            raise Red(f"{name} does not run, so it cannot be given a signal")
        os.killpg(pid, number)
        if number == signal.SIGKILL:
            self.wait_gone(pid)
        return pid

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a program and its children, should it still be there."""
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def wait_running(self, name: str) -> int:
        """Wait until supervisord has a program running and return its pid."""
        _wait(lambda: _lives(self.pid(name)), 30, f"{name} runs")
        return self.pid(name)

    def kill_process(self, pid: int) -> None:
        """Kill one process of this lab and see it gone."""
        if pid not in session_members(self._session):
            raise Red(f"{pid} is no process of the lab")
        os.kill(pid, signal.SIGKILL)
        self.wait_gone(pid)

    def wait_gone(self, pid: int) -> None:
        """See that a process has ended."""
        _wait(lambda: not _lives(pid), 10, f"the process {pid} is gone")

    def down(self, *names: str) -> None:
        """Kill programs at once and keep supervisord from starting them again."""
        for name in names:
            pid = self.wait_running(name)  # supervisord may be starting it again
            self.signal(pid, signal.SIGSTOP)  # so that the word to stop cannot be obeyed first
            self._supervisor._call("stopProcess", name, False)  # noqa: FBT003 - as XML-RPC has it
            self.signal(pid, signal.SIGKILL)
        for name in names:
            _wait(lambda name=name: not self.pid(name), 20, f"{name} is down")

    def up(self, *names: str) -> None:
        """Start programs that are down, without waiting until they work."""
        self._supervisor.start(*names)

    def restart(self, *names: str) -> None:
        """Stop programs as a deployment does, and start them."""
        self._supervisor.restart(*names)

    def flush_redis(self) -> None:
        """Empty both Redis servers and see them empty, as far as nobody writes meanwhile."""
        for name in THROUGH:
            with Redis.from_url(self.redis_url(name)) as server:
                server.flushall()

    def heal(self) -> None:
        """Take every fault away and wait until the city calls itself healthy."""
        self.heal_servers()
        for name in self.programs():
            self.signal(self.pid(name), signal.SIGCONT)
        self._supervisor.start(*APPLICATION, "nginx")
        self.wait_healthy()

    def heal_servers(self) -> None:
        """Disarm every step, let proxies pass and bring the servers back."""
        for armed in self.home.crash_folder.iterdir():
            armed.unlink(missing_ok=True)
        for proxy in self.proxy.values():
            proxy.set("pass")
        for name in ("postgres", *THROUGH):
            self.signal(self.pid(name), signal.SIGCONT)
        self._start_servers()

    def wait_servers(self) -> float:
        """Wait until PostgreSQL and both Redis answer; return the seconds it took."""
        return _wait(self._servers_answer, HEALTHY_S, "PostgreSQL and both Redis answer")

    def wait_healthy(self, limit_s: float = HEALTHY_S) -> float:
        """Wait until /readyz shows nothing degraded; return the seconds it took."""
        return _wait(lambda: self.degraded() == [], limit_s, "/readyz shows nothing degraded")

    def quiesce(self, limit_s: float = 120) -> float:
        """Wait until no work of a case is left; return the seconds it took."""
        return _wait(lambda: self.waiting() == (0, 0), limit_s, "no case waits for its effect")

    def _servers_answer(self) -> bool:
        home = self.home
        return postgres.is_ready(home) and all(
            processes.answers_redis(home, service) for service in ("broker", "channels")
        )


@contextlib.contextmanager
def running(path: Path, *, root: Path = ROOT) -> Iterator[Lab]:
    """Start a lab for a while; what it kept stays in `path`."""
    lab = Lab(path, root=root)
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _wait(condition: Callable[[], bool], limit_s: float, wanted: str) -> float:
    """Wait for a condition and return the seconds it took; Red when it does not come."""
    begun = time.monotonic()
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            if condition():
                return time.monotonic() - begun
        if time.monotonic() - begun > limit_s:
            raise Red(f"after {limit_s:.0f} s it is still not so that {wanted}")
        time.sleep(0.1)
