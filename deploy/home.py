"""One home: the folder that holds everything of one running copy, and what is recorded in it."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import random
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from deploy.console import Refusal, say
from deploy.python_env import ROOT

NEEDED_BYTES = 1 << 30
# Below the range from which the kernel picks ports of outgoing connections.
PRIVATE_PORTS = range(20000, 32000)
SERVICES = ("postgres", "broker", "channels", "web", "live")
SECRETS = ("secret_key", "owner", "web", "system", "redis")
# Settings a caller may give once; they are recorded and used until given anew.
PASSED_ON = (  # as they stand
    *("CSRF_TRUSTED_ORIGINS", "LOG_LEVEL", "CITYOPS_IN_FLIGHT", "CITYOPS_IN_FLIGHT_OF"),
    *("CITYOPS_SCORE_CLOSES_AFTER_DAYS", "CITYOPS_SCORE_OBJECTION_DAYS"),
    *("CITYOPS_OUTSIDE_HOSTS", "CITYOPS_PRIVATE_NETWORKS", "CITYOPS_MAIL", "CITYOPS_TIANDITU_KEY"),
    *("CITYOPS_LEAST_FREE_MB", "CITYOPS_PHOTO_BURST_KB", "CITYOPS_PHOTO_KB_PER_S"),
)
GIVEN = ("ALLOWED_HOSTS", "CITYOPS_DEMO", "CITYOPS_QUEUES", *PASSED_ON)
SERVERS = (
    "DATABASE_URL",
    "DATABASE_URL_WEB",
    "DATABASE_URL_SYSTEM",
    "REDIS_URL",
    "REDIS_CHANNELS_URL",
)
# Signs with a meaning of their own in the files of supervisord or nginx.
UNWRITABLE = frozenset("%\"'\\${};\n")
SOCKET_PATH_BYTES = 107


@dataclass
class State:
    """What a home remembers between commands; stored as state.json, readable by its owner only."""

    port: int = 0  # the one address people use
    listen: list[str] = field(default_factory=lambda: ["127.0.0.1", "[::1]"])
    tls: list[str] = field(default_factory=list)  # certificate and key; empty is plain http
    ports: dict[str, int] = field(default_factory=dict)  # of the private servers, loopback
    secrets: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    servers: dict[str, str] = field(default_factory=dict)  # URLs of servers that are not ours
    venv: str = ""
    pg_data: str = ""
    marks: dict[str, str] = field(default_factory=dict)  # digest of what a finished step read
    demo_month: str = ""  # "", "filling", "full"
    workers_only: bool = False  # the city runs elsewhere; here are more of its workers


@dataclass
class Home:
    """A home's folder with its state."""

    path: Path
    state: State

    @classmethod
    def at(cls, path: Path) -> "Home":
        """Open the home at `path`, which need not exist yet."""
        path = path.resolve()
        stored = path / "state.json"
        if not stored.exists():
            return cls(path, State())
        try:
            return cls(path, State(**json.loads(stored.read_text())))
        except (ValueError, TypeError) as error:
            raise Refusal(
                f"{stored} cannot be read ({error}); restore it or use another --home."
            ) from error

    def save(self) -> None:
        """Write the state and the environment made from it, each in one step."""
        write_private(self.path / "state.json", json.dumps(asdict(self.state), indent=2) + "\n")
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in self.variables().items())
        write_private(self.path / "env", "".join(lines))

    @property
    def digest(self) -> str:
        """Return a short name for this home that fits into paths outside of it."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:10]

    @property
    def run(self) -> Path:
        """Return the folder of sockets and pid files; its path is short, as sockets demand."""
        if os.geteuid() == 0:
            return Path(f"/run/cityops-{self.digest}")
        inside = self.path / "run"
        if len(os.fsencode(inside / "supervisor.sock.1234567890")) <= SOCKET_PATH_BYTES:
            return inside
        return Path(f"/tmp/cityops-{os.geteuid()}-{self.digest}")  # noqa: S108 - made 0700 and checked

    @property
    def log(self) -> Path:
        """Return the folder of the processes' logs."""
        return self.path / "log"

    @property
    def venv(self) -> Path:
        """Return the Python environment of this home."""
        return Path(self.state.venv)

    @property
    def is_demo(self) -> bool:
        """Tell whether demo accounts are made and shown."""
        return self.state.given.get("CITYOPS_DEMO", "1").lower() in {"1", "true", "yes", "on"}

    @property
    def address(self) -> str:
        """Return the address a person on this machine opens."""
        scheme = "https" if self.state.tls else "http"
        return f"{scheme}://localhost:{self.state.port}/"

    def variables(self) -> dict[str, str]:
        """Return the settings that every process of this home gets."""
        state = self.state
        variables = {
            "CITYOPS_HOME": str(self.path),
            "CITYOPS_VENV": state.venv,
            "CITYOPS_DEMO": "1" if self.is_demo else "0",
            "CITYOPS_HTTPS": "1" if state.tls else "0",
            "SECRET_KEY": state.secrets["secret_key"],
            "DJANGO_SETTINGS_MODULE": "cityops.settings",
            "DATABASE_URL": self._database_url("cityops_owner", "owner"),
            "DATABASE_URL_WEB": self._database_url("cityops_web", "web"),
            "DATABASE_URL_SYSTEM": self._database_url("cityops_system", "system"),
            "REDIS_URL": self._redis_url("broker") + "/0",
            "REDIS_CHANNELS_URL": self._redis_url("channels"),
            "ALLOWED_HOSTS": ",".join(self._host_names()),
        }
        variables.update({name: state.given[name] for name in PASSED_ON if name in state.given})
        variables.update(state.servers)
        return variables

    def environment(self, process: str = "manage") -> dict[str, str]:
        """Return the whole environment of a process: the caller's, cleaned, and the variables."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "PYTHON", "VIRTUAL_ENV", "CITYOPS_"))
        }
        bin_folders = f"{self.venv / 'bin'}:{kept.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        return {
            **kept,
            "PATH": bin_folders,
            "PYTHONUNBUFFERED": "1",
            "CITYOPS_PROCESS": process,
            **self.variables(),
        }

    def _database_url(self, user: str, secret: str) -> str:
        password = self.state.secrets[secret]
        return f"postgres://{user}:{password}@127.0.0.1:{self.state.ports['postgres']}/cityops"

    def _redis_url(self, service: str) -> str:
        return f"redis://:{self.state.secrets['redis']}@127.0.0.1:{self.state.ports[service]}"

    def _host_names(self) -> list[str]:
        names = ["localhost", "127.0.0.1", "[::1]"]  # deploy itself asks there for the health
        names += [name for name in self.state.given.get("ALLOWED_HOSTS", "").split(",") if name]
        if self.state.listen == ["0.0.0.0", "[::]"]:  # noqa: S104 - compared, not bound
            names += own_names()
        return names

    @contextlib.contextmanager
    def locked(self, *, wait_s: float = 600) -> Iterator[None]:
        """Hold this home for one starting, stopping or restoring command at a time."""
        with (self.path / "lock").open("w") as handle:
            deadline = time.monotonic() + wait_s
            said = False
            while not _try_lock(handle):
                if time.monotonic() > deadline:
                    raise Refusal(f"Another command still works on {self.path}; try again later.")
                if not said:
                    say(f"Another command works on {self.path}; waiting for it")
                said = True
                time.sleep(0.2)
            self.state = Home.at(self.path).state  # as the command before has left it
            yield


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner may read it."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text)
    part.replace(path)


def prepare_folders(home: Home) -> None:
    """Make the home's folders and draw its secrets; what is there already stays."""
    for path in (home.path, ROOT):
        if UNWRITABLE & set(str(path)):
            raise Refusal(f"The path {path} holds a sign that configuration files cannot quote.")
    nearest = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    if free < NEEDED_BYTES:
        raise Refusal(f"Only {free >> 20} MB are free below {nearest}; cityops needs 1,024 MB.")
    try:
        for folder in (
            home.path,
            home.log,
            *(home.path / name for name in ("media", "static", "tmp")),
        ):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.path.chmod(0o711)  # PostgreSQL's user passes through to its own folder
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise Refusal(f"The home {home.path} cannot be made: {error.strerror}.") from error
    if not os.access(home.path, os.W_OK):
        raise Refusal(f"The home {home.path} cannot be written by this user.")


def prepare_state(home: Home, *, venv: Path) -> None:
    """Record the environment, secrets, servers and private ports of this start."""
    state = home.state
    state.venv = str(venv)
    for name in SECRETS:
        state.secrets.setdefault(name, secrets.token_urlsafe(48 if name == "secret_key" else 24))
    # An environment that deploy made itself names another home's servers, not the caller's.
    if "CITYOPS_PROCESS" not in os.environ:
        state.servers.update({name: os.environ[name] for name in SERVERS if os.environ.get(name)})
        state.given.update({name: os.environ[name] for name in GIVEN if os.environ.get(name)})
    taken = set(state.ports.values())
    for service in SERVICES:
        if not (state.ports.get(service) and is_free(state.ports[service])):
            state.ports[service] = pick_port(taken)
            taken.add(state.ports[service])
    prepare_run_folder(home)
    password = home.path / "demo_password"
    if home.is_demo and not state.workers_only and not password.exists():
        write_private(password, secrets.token_urlsafe(9) + "\n")
    home.save()


def prepare_run_folder(home: Home) -> None:
    """Make the folder of sockets; nobody else may own it or reach into it."""
    home.run.mkdir(mode=0o711, exist_ok=True)
    if home.run.is_symlink() or home.run.stat().st_uid != os.geteuid():
        raise Refusal(f"{home.run} belongs to somebody else; remove it.")


def pick_port(taken: set[int]) -> int:
    """Return a free loopback port outside `taken`."""
    for port in random.sample(PRIVATE_PORTS, len(PRIVATE_PORTS)):
        if port not in taken and is_free(port):
            return port
    raise Refusal("No free port was found between 20000 and 32000.")


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen there now; port 0 asks about the address alone."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address.strip("[]"), port))
        except PermissionError:
            raise
        except OSError as error:
            if error.errno == errno.EADDRINUSE or port == 0:
                return False
            raise
    return True


def own_names() -> list[str]:
    """Return this machine's names and addresses, as other machines may call it."""
    name = socket.gethostname()
    names = {name, socket.getfqdn()}
    with contextlib.suppress(OSError):
        names |= {str(info[4][0]) for info in socket.getaddrinfo(name, None, socket.AF_INET)}
    for target in ("192.0.2.1",):  # documentation address: connecting UDP sends nothing
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
            contextlib.suppress(OSError),
        ):
            probe.connect((target, 9))
            names.add(probe.getsockname()[0])
    return sorted(names - {"localhost", "127.0.0.1"})


def default_path() -> Path:
    """Return the home that CITYOPS_HOME names, else .local in the checkout."""
    return Path(os.environ.get("CITYOPS_HOME") or ROOT / ".local")
