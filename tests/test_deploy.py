"""The commands of deploy/: what they write, what they refuse, and that nothing is left running."""

import configparser
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import backups, home, joining, lifecycle, packages, postgres, processes, python_env
from deploy.console import Refusal
from deploy.home import Home, State
from deploy.processes import Supervisor

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """Leave the settings of the gate's own home out."""
    settings = (*home.SERVERS, *home.GIVEN, "CITYOPS_HOME", "CITYOPS_PROCESS", "SECRET_KEY")
    for name in settings:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CITYOPS_VENV", sys.prefix)


@pytest.fixture
def prepared(tmp_path) -> Iterator[Home]:
    """A home with folders, secrets and ports, and nothing running."""
    city = Home.at(tmp_path / "home")
    home.prepare_folders(city)
    home.prepare_state(city, venv=Path(sys.prefix))
    yield city
    lifecycle.stop(city)
    postgres.delete_data(city)


def wait_for(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_up(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "deploy/up", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_home_keeps_its_secrets_and_ports_between_starts(prepared):
    first = json.loads((prepared.path / "state.json").read_text())

    again = Home.at(prepared.path)
    home.prepare_state(again, venv=Path(sys.prefix))

    assert json.loads((prepared.path / "state.json").read_text()) == first
    assert sorted(first["secrets"]) == ["owner", "redis", "secret_key", "system", "web"]
    assert len(set(first["secrets"].values())) == 5


def test_two_homes_share_neither_secret_nor_port(prepared, tmp_path):
    other = Home.at(tmp_path / "other")
    home.prepare_folders(other)
    home.prepare_state(other, venv=Path(sys.prefix))

    assert set(other.state.secrets.values()) & set(prepared.state.secrets.values()) == set()
    assert other.run != prepared.run
    lifecycle.stop(other)


@pytest.mark.parametrize("name", ["state.json", "env", "demo_password"])
def test_files_with_secrets_are_private(prepared, name):
    assert (prepared.path / name).stat().st_mode & 0o777 == 0o600


def test_home_picks_another_port_when_one_was_taken_meanwhile(prepared):
    before = prepared.state.ports["web"]

    with socket.create_server(("127.0.0.1", before)):
        home.prepare_state(prepared, venv=Path(sys.prefix))

    assert prepared.state.ports["web"] != before
    assert len(set(prepared.state.ports.values())) == len(home.SERVICES)


def test_servers_of_the_caller_replace_private_ones(prepared, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://someone@db.example/city")

    home.prepare_state(prepared, venv=Path(sys.prefix))

    assert prepared.variables()["DATABASE_URL"] == "postgres://someone@db.example/city"
    assert processes.external(prepared, "postgres") is True
    assert processes.external(prepared, "redis-broker") is False


def test_servers_of_another_home_are_not_taken_for_the_callers(prepared, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://cityops_owner@127.0.0.1/cityops")
    monkeypatch.setenv("CITYOPS_PROCESS", "manage")

    home.prepare_state(prepared, venv=Path(sys.prefix))

    assert prepared.state.servers == {}


def test_real_city_has_no_demo_password(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYOPS_DEMO", "0")
    city = Home.at(tmp_path)
    home.prepare_folders(city)

    home.prepare_state(city, venv=Path(sys.prefix))

    assert not (tmp_path / "demo_password").exists()
    assert city.variables()["CITYOPS_DEMO"] == "0"
    lifecycle.stop(city)


def test_damaged_state_is_refused(tmp_path):
    (tmp_path / "state.json").write_text("{")

    with pytest.raises(Refusal, match="cannot be read"):
        Home.at(tmp_path)


def test_full_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "NEEDED_BYTES", 1 << 60)

    with pytest.raises(Refusal, match="MB are free"):
        home.prepare_folders(Home.at(tmp_path / "home"))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sign", ["%", '"', "'", "$", ";"])
def test_path_that_configuration_cannot_quote_is_refused(tmp_path, sign):
    with pytest.raises(Refusal, match="cannot quote"):
        home.prepare_folders(Home.at(tmp_path / f"a{sign}b"))


def test_one_command_at_a_time_works_on_a_home(prepared):
    with (
        prepared.locked(),
        pytest.raises(Refusal, match="Another command"),
        prepared.locked(wait_s=0.3),
    ):
        pass

    with prepared.locked(wait_s=0):
        pass


def test_port_in_use_is_one_sentence_and_leaves_nothing_running(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run_up("--home", str(tmp_path / "home"), "--port", str(port))

    sentence = f"Port {port} is in use by another program; choose another with --port.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, sentence, "")
    assert not Home.at(tmp_path / "home").run.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["a", "b", "c"], "takes a certificate and a key"), (["no.crt", "no.key"], "cannot be read")],
)
def test_tls_files_that_do_not_serve_are_refused(prepared, words, sentence):
    wishes = lifecycle.Wishes(tls=words)

    with pytest.raises(Refusal, match=sentence):
        lifecycle._decide_address(prepared, wishes)


def test_plain_http_stays_on_this_machine_and_tls_does_not(prepared):
    port = home.pick_port(set())

    lifecycle._decide_address(prepared, lifecycle.Wishes(port=port))
    plain = list(prepared.state.listen)
    lifecycle._decide_address(prepared, lifecycle.Wishes(tls=["self"]))

    assert set(plain) <= set(lifecycle.LOOPBACK)
    assert set(prepared.state.listen) <= set(lifecycle.EVERYWHERE)


def test_manage_without_a_running_copy_says_so(tmp_path):
    done = subprocess.run(
        [ROOT / "deploy/manage", "--home", tmp_path, "check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == f"Nothing is running under {tmp_path}; start it with deploy/up.\n"


# --- which workers run here ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "queues"),
    [
        (
            "",
            dict.fromkeys(processes.QUEUES, 1)
            | dict.fromkeys(processes.QUEUES[:5], 2)
            | {"notify": 3, "report": 3},
        ),
        ("media", {"media": 1}),
        (
            "dispatch.hecheng=4, dispatch.h*, notify=2",
            {"dispatch.hecheng": 4, "dispatch.hightech": 2, "notify": 2},
        ),
        ("*=1", dict.fromkeys(processes.QUEUES, 1)),
    ],
)
def test_environment_says_which_queues_are_worked_here(prepared, monkeypatch, words, queues):
    monkeypatch.setenv("CITYOPS_QUEUES", words)
    home.prepare_state(prepared, venv=Path(sys.prefix))
    prepared.state.servers = {"DATABASE_URL": "postgres://someone@db.example/city"}

    processes.write_configuration(prepared)

    parser = configparser.RawConfigParser(strict=False)
    parser.read(prepared.path / "supervisord.conf")
    commands = {
        name.removeprefix("program:worker-"): parser[name]["command"]
        for name in parser
        if name.startswith("program:worker-")
    }
    assert commands.keys() == queues.keys()
    assert all(f"--concurrency {n} " in commands[queue] for queue, n in queues.items())
    assert all(f"-Q {queue} " in command for queue, command in commands.items())
    assert processes.application(Home.at(prepared.path)) == (
        *("web", "live", "relay"),
        *(f"worker-{queue}" for queue in processes.QUEUES if queue in queues),
        "beat",
    )


@pytest.mark.parametrize("words", ["nobody", "media=0", "media=x", "media=", "media=65", "media,"])
def test_queue_nobody_knows_is_refused(prepared, words):
    prepared.state.given["CITYOPS_QUEUES"] = words

    with pytest.raises(Refusal, match="CITYOPS_QUEUES holds"):
        processes.queues_of(prepared)


CITY = {
    "DATABASE_URL_SYSTEM": "postgres://cityops_system@db.example/city",
    "REDIS_URL": "redis://redis.example/0",
    "REDIS_CHANNELS_URL": "redis://redis.example:6380",
    "SECRET_KEY": "the secret of the city",
}


def test_workers_join_with_the_settings_of_the_city_and_keep_them(tmp_path, monkeypatch):
    for name, value in CITY.items():
        monkeypatch.setenv(name, value)
    workers = Home.at(tmp_path / "workers")
    home.prepare_folders(workers)

    joining._take(workers)
    home.prepare_state(workers, venv=Path(sys.prefix))
    for name in CITY:
        monkeypatch.delenv(name)
    again = Home.at(workers.path)
    joining._take(again)

    variables = again.variables()
    assert {name: variables[name] for name in CITY} == CITY
    assert variables["DATABASE_URL"] == CITY["DATABASE_URL_SYSTEM"]  # it may own no table
    assert not (workers.path / "demo_password").exists()
    assert set(processes.QUEUES) - set(processes.queues_of(again)) == {"media", "notify", "report"}
    with pytest.raises(Refusal, match="is for workers only"):
        lifecycle.up(again, lifecycle.Wishes())


@pytest.mark.parametrize("name", ["CITYOPS_OUTSIDE_HOSTS", "CITYOPS_MAIL"])
def test_workers_that_join_send_when_they_know_what_may_leave(prepared, monkeypatch, name):
    prepared.state.workers_only = True
    without = set(processes.queues_of(prepared))
    monkeypatch.setenv(name, "as the city has it")

    home.prepare_state(prepared, venv=Path(sys.prefix))

    assert set(processes.queues_of(Home.at(prepared.path))) - without == {"notify"}


@pytest.mark.parametrize("missing", sorted(CITY))
def test_workers_without_a_setting_of_the_city_are_refused(tmp_path, monkeypatch, missing):
    for name, value in CITY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)

    with pytest.raises(Refusal, match=f"Workers need {missing} as"):
        joining._take(Home.at(tmp_path / "workers"))


def test_home_of_a_city_is_not_given_to_workers(prepared, monkeypatch):
    for name, value in CITY.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(Refusal, match="holds a city"):
        joining.up(prepared, is_detached=True)

    assert not Home.at(prepared.path).state.workers_only


def test_down_of_nothing_is_harmless(tmp_path, capsys):
    assert lifecycle.down(Home.at(tmp_path)) == 0

    assert capsys.readouterr().out == f"Nothing was ever started under {tmp_path}.\n"


def test_supervisord_knows_every_process_and_starts_none_by_itself(prepared):
    prepared.state.servers = {"DATABASE_URL": "postgres://someone@db.example/city"}

    processes.write_configuration(prepared)

    parser = configparser.RawConfigParser(strict=False)
    parser.read(prepared.path / "supervisord.conf")
    programs = {name.removeprefix("program:") for name in parser if name.startswith("program:")}
    assert programs == {*processes.ALL, "demo-month"}
    assert programs == {name for tier in processes.STOP_ORDER for name in tier}
    assert {parser[f"program:{name}"]["autostart"] for name in programs} == {"false"}
    assert "${" not in (prepared.path / "supervisord.conf").read_text()


@pytest.mark.parametrize("with_tls", [False, True])
def test_nginx_accepts_its_configuration(prepared, with_tls):
    prepared.state.servers = {"DATABASE_URL": "postgres://someone@db.example/city"}
    prepared.state.port = home.pick_port(set())
    if with_tls:
        lifecycle._make_certificate(prepared)
    processes.write_configuration(prepared)

    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx
    done = subprocess.run(
        [nginx, "-t", "-c", prepared.path / "nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "test is successful" in done.stderr


@pytest.fixture
def behind_nginx(prepared):
    """Return a function that starts nginx before a web server that answers everything.

    It takes words of nginx's file and those to stand in their place, and returns a function that
    sends a request and returns the status.
    """
    prepared.state.servers = {"DATABASE_URL": "postgres://someone@db.example/city"}
    prepared.state.port = home.pick_port(set())
    processes.write_configuration(prepared)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx

    def send(method, path, **headers):
        address = f"http://127.0.0.1:{prepared.state.port}{path}"
        request = urllib.request.Request(address, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def answers():
        with suppress(OSError):
            return send("GET", "/static/") == 403
        return False

    with ExitStack() as stack:

        def start(**words):
            file = prepared.path / "nginx.conf"
            text = file.read_text()
            for word, other in words.values():
                assert word in text
                text = text.replace(word, other)
            file.write_text(text)
            server = ThreadingHTTPServer(("127.0.0.1", prepared.state.ports["web"]), Answering)
            stack.enter_context(server)
            threading.Thread(target=server.serve_forever).start()
            stack.callback(server.shutdown)
            process = stack.enter_context(
                subprocess.Popen([nginx, "-c", file], stdout=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
            wait_for(answers)
            return send

        yield start


class Answering(BaseHTTPRequestHandler):
    """A web server that says yes to everybody."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the name is the library's

    def log_message(self, *_):
        pass


def test_nginx_limits_an_address_whatever_credentials_it_makes_up(behind_nginx):
    send = behind_nginx(
        rate=("zone=addresses:10m rate=400r/s", "zone=addresses:10m rate=1r/m"),
        burst=("zone=addresses burst=800", "zone=addresses burst=3"),
    )

    found = [send("GET", "/desk/", Authorization=f"Bearer {n}") for n in range(6)]

    assert found == [200] * 4 + [429] * 2


def test_nginx_limits_readyz_by_itself(behind_nginx):
    send = behind_nginx(rate=("zone=probes:1m rate=10r/s", "zone=probes:1m rate=1r/m"))

    found = [send("GET", "/readyz", Cookie=f"sessionid={n}") for n in range(13)]

    assert found == [200] * 11 + [429] * 2
    assert send("GET", "/desk/") == 200


@pytest.mark.parametrize("path", ["/sign-in/", "/admin/login/?next=/admin/"])
def test_nginx_limits_passwords_and_not_the_page_that_asks_for_one(behind_nginx, path):
    send = behind_nginx(
        rate=("zone=sign_ins:1m rate=5r/s", "zone=sign_ins:1m rate=1r/m"),
        burst=("zone=sign_ins burst=40;", "zone=sign_ins burst=3 nodelay;"),
    )

    found = [send("POST", path, Cookie=f"sessionid={n}") for n in range(6)]

    assert found == [200] * 4 + [429] * 2
    assert [send("GET", path) for _ in range(6)] == [200] * 6


def test_locks_pin_hashes_and_name_no_address():
    for lock in (python_env.RUNTIME_LOCK, python_env.DEV_LOCK):
        text = lock.read_text()
        pins = [line for line in text.splitlines() if line and line[0] not in "# "]
        assert "://" not in text
        assert all("==" in pin for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)


def test_uv_pin_takes_the_version_and_its_hashes_alone():
    pin = "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    lock = (
        f"uritools==1 \\\n    --hash=sha256:aa\n{pin}    # via x\n"
        "uvicorn==3 \\\n    --hash=sha256:dd\n"
    )

    assert python_env.uv_pin(lock) == pin


@pytest.fixture
def system_files(tmp_path, monkeypatch) -> Path:
    """Stand-ins for the two system files that installing packages touches."""
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "POLICY_ASIDE", tmp_path / "policy-rc.d.before")
    monkeypatch.setattr(packages, "NO_CLUSTER", tmp_path / "createcluster.d/cityops.conf")
    monkeypatch.setattr(packages, "_sudo", list)
    return tmp_path


def test_installing_forbids_services_and_puts_back_what_was_there(system_files):
    packages.POLICY.write_text("#!/bin/sh\nexit 0\n")

    seen: list[object] = []

    def install() -> None:
        with packages._quiet_services():
            seen.append(subprocess.run([packages.POLICY], check=False).returncode)
            seen.append("create_main_cluster = false" in packages.NO_CLUSTER.read_text())
            raise Refusal("apt-get failed")

    with pytest.raises(Refusal):
        install()

    assert seen == [101, True]
    assert packages.POLICY.read_text() == "#!/bin/sh\nexit 0\n"
    assert [file.name for file in system_files.iterdir()] == ["policy-rc.d"]


def test_traces_of_a_killed_installation_go_before_the_next(system_files):
    packages.POLICY.write_text(f"#!/bin/sh\n{packages.MARK}\nexit 101\n")
    packages.POLICY_ASIDE.write_text("the machine's own\n")

    packages.forget_traces()

    assert packages.POLICY.read_text() == "the machine's own\n"
    assert [file.name for file in system_files.iterdir()] == ["policy-rc.d"]


def test_missing_packages_without_root_are_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: "" if name == "sudo" else name)
    needs = [packages.Need(lambda: False, ("redis-server",)), packages.Need(lambda: False, ())]

    with pytest.raises(Refusal, match="redis-server, postgresql-postgis; run this once as root"):
        packages.install(needs)


def test_nothing_missing_installs_nothing(monkeypatch):
    monkeypatch.setattr(packages, "_apt", lambda *_: pytest.fail("apt-get was called"))

    assert packages.install([packages.Need(lambda: True, ("redis-server",))]) == []


def test_stale_pid_file_of_postgresql_is_forgotten_and_a_live_one_is_not(tmp_path):
    pid_file = tmp_path / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n")  # alive, but no PostgreSQL of this folder

    postgres._forget_stale_pid(tmp_path)

    assert not pid_file.exists()
    with subprocess.Popen([sys.executable, "-c", "input()", str(tmp_path)], stdin=-1) as server:
        # A process has no command line yet at the very moment it becomes another program.
        wait_for(lambda: postgres.is_process(str(server.pid), str(tmp_path)))
        pid_file.write_text(f"{server.pid}\n")
        postgres._forget_stale_pid(tmp_path)
        server.kill()
    assert pid_file.exists()


def test_session_members_are_found_until_they_end():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        assert processes.session_members(child.pid) == [child.pid]
    finally:
        child.kill()
    wait_for(lambda: processes.session_members(child.pid) == [])
    child.wait()


def test_program_ends_the_children_its_killed_forerunner_left(tmp_path):
    program = [ROOT / "deploy/program.sh", tmp_path / "pid", "TERM"]
    master = subprocess.Popen([*program, "sh", "-c", "sleep 60 & wait"], process_group=0)

    def children() -> list[str]:
        listed = subprocess.run(
            ["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        rows = [line.split(None, 2) for line in listed]
        return [args for group, stat, args in rows if group == str(master.pid) and stat[0] != "Z"]

    wait_for(lambda: "sleep 60" in children())
    master.kill()
    master.wait()
    assert children() == ["sleep 60"]

    subprocess.run([*program, "true"], check=True)

    wait_for(lambda: children() == [])


def tar_with(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("media/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def test_restore_takes_only_what_belongs_into_a_home(tmp_path):
    names = ["database.dump", "media/ab/cd", "media/../../evil", "/media/evil", "state.json", "x"]
    file = tar_with(tmp_path / "backup.tar", *names)

    with tarfile.open(file) as tar:
        taken = [name for _, name in backups._members(tar)]

    assert taken == ["database.dump", "media/ab/cd"]


def test_backup_leaves_lists_written_as_files_out(tmp_path):
    for name in ("ab/cd", "exports/x-1.xlsx", "exports/y-1.part/cases.xlsx", "arrived/exports"):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    with tarfile.open(tmp_path / "backup.tar", "w") as tar:
        backups._add_media(tar, tmp_path / "media")
        names = [member.name for member in tar.getmembers() if member.isfile()]

    assert names == ["media/ab/cd", "media/arrived/exports"]


@pytest.mark.parametrize("content", [b"no tar at all", b""])
def test_restore_refuses_what_is_no_backup_and_touches_nothing(tmp_path, content):
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(Refusal, match="is no backup"):
        backups.restore(Home.at(tmp_path / "home"), tmp_path / "file", force=False)

    assert not (tmp_path / "home").exists()


def test_backup_of_nothing_is_refused(tmp_path):
    with pytest.raises(Refusal, match="Nothing is running"):
        backups.write(Home.at(tmp_path / "home"), tmp_path / "file")

    assert list(tmp_path.iterdir()) == []


def test_restored_home_is_not_served_before_its_ledger_verifies(prepared):
    (prepared.path / "unverified").touch()

    with pytest.raises(Refusal, match="did not verify"):
        lifecycle.up(prepared, lifecycle.Wishes(port=home.pick_port(set()), is_detached=True))

    assert Supervisor(prepared).is_running() is False


class Recorder:
    """A supervisor that only remembers what it was told."""

    def __init__(self):
        self.told = []

    def stop(self, *names):
        self.told.append(("stop", names))

    def start(self, *names):
        self.told.append(("start", names))

    def restart(self, *names):
        self.told.append(("restart", names))

    def running(self, _name):
        return True


def test_nobody_reads_for_minutes_while_a_running_city_is_migrated(prepared, monkeypatch):
    supervisor = Recorder()
    migrate = lambda _: supervisor.told.append("migrate")  # noqa: E731
    monkeypatch.setattr(lifecycle, "prepare_application", migrate)
    monkeypatch.setattr(lifecycle, "_wait_for_first_page", lambda *_: None)

    lifecycle._join(prepared, supervisor, lifecycle.Wishes())

    assert supervisor.told[:3] == [
        ("stop", ("worker-report",)),
        "migrate",
        ("restart", processes.application(prepared)),
    ]


def test_a_migration_that_fails_leaves_the_city_as_it_was(prepared, monkeypatch):
    supervisor = Recorder()

    def fail(_):
        raise Refusal("The migrations failed:")

    monkeypatch.setattr(lifecycle, "prepare_application", fail)

    with pytest.raises(Refusal):
        lifecycle._join(prepared, supervisor, lifecycle.Wishes())

    assert supervisor.told == [("stop", ("worker-report",)), ("start", ("worker-report",))]


def test_state_of_an_older_home_gets_the_defaults(tmp_path):
    (tmp_path / "state.json").write_text('{"port": 8123}')

    assert Home.at(tmp_path).state == State(port=8123)


def test_servers_start_privately_survive_a_killed_supervisord_and_stop(prepared):
    supervisor = Supervisor(prepared)
    lifecycle.start_servers(prepared, supervisor)
    powers = "SELECT string_agg(rolsuper::text, ',') FROM pg_roles WHERE rolname LIKE 'cityops\\_%'"
    owner = postgres.owner_sql(prepared, "SELECT current_user, inet_server_addr()")
    extensions = postgres.owner_sql(prepared, "SELECT string_agg(extname, ',') FROM pg_extension")

    assert owner == "cityops_owner|127.0.0.1"
    assert set(extensions.split(",")) >= set(postgres.EXTENSIONS)
    assert postgres.superuser_sql(prepared, powers) == "false,false,false"
    assert postgres.owner_sql(prepared, "SHOW data_checksums") == "on"
    assert processes.answers_redis(prepared, "broker")
    assert processes.answers_redis(prepared, "channels")

    session = int((prepared.run / "supervisord.pid").read_text())
    os.kill(session, signal.SIGKILL)
    processes.end_leftovers(prepared)
    assert processes.session_members(session) == []
    assert postgres.is_ready(prepared) is False

    lifecycle.start_servers(prepared, supervisor)
    assert postgres.owner_sql(prepared, "SELECT 1") == "1"
    session = int((prepared.run / "supervisord.pid").read_text())

    assert lifecycle.down(prepared, and_delete=True) == 0
    assert processes.session_members(session) == []
    assert not prepared.run.exists()
    assert not prepared.path.exists()
    assert not Path(prepared.state.pg_data).exists()
