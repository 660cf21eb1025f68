"""deploy/up and deploy/down: a city from nothing to its first page, and back to nothing running."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy import packages, postgres, processes, python_env
from deploy.console import Refusal, elapsed, last_lines, run, say, step
from deploy.home import Home, is_free, own_names, prepare_folders, prepare_state
from deploy.processes import Supervisor, answers_redis, wait_until
from deploy.python_env import ROOT

CITY = ROOT / "cases/data/huaihua"
APPS = ("cityops", "cases", "scoring")
LOOPBACK = ["127.0.0.1", "[::1]"]
EVERYWHERE = ["0.0.0.0", "[::]"]  # noqa: S104 - only when --tls or --listen asks for it
FIRST_PAGE_S = 60
READY_S = 180
REPEAT_S = 60  # a program that keeps ending is told of once in this time
DEMO_MONTH_S = 1200  # on top, while the demo month fills


@dataclass(frozen=True)
class Wishes:
    """What the caller of deploy/up asked for; None keeps what the home remembers."""

    port: int | None = None
    listen: str | None = None
    tls: list[str] | None = None
    is_empty: bool = False
    is_detached: bool = False


def up(home: Home, wishes: Wishes) -> int:
    """Start the city, or join the one that runs; follow it unless detached."""
    prepare_folders(home)
    supervisor = Supervisor(home)
    with ending_on_signals():
        with home.locked():
            was_running = supervisor.is_running()
            reason = _reason_to_start_over(home) if was_running else ""
            joins = was_running and not reason
            if joins:
                _join(home, supervisor, wishes)
            else:
                if reason:
                    say(f"{reason}; starting over.")
                    stop(home)
                with nothing_left_after_failure(home):
                    _start(home, supervisor, wishes)
        try:
            _print_address(home)
            if wishes.is_detached:
                return _wait_for_health(home, supervisor)
            if joins:
                say("It was running already; deploy/down stops it.")
                return 0
            say("Ctrl-C stops everything; deploy/up --detach would leave it running.")
            return _follow(home, supervisor)
        except processes.GONE:
            say("Stopped by another command.")
            return 1
        except KeyboardInterrupt:
            if joins:
                say("\nIt keeps running, as it was before.")
                return 130
            say("\nStopping")
            with home.locked():
                stop(home)
            say("Stopped.")
            return 130 if wishes.is_detached else 0


def down(home: Home, *, and_delete: bool = False) -> int:
    """Stop what deploy/up started under this home, and delete it when asked to."""
    if not (home.path / "state.json").exists():
        say(f"Nothing was ever started under {home.path}.")
        return 0
    with home.locked():
        was_running = stop(home)
        if and_delete:
            postgres.delete_data(home)
            shutil.rmtree(home.path)
    say(
        f"Stopped in {elapsed():.1f} s."
        if was_running
        else f"Nothing is running under {home.path}."
    )
    return 0


def stop(home: Home) -> bool:
    """Stop every process of this home in order and tell whether there was any."""
    before = {name: signal.signal(name, signal.SIG_IGN) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        supervisor = Supervisor(home)
        was_running = supervisor.is_running()
        if was_running:
            supervisor.shut_down()
        else:
            processes.end_leftovers(home)
        shutil.rmtree(home.run, ignore_errors=True)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return was_running


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let a closed terminal and `kill` end the command as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, interrupt)
    yield


@contextlib.contextmanager
def nothing_left_after_failure(home: Home) -> Iterator[None]:
    try:
        yield
    except BaseException:
        stop(home)
        raise


def _reason_to_start_over(home: Home) -> str:
    """Return why a running copy cannot simply be joined, or nothing."""
    if not _completed(home).exists():
        return "An earlier start was cut off half-way"
    if home.state.marks.get("deploy") != _deploy_digest():
        return "The Python packages or the processes have changed since the start"
    queues = home.state.given.get("CITYOPS_QUEUES", "")
    if os.environ.get("CITYOPS_QUEUES", queues) != queues:
        return "CITYOPS_QUEUES has changed since the start"
    return ""


def _join(home: Home, supervisor: Supervisor, wishes: Wishes) -> None:
    """Leave a running city running; bring it up to date when its code has changed."""
    if wishes.port not in (None, home.state.port):
        raise Refusal(f"It runs on port {home.state.port}; use deploy/down before another --port.")
    if wishes.tls is not None or wishes.listen is not None:
        raise Refusal("It is running; use deploy/down before changing --tls or --listen.")
    if home.state.marks.get("code") != _code_digest():
        say("The code has changed since the start")
        with _no_long_reading(home, supervisor):
            prepare_application(home)
        with step("Restart the application"):
            supervisor.restart(*processes.application(home))
        _wait_for_first_page(home, supervisor)
    supervisor.start(*processes.SERVERS, *processes.application(home), "nginx")
    if not supervisor.running("demo-month") and _demo_month_cut_off(home):
        say("          The demo month was cut off: it is written anew")
        _fill_demo_month(home, supervisor)


@contextlib.contextmanager
def _no_long_reading(home: Home, supervisor: Supervisor) -> Iterator[None]:
    """Stop the worker that writes long lists, each for minutes in one snapshot of the tables.

    A migration that waits for the snapshot stands before the whole city meanwhile. What was begun
    is done again by the worker of the new code, or by this one where the new code did not come.
    """
    names = [name for name in ("worker-report",) if name in processes.workers(home)]
    with step("Stop the writing of long lists"):
        supervisor.stop(*names)
    try:
        yield
    except BaseException:
        supervisor.start(*names)
        raise


def _start(home: Home, supervisor: Supervisor, wishes: Wishes) -> None:
    """Go from whatever is there to the first page, then start what works behind it."""
    if home.state.workers_only:
        raise Refusal(f"{home.path} is for workers only; start it with --workers-only.")
    if (home.path / "unverified").exists():
        raise Refusal(f"{home.path} was restored, but its ledger did not verify: it is not served.")
    processes.end_leftovers(home)
    _decide_address(home, wishes)
    prepare_environment(home, packages.SERVER, python_env.RUNTIME_LOCK)
    if home.state.tls == ["self"]:
        _make_certificate(home)
    start_servers(home, supervisor)
    prepare_application(home)
    with step("First page") as outcome:
        supervisor.start("web", "live", "nginx")
        _wait_for_first_page(home, supervisor)
        outcome.append(f"{elapsed():.1f} s after the command")
    is_cut_off = _demo_month_cut_off(home)
    if is_cut_off or _wants_demo_month(home, wishes):
        if is_cut_off:
            say("          An earlier demo month was cut off: it is written anew")
        _fill_demo_month(home, supervisor)
    supervisor.start("relay", *processes.workers(home), "beat")
    home.state.marks["deploy"] = _deploy_digest()
    home.save()
    _completed(home).touch()


def _completed(home: Home) -> Path:
    """Return the mark of a start that came to its end; it goes with the folder of sockets."""
    return home.run / "completed"


def prepare_environment(home: Home, needs: list[packages.Need], lock: Path) -> None:
    """Install packages and the Python environment, and draw this home's secrets and ports."""
    with step("Debian packages") as outcome:
        installed = packages.install(needs)
        outcome.append(f"installed {' '.join(installed)}" if installed else "nothing missing")
    with step("Python environment") as outcome:
        venv, done = python_env.prepare(home.path, lock)
        outcome.append(done)
    prepare_state(home, venv=venv)


def start_servers(
    home: Home, supervisor: Supervisor, *, for_tests: bool = False, with_redis: bool = True
) -> None:
    """Start supervisord, PostgreSQL and Redis; an outside server stands in where one is named."""
    with step("PostgreSQL and Redis") as outcome:
        ours = not processes.external(home, "postgres")
        if ours:
            outcome.append(f"cluster {postgres.prepare(home, for_tests=for_tests)}")
        processes.write_configuration(home)
        supervisor.launch()
        names = ("postgres", *(("redis-broker", "redis-channels") if with_redis else ()))
        supervisor.start(*names)
        for name in names:
            if not processes.external(home, name):
                _wait_for_server(home, supervisor, name)
        if ours:
            postgres.prepare_database(home, for_tests=for_tests)


def _wait_for_server(home: Home, supervisor: Supervisor, name: str) -> None:
    def is_ready() -> bool:
        if name == "postgres":
            return postgres.is_ready(home)
        return answers_redis(home, name.removeprefix("redis-"))

    wait_until(
        is_ready,
        timeout_s=120,  # recovery after a crash, or a long file to load
        failed=lambda: supervisor.failed([name]),
        sentence=f"{name} did not start",
        log=home.log / f"{name}.log",
    )


def _decide_address(home: Home, wishes: Wishes) -> None:
    """Settle port, addresses and TLS, and refuse what cannot be listened on."""
    state = home.state
    state.port = wishes.port or state.port or 8000
    if wishes.tls is not None:
        state.tls = _checked_tls(wishes.tls)
        state.listen = EVERYWHERE if state.tls else LOOPBACK
    if wishes.listen is not None:
        state.listen = EVERYWHERE if wishes.listen == "all" else [wishes.listen]
    # A machine without IPv6 is served on IPv4 alone.
    state.listen = [
        address for address in state.listen if is_free(0, address) or "[" not in address
    ]
    for address in state.listen:
        try:
            free = is_free(state.port, address)
        except PermissionError:
            raise Refusal(
                f"Port {state.port} needs root; choose one above 1023 with --port."
            ) from None
        except OSError as error:
            raise Refusal(f"{address} is no address of this machine ({error.strerror}).") from None
        if not free:
            raise Refusal(
                f"Port {state.port} is in use by another program; choose another with --port."
            )


def _checked_tls(words: list[str]) -> list[str]:
    if words in (["off"], ["self"]):
        return [] if words == ["off"] else words
    if len(words) != 2:
        raise Refusal("--tls takes a certificate and a key, or the word self, or the word off.")
    files = [str(Path(word).resolve()) for word in words]
    for file in files:
        if not os.access(file, os.R_OK):
            raise Refusal(f"--tls names {file}, which cannot be read.")
    return files


def _make_certificate(home: Home) -> None:
    """Make a certificate this machine signs itself, for the names it is called by."""
    folder = home.path / "tls"
    folder.mkdir(exist_ok=True, mode=0o700)
    certificate, key = folder / "self.crt", folder / "self.key"
    if not certificate.exists():
        names = ["localhost", "127.0.0.1", *own_names()]
        kinds = (f"{'IP' if name[0].isdigit() else 'DNS'}:{name}" for name in names)
        run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", "800", "-subj", "/CN=cityops"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-keyout", key, "-out", certificate),
                *("-addext", f"subjectAltName={','.join(kinds)}"),
            ],
            failure="openssl could not make a certificate:",
        )
        key.chmod(0o600)
    home.state.tls = [str(certificate), str(key)]
    home.save()


def manage(home: Home, *arguments: str, failure: str, cwd: Path = ROOT) -> str:
    """Run a management command as the owner of the database and return its output."""
    command: list[str | Path] = [home.venv / "bin/python", ROOT / "manage.py", *arguments]
    return run(command, env=home.environment(), cwd=cwd, failure=failure)


def prepare_application(home: Home) -> None:
    """Bring database, words, static files and reference data to the state of this checkout."""
    with step("Migrations") as outcome:
        done = manage(home, "migrate", "--no-input", failure="The migrations failed:")
        applied = done.count("... OK")
        outcome.append(f"{applied} applied" if applied else "nothing to apply")
    code = _code_digest()
    if home.state.marks.get("code") != code:
        compile_messages(home)
        with step("Static files"):
            manage(home, "collectstatic", "--no-input", failure="The static files failed:")
    city = _digest(CITY.rglob("*"))
    if home.state.marks.get("city") != city:
        with step("The city of Huaihua"):
            manage(home, "load_city", str(CITY), failure="The city could not be loaded:")
        if home.is_demo:
            _load_components(home)
    if home.is_demo:
        with step("Demo accounts"):
            manage(home, "demo_users", "--create", failure="The demo accounts could not be made:")
    home.state.marks.update(code=code, city=city)
    home.save()


def _load_components(home: Home) -> None:
    """Load the invented register of the demo city."""
    with step("Components"):
        register = str(CITY / "components.csv")
        manage(home, "load_components", register, failure="The register could not be loaded:")


def compile_messages(home: Home) -> None:
    """Compile the translations beside their sources."""
    with step("Translations") as outcome:
        folders = [folder for app in APPS for folder in (ROOT / app).rglob("LC_MESSAGES")]
        closed = [folder for folder in folders if not os.access(folder, os.W_OK)]
        if closed:
            outcome.append(f"left as they are, because {closed[0]} cannot be written")
        else:
            # From an empty folder: the command also compiles every locale below the current one.
            tmp = home.path / "tmp"
            manage(home, "compilemessages", cwd=tmp, failure="The translations failed:")


def _code_digest() -> str:
    """Return a digest of everything the application is made of."""
    return _digest(file for app in APPS for file in (ROOT / app).rglob("*"))


def _deploy_digest() -> str:
    """Return a digest of what says which packages and processes there are."""
    folder = ROOT / "deploy"
    files = [file for kind in ("py", "sh", "conf") for file in folder.glob(f"*.{kind}")]
    return _digest([*files, python_env.RUNTIME_LOCK])


def _digest(files: Iterable[Path]) -> str:
    """Return one digest over names and contents, made files left out."""
    total = hashlib.sha256()
    for file in sorted(files):
        if file.is_file() and file.suffix not in {".pyc", ".mo"}:
            total.update(f"{file}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def get(home: Home, path: str) -> tuple[int, bytes]:
    """Return status and body of a page of this home, 0 when nothing answers."""
    context = ssl.create_default_context()
    context.check_hostname = False  # the certificate may be our own, and this is loopback
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(home.address + path, timeout=10, context=context) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def _wait_for_first_page(home: Home, supervisor: Supervisor) -> None:
    wait_until(
        lambda: get(home, "")[0] == 200,
        timeout_s=FIRST_PAGE_S,
        failed=lambda: supervisor.failed(["nginx"]),
        sentence="The first page does not come",
        log=home.log / "web.log",
    )


def degraded(home: Home) -> list[str] | None:
    """Return what /readyz calls degraded, None while it does not answer 200."""
    status, body = get(home, "readyz")
    if status != 200:
        return None
    listed = json.loads(body)["degraded"]
    return [
        entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False)
        for entry in listed
    ]


def _wants_demo_month(home: Home, wishes: Wishes) -> bool:
    """Tell whether the demo month is to be filled: only into a demo city without any case."""
    return home.is_demo and not wishes.is_empty and not _holds(home, "SELECT FROM cases_case")


def _demo_month_cut_off(home: Home) -> bool:
    """Tell whether a demo month was begun and neither ended nor goes on."""
    return home.is_demo and _holds(home, "SELECT FROM cases_demomonth WHERE ended_at IS NULL")


def _fill_demo_month(home: Home, supervisor: Supervisor) -> None:
    """Start the demo month; what an earlier one left is taken away first."""
    home.state.demo_month = "begun"
    home.save()
    supervisor.start("demo-month")
    say("          The demo month fills in the background")


def _holds(home: Home, rows: str) -> bool:
    return postgres.owner_sql(home, f"SELECT EXISTS ({rows})") == "t"


def _print_address(home: Home) -> None:
    say(f"\nOpen {home.address}")
    if home.state.listen == EVERYWHERE:
        scheme = "https" if home.state.tls else "http"
        say(
            "From other machines: "
            + " ".join(f"{scheme}://{name}:{home.state.port}/" for name in own_names())
        )
    if home.is_demo:
        say("Demo sign-ins: inspector1 acceptor1 chief1 dispatcher1 dispatcher-hecheng supervisor1")
        say("  assessor1 leader1 admin, a person and a head of every unit: unit-… head-…")
        say("  (deploy/manage demo_users lists all)")
        say(f"  all with the password {(home.path / 'demo_password').read_text().strip()}")
    say("")


def _demo_month_line(home: Home, supervisor: Supervisor) -> str | None:
    """Return the newest word of the demo month while it fills, None otherwise."""
    if not supervisor.running("demo-month"):
        return None
    return _last_word(home) or "begins"


def _last_word(home: Home) -> str:
    """Return the last line the demo month wrote."""
    log = home.log / "demo-month.log"
    text = log.read_text(errors="replace").replace("\r", "\n") if log.exists() else ""
    return last_lines(text, 1).strip()


def _demo_month_failed(supervisor: Supervisor) -> bool:
    """Tell whether the demo month ended before it was full."""
    info = supervisor.states()["demo-month"]
    return info["statename"] in {"EXITED", "FATAL"} and info["exitstatus"] != 0


def _wait_for_health(home: Home, supervisor: Supervisor) -> int:
    """Wait until nothing is degraded; the time a filling demo month takes is extra."""
    said = ""
    waited_s = filled_s = 0.0
    looked_at = elapsed()
    while supervisor.is_running():
        now = degraded(home)
        if _demo_month_failed(supervisor):
            say(f"The demo month could not be filled: {_last_word(home)}")
            return 1
        if now == []:
            say(f"{elapsed():6.1f} s  Everything is healthy; deploy/down stops it")
            return 0
        line = _demo_month_line(home, supervisor)
        passed_s, looked_at = elapsed() - looked_at, elapsed()
        filled_s += passed_s if line else 0.0
        waited_s += 0.0 if line else passed_s
        if waited_s > READY_S or filled_s > DEMO_MONTH_S:
            what = "/readyz does not answer" if now is None else ", ".join(now)
            say(f"It runs, but this is degraded: {what}. The logs are in {home.log}.")
            return 1
        if line and line != said:
            say(f"{elapsed():6.1f} s  Demo month: {line}")
            said = line
        time.sleep(1)
    say("Stopped by another command.")
    return 1


def _follow(home: Home, supervisor: Supervisor) -> int:
    """Say what changes, until Ctrl-C or until another command stops it."""
    said: dict[str, object] = {}
    pids: dict[str, int] = {}
    told_at: dict[str, float] = {}
    while supervisor.is_running():
        line = _demo_month_line(home, supervisor)
        if line and line != said.get("demo"):
            say(f"{elapsed():6.1f} s  Demo month: {line}")
        if said.get("demo") and not line:
            full = (home.path / "demo_month_full").exists()
            outcome = "is full" if full else "was cut off; see its log"
            say(f"{elapsed():6.1f} s  The demo month {outcome}")
        said["demo"] = line
        _tell_restarts(supervisor, pids, told_at)
        now = degraded(home)
        if now != said.get("degraded", "nothing yet"):
            what = "does not answer" if now is None else ", ".join(now) or "nothing"
            say(f"{elapsed():6.1f} s  Degraded: {what}")
        said["degraded"] = now
        time.sleep(2)
    say("Stopped by another command.")
    return 0


def _tell_restarts(supervisor: Supervisor, pids: dict[str, int], told_at: dict[str, float]) -> None:
    """Name the programs whose pid is another than the last time; keep `pids` and `told_at`."""
    for name, info in supervisor.states().items():
        came_back = info["pid"] and pids.get(name, info["pid"]) != info["pid"]
        if came_back and elapsed() > told_at.get(name, -REPEAT_S) + REPEAT_S:
            say(f"{elapsed():6.1f} s  {name} ended and was started again")
            told_at[name] = elapsed()
        if info["pid"]:
            pids[name] = info["pid"]
