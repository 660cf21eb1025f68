"""The processes of a home: their configuration files, and supervisord that keeps them running."""

import contextlib
import fnmatch
import http.client
import os
import re
import resource
import shutil
import signal
import socket
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from deploy import postgres
from deploy.console import Refusal, last_lines, run
from deploy.home import Home, write_private
from deploy.python_env import ROOT

TEMPLATES = Path(__file__).resolve().parent
QUEUES = (
    *("dispatch.hecheng", "dispatch.zhongfang", "dispatch.hightech", "dispatch.landport"),
    *("dispatch.city", "notify", "media", "scoring", "report"),
)
LETTING_OUT = ("CITYOPS_OUTSIDE_HOSTS", "CITYOPS_MAIL")  # who has neither sends nothing
MOST_CHILDREN = 64
WORKERS = tuple(f"worker-{queue}" for queue in QUEUES)
APPLICATION = ("web", "live", "relay", *WORKERS, "beat")
SERVERS = ("postgres", "redis-broker", "redis-channels")
ALL = (*SERVERS, *APPLICATION, "nginx")
# In the order of stopping: nobody loses what it still needs.
STOP_ORDER = (
    ("nginx", "demo-month"),
    ("web", "live"),
    ("beat", "relay"),
    WORKERS,
    ("redis-broker", "redis-channels"),
    ("postgres",),
)
# How calls end when supervisord has gone or is going.
GONE = (ConnectionError, FileNotFoundError, http.client.HTTPException, xmlrpc.client.Fault)
OPEN_FILES = 8192  # each live screen holds two in nginx and one in uvicorn
COMMON = """\
autostart = false
autorestart = {autorestart}
startsecs = {startsecs}
startretries = {startretries}
exitcodes = 0
stdout_logfile = {log}/%(program_name)s.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 5
redirect_stderr = true
killasgroup = true
"""
REDIS = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
daemonize no
save ""
appendonly {appendonly}
appendfsync everysec
maxmemory-policy noeviction
"""


def external(home: Home, program: str) -> bool:
    """Tell whether a server that is not ours stands in for this program."""
    name = {
        "postgres": "DATABASE_URL",
        "redis-broker": "REDIS_URL",
        "redis-channels": "REDIS_CHANNELS_URL",
    }
    return name.get(program, "") in home.state.servers


def write_configuration(home: Home) -> None:
    """Write the files of supervisord, both Redis and nginx for this start."""
    _write_redis(home, "broker", appendonly="yes")
    _write_redis(home, "channels", appendonly="no")
    names = _names(home)
    write_private(home.path / "nginx.conf", _nginx_configuration(home, names))
    workers = (
        _filled("worker.conf", {**names, "queue": queue, "children": str(children)})
        for queue, children in queues_of(home).items()
    )
    names["workers"] = "\n".join(workers)
    write_private(home.path / "supervisord.conf", _filled("supervisord.conf", names))


def queues_of(home: Home) -> dict[str, int]:
    """Return the queues whose workers run here, each with how many of its tasks run at once.

    CITYOPS_QUEUES names them: `dispatch.hecheng=4,dispatch.*,notify`; the first word that fits a
    queue decides. Without it all run here that can (_can_work). Raises Refusal.
    """
    words = home.state.given.get("CITYOPS_QUEUES", "")
    if not words:
        return {queue: _children(queue) for queue in QUEUES if _can_work(home, queue)}
    wanted = [_wish(word) for word in words.split(",")]
    found: dict[str, int] = {}
    for queue in QUEUES:
        for pattern, count in wanted:
            if fnmatch.fnmatchcase(queue, pattern):
                found.setdefault(queue, count or _children(queue))
    return found


def _can_work(home: Home, queue: str) -> bool:
    """Tell whether this home has what a queue needs: one of workers only may not.

    `media` and `report` need the folder of photos and files, `notify` the settings of what may
    leave the city.
    """
    if not home.state.workers_only:
        return True
    if queue == "notify":
        return any(home.state.given.get(name) for name in LETTING_OUT)
    return queue not in ("media", "report")


def _wish(word: str) -> tuple[str, int]:
    """Return the pattern and the number of one word of CITYOPS_QUEUES, 0 where it says none."""
    pattern, sign, count = (part.strip() for part in word.partition("="))
    fits = any(fnmatch.fnmatchcase(queue, pattern) for queue in QUEUES)
    if not fits or (sign and not (count.isdecimal() and 0 < int(count) <= MOST_CHILDREN)):
        raise Refusal(
            f"CITYOPS_QUEUES holds {word.strip()!r}; write a queue of {', '.join(QUEUES)}, or "
            f"dispatch.*, each with =1 to ={MOST_CHILDREN} or without."
        )
    return pattern, int(count or 0)


def _children(queue: str) -> int:
    """Return how many tasks of a queue run at once: a busy district's dispatches, two.

    Notices, three: two wait for other systems at most (cases/services/sending.py), which leaves
    a place for those inside. Files, three: one is written at a time (cases/services/exports.py),
    for minutes, scores beside it, and the third place shows meanwhile that the queue is read.
    """
    if queue.startswith("dispatch."):
        return 2
    return {"notify": 3, "report": 3}.get(queue, 1)


def workers(home: Home) -> tuple[str, ...]:
    """Return the workers that run here."""
    return tuple(f"worker-{queue}" for queue in queues_of(home))


def application(home: Home) -> tuple[str, ...]:
    """Return the programs that run our code here."""
    return tuple(name for name in APPLICATION if name not in WORKERS or name in workers(home))


def _names(home: Home) -> dict[str, str]:
    """Return what the templates may name."""
    is_root = os.geteuid() == 0
    ours = not external(home, "postgres")
    return {
        "home": str(home.path),
        "root": str(ROOT),
        "log": str(home.log),
        "digest": home.digest,
        "run": str(home.run),
        "program": str(TEMPLATES / "program.sh"),
        "venv": str(home.venv),
        "nginx": shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        or "nginx",
        "postgres": str(postgres.program(home, "postgres")) if ours else "postgres",
        "pg_data": home.state.pg_data,
        "open_files": str(min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
        "web_port": str(home.state.ports["web"]),
        "live_port": str(home.state.ports["live"]),
        "as_user": "user = root" if is_root else "",
        "as_postgres_user": f"user = {postgres.system_user()}" if is_root and ours else "",
        "common": COMMON.format(
            autorestart="true", startsecs=1, startretries=1_000_000, log=home.log
        ),
        "once": COMMON.format(autorestart="false", startsecs=0, startretries=0, log=home.log),
    }


def _write_redis(home: Home, service: str, *, appendonly: str) -> None:
    folder = home.path / f"redis-{service}"
    folder.mkdir(exist_ok=True, mode=0o700)
    text = REDIS.format(
        port=home.state.ports[service],
        password=home.state.secrets["redis"],
        folder=folder,
        appendonly=appendonly,
    )
    write_private(home.path / f"redis-{service}.conf", text)


def _nginx_configuration(home: Home, names: dict[str, str]) -> str:
    """Fill the template; nginx's own $variables are not ours and stay."""
    state = home.state
    kind = " ssl" if state.tls else ""
    listen = " ".join(f"listen {address}:{state.port}{kind};" for address in state.listen)
    tls = ""
    if state.tls:
        tls = (
            f'ssl_certificate "{state.tls[0]}"; ssl_certificate_key "{state.tls[1]}";'
            " ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:5m;"
            " error_page 497 =301 https://$http_host$request_uri;"
        )
    as_user = "user root;" if os.geteuid() == 0 else ""
    values = {**names, "listen": listen, "tls": tls, "as_user": as_user}
    return _filled("nginx.conf", values)


def _filled(template: str, names: dict[str, str]) -> str:
    """Return a file of this folder with its ${names} filled in; nginx's own $names stay."""
    text = (TEMPLATES / template).read_text()
    return re.sub(r"\$\{(\w+)\}", lambda match: names[match[1]], text)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP through a socket file, named as the host."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC through supervisord's socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(str(self._path), timeout=60)
        self._connection = host, connection  # what the base class closes
        return connection


class Supervisor:
    """The supervisord of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._socket = home.run / "supervisor.sock"

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = _UnixTransport(self._socket)
        with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
            return getattr(server.supervisor, method)(*arguments)

    def is_running(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException):
            return False

    def launch(self) -> None:
        """Start supervisord in a session of its own: Ctrl-C reaches deploy/up alone."""
        run(
            [self.home.venv / "bin/supervisord", "-c", self.home.path / "supervisord.conf"],
            env=self.home.environment(),
            cwd=ROOT,
            failure="supervisord did not start:",
        )
        wait_until(
            self.is_running,
            timeout_s=20,
            sentence="supervisord does not answer",
            log=self.home.log / "supervisord.log",
        )

    def states(self) -> dict[str, dict[str, Any]]:
        """Return what supervisord knows of each program, by name."""
        return {str(info["name"]): info for info in self._call("getAllProcessInfo")}

    def running(self, name: str) -> bool:
        """Tell whether a program is up or coming up."""
        return self.states()[name]["statename"] in {"STARTING", "RUNNING"}

    def failed(self, names: Iterable[str]) -> bool:
        """Tell whether one of these programs ended right after its start."""
        states = self.states()
        return any(states[name]["statename"] in {"BACKOFF", "FATAL", "EXITED"} for name in names)

    def start(self, *names: str) -> None:
        """Start programs that do not run yet, without waiting for them."""
        states = self.states()
        for name in names:
            if states[name]["statename"] not in {"STARTING", "RUNNING"} and not external(
                self.home, name
            ):
                with contextlib.suppress(xmlrpc.client.Fault):  # it may just have come by itself
                    self._call("startProcess", name, False)  # noqa: FBT003 - XML-RPC has no names

    def stop(self, *names: str) -> None:
        """Stop programs together and wait until they have ended."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):  # not running
                self._call("stopProcess", name, False)  # noqa: FBT003 - XML-RPC has no names
        wait_until(
            lambda: not any(info["pid"] for name, info in self.states().items() if name in names),
            timeout_s=90,
            sentence=f"These did not stop: {', '.join(names)}",
        )

    def restart(self, *names: str) -> None:
        """Stop and start programs, because their code has changed."""
        self.stop(*names)
        self.start(*names)

    def shut_down(self) -> None:
        """Stop every program in order, then supervisord itself."""
        for names in STOP_ORDER:
            self.stop(*names)
        pid = str(self._call("getPID"))
        self._call("shutdown")
        end_session(self.home, pid)


def end_leftovers(home: Home) -> None:
    """End what an earlier start left: a supervisord that no longer answers, and its programs."""
    pid_file = home.run / "supervisord.pid"
    pid = pid_file.read_text().strip() if pid_file.exists() else ""
    if pid.isdigit():
        end_session(home, pid)


def end_session(home: Home, pid: str) -> None:
    """End supervisord and all it started, or what is left of them.

    All of them share supervisord's session, whose number cannot be given away while one of
    them lives. After its death they stop by themselves (program.sh); who has not after five
    seconds is told once more, and a minute is enough even for PostgreSQL.
    """
    if postgres.is_process(pid, str(home.path / "supervisord.conf")):
        os.kill(int(pid), signal.SIGTERM)
    elif _has_command(pid):
        return  # the number was given to somebody else, so nobody of that session lives
    begun = time.monotonic()
    while members := session_members(int(pid)):
        waited_s = time.monotonic() - begun
        if waited_s > 5:
            for member in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL if waited_s > 60 else signal.SIGTERM)
        time.sleep(0.1)


def session_members(session: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (name) state parent group session …; a name may hold spaces and brackets.
            state, _, _, owner, *_ = stat.read_text().rpartition(")")[2].split()
            if int(owner) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def _has_command(pid: str) -> bool:
    """Tell whether a process has a command line; a dying one has none any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def answers_redis(home: Home, service: str) -> bool:
    """Tell whether a private Redis takes commands (while it loads its file it does not)."""
    password = home.state.secrets["redis"]
    try:
        with socket.create_connection(("127.0.0.1", home.state.ports[service]), timeout=2) as link:
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (received := link.recv(200)):
                answer += received
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def wait_until(
    condition: Callable[[], bool],
    *,
    timeout_s: float,
    sentence: str,
    failed: Callable[[], bool] = lambda: False,
    log: Path | None = None,
) -> None:
    """Wait for a condition; on failure or after the time, refuse with the log's last lines."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if failed() or time.monotonic() > deadline:
            tail = last_lines(log.read_text(errors="replace")) if log and log.exists() else ""
            raise Refusal(f"{sentence}{f' ({log}):' if tail else '.'}\n{tail}".rstrip())
        time.sleep(0.05)
