"""The private PostgreSQL of a home: its cluster, roles and database; never run as root."""

import os
import pwd
import shutil
import subprocess
import urllib.parse
from pathlib import Path

from deploy.console import Refusal, run
from deploy.home import Home
from deploy.packages import postgres_folder

OS_USER = "cityops"
EXTENSIONS = ("postgis", "btree_gist", "pg_trgm")

# Statements and row details stay out of the logs: they hold what people wrote.
CONFIGURATION = """\
# Written by deploy at each start.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
max_connections = 100
shared_buffers = 256MB
effective_cache_size = 1GB
max_wal_size = 2GB
wal_compression = on
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
password_encryption = 'scram-sha-256'
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length = 0
log_checkpoints = off
"""
# A test cluster is thrown away, so it need not survive a power cut.
TEST_CONFIGURATION = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


def system_user() -> str:
    """Return the user PostgreSQL runs as: the caller, or our own user when the caller is root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    try:
        pwd.getpwnam(OS_USER)
    except KeyError:
        run(
            [
                *("useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin"),
                *("--no-create-home", "--home-dir", "/nonexistent", OS_USER),
            ],
            failure=f"The system user {OS_USER} could not be made:",
        )
    return OS_USER


def as_system_user(*command: str | Path) -> list[str | Path]:
    """Return a command that runs as PostgreSQL's user."""
    if os.geteuid() != 0:
        return list(command)
    user = system_user()
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command]


def program(home: Home, name: str) -> Path:
    """Return a PostgreSQL program of the version the home's data was made with."""
    stored = Path(home.state.pg_data) / "PG_VERSION"
    version = int(stored.read_text()) if home.state.pg_data and stored.exists() else None
    folder = postgres_folder(version)
    if folder is None and version is None:
        return Path(name)  # only an outside server is used, with the client programs found in PATH
    if folder is None:
        raise Refusal(
            f"{home.state.pg_data} was made by PostgreSQL {version}, which is not installed with"
            f" PostGIS: install postgresql-{version}-postgis-3."
        )
    return folder / name


def prepare(home: Home, *, for_tests: bool) -> str:
    """Make the cluster if there is none, and write the configuration of this start."""
    outcome = "unchanged"
    if not home.state.pg_data:
        home.state.pg_data = str(_reachable_folder(home))
        home.save()
    data = Path(home.state.pg_data)
    if not (data / "cityops.conf").exists():
        _make_cluster(home, data)
        outcome = f"made in {data}"
    _forget_stale_pid(data)
    sockets = socket_folder(home)
    sockets.mkdir(exist_ok=True, mode=0o700)
    configuration = CONFIGURATION.format(port=home.state.ports["postgres"], sockets=sockets)
    (data / "cityops.conf").write_text(configuration + (TEST_CONFIGURATION if for_tests else ""))
    if os.geteuid() == 0:
        user = pwd.getpwnam(system_user())
        for path in (sockets, data / "cityops.conf"):
            os.chown(path, user.pw_uid, user.pw_gid)
    return outcome


def socket_folder(home: Home) -> Path:
    """Return the folder of the socket that only PostgreSQL's user may reach."""
    return home.run / "pg"


def _reachable_folder(home: Home) -> Path:
    """Return HOME/pg, or a folder outside when PostgreSQL's user cannot reach the home."""
    for folder in (home.path / "pg", Path(f"/var/lib/cityops/{home.digest}/pg")):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        if os.geteuid() != 0:
            return folder
        user = pwd.getpwnam(system_user())
        os.chown(folder, user.pw_uid, user.pw_gid)
        probe = subprocess.run(
            as_system_user("test", "-w", folder), capture_output=True, cwd="/", check=False
        )
        if probe.returncode == 0:
            return folder
        folder.rmdir()
    raise Refusal(f"PostgreSQL's user can reach neither {home.path} nor /var/lib/cityops.")


def delete_data(home: Home) -> None:
    """Delete the cluster, wherever it had to be put."""
    data = Path(home.state.pg_data)
    if home.state.pg_data and data.exists():
        shutil.rmtree(data)
        if data.parent.name == home.digest:
            data.parent.rmdir()


def _make_cluster(home: Home, data: Path) -> None:
    """Make a cluster with checksums; what a cut-off attempt left in the folder goes first."""
    for leftover in data.iterdir():
        run(["rm", "-rf", leftover], failure=f"{leftover} cannot be removed:")
    run(
        as_system_user(
            *(program(home, "initdb"), "--pgdata", data, "--data-checksums", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
            *("--auth-local=peer", "--auth-host=scram-sha-256"),
        ),
        cwd=Path("/"),
        failure="initdb failed:",
    )
    with (data / "postgresql.conf").open("a") as file:
        file.write("\ninclude = 'cityops.conf'\n")


def _forget_stale_pid(data: Path) -> None:
    """Remove the pid file of a server that is gone, whoever has its pid now."""
    file = data / "postmaster.pid"
    if file.exists() and not is_process(file.read_text().split("\n", 1)[0], str(data)):
        file.unlink()


def is_process(pid: str, argument: str) -> bool:
    """Tell whether a living process of this pid was started with this argument."""
    try:
        command = Path(f"/proc/{int(pid)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False
    return argument.encode() in command


def is_ready(home: Home) -> bool:
    """Tell whether the private server answers."""
    where = ["--quiet", "--host", "127.0.0.1", "--port", str(home.state.ports["postgres"])]
    return subprocess.run([program(home, "pg_isready"), *where], check=False).returncode == 0


def _psql(home: Home) -> list[str | Path]:
    """Return psql printing plain rows and ending at the first error."""
    options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
    return [program(home, "psql"), *options]


def superuser_sql(home: Home, sql: str, *, database: str = "postgres") -> str:
    """Run statements as the cluster's superuser and return the plain rows."""
    return run(
        as_system_user(*_psql(home), *where(home), "--dbname", database),
        cwd=Path("/"),
        text=sql,
        failure="The database refused:",
    ).strip()


def where(home: Home) -> list[str]:
    """Return the options by which the superuser reaches the private server."""
    return ["--host", str(socket_folder(home)), "--port", str(home.state.ports["postgres"])]


def owner_environment(home: Home) -> dict[str, str]:
    """Return the environment in which psql and pg_dump reach the database as its owner."""
    url = urllib.parse.urlsplit(home.variables()["DATABASE_URL"])
    return {
        **os.environ,
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port or 5432),
        "PGUSER": urllib.parse.unquote(url.username or ""),
        "PGPASSWORD": urllib.parse.unquote(url.password or ""),
        "PGDATABASE": url.path.lstrip("/"),
    }


def owner_sql(home: Home, sql: str) -> str:
    """Run a statement as the owner of the database and return the plain rows."""
    return run(
        [*_psql(home), "--command", sql],
        env=owner_environment(home),
        failure="The database refused:",
    ).strip()


def prepare_database(home: Home, *, for_tests: bool) -> None:
    """Make the three roles with this home's passwords, the database and its extensions.

    The owner of a test cluster is its superuser, because each run makes a test database.
    """
    roles = {"cityops_owner": "owner", "cityops_web": "web", "cityops_system": "system"}
    known = set(superuser_sql(home, "SELECT rolname FROM pg_roles").splitlines())
    for role, secret in roles.items():
        verb = "ALTER" if role in known else "CREATE"
        power = " SUPERUSER" if for_tests and role == "cityops_owner" else ""
        password = home.state.secrets[secret]
        superuser_sql(home, f"{verb} ROLE {role} LOGIN{power} PASSWORD '{password}'")
    if superuser_sql(home, "SELECT 1 FROM pg_database WHERE datname = 'cityops'") != "1":
        superuser_sql(home, "CREATE DATABASE cityops OWNER cityops_owner")
    extensions = "".join(f"CREATE EXTENSION IF NOT EXISTS {name};\n" for name in EXTENSIONS)
    superuser_sql(
        home,
        extensions + "REVOKE ALL ON DATABASE cityops FROM PUBLIC;\n"
        "GRANT CONNECT ON DATABASE cityops TO cityops_web, cityops_system;\n"
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC;\n"
        "GRANT ALL ON SCHEMA public TO cityops_owner;\n",
        database="cityops",
    )
