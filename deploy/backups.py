"""deploy/backup and deploy/restore: one tar file with database, media and configuration."""

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from deploy import packages, postgres, processes, python_env
from deploy.console import Refusal, run, say, step
from deploy.home import Home, prepare_folders, write_private
from deploy.lifecycle import ending_on_signals, manage, prepare_environment, start_servers, stop
from deploy.processes import Supervisor

FORMAT = 1
# Ports, passwords of the servers and paths belong to a machine and are not carried over.
CARRIED_FILES = ("demo_password", "demo_month_full")


def write(home: Home, file: Path) -> int:
    """Write a backup of a running home; it is whole or not there at all."""
    if not home.state.venv or not Supervisor(home).is_running():
        raise Refusal(f"Nothing is running under {home.path}; start it with deploy/up.")
    file = file.resolve()
    if file.exists():
        raise Refusal(f"{file} exists already; name a new file.")
    part = file.with_name(f"{file.name}.part")
    dump = home.path / "tmp" / "database.dump"
    try:
        with step("Database"):
            _dump(home, dump)
        # Media after the database, so each row's file is there: a shown photo is for good, an
        # upload stays for an hour after it was prepared.
        with step("Media and configuration"), _private_tar(part) as tar:
            _add_text(tar, home, "configuration.json", _configuration(home))
            tar.add(dump, "database.dump")
            _add_media(tar, home.path / "media")
            for name in CARRIED_FILES:
                if (home.path / name).exists():
                    tar.add(home.path / name, name)
        part.replace(file)
    finally:
        dump.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    say(
        f"Wrote {file}, {file.stat().st_size / 1e6:.1f} MB."
        " It holds secrets and personal data: keep it safe."
    )
    return 0


def _dump(home: Home, dump: Path) -> None:
    dump.unlink(missing_ok=True)
    dump.touch(mode=0o600)
    run(
        [postgres.program(home, "pg_dump"), "--format=custom", "--file", dump],
        env=postgres.owner_environment(home),
        failure="The database could not be dumped:",
    )


def _private_tar(path: Path) -> tarfile.TarFile:
    """Open a new tar file that only its owner may read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return tarfile.open(path, "w")


def _add_media(tar: tarfile.TarFile, folder: Path) -> None:
    """Add every file of a folder in use; one that goes meanwhile is needed no more.

    Lists written as files are left out: they hold many persons, and go after a week for that.
    """
    for path in [folder, *sorted(folder.rglob("*"))]:
        if path.relative_to(folder).parts[:1] == ("exports",):
            continue
        with contextlib.suppress(FileNotFoundError):
            tar.add(path, str(Path("media") / path.relative_to(folder)), recursive=False)


def _add_text(tar: tarfile.TarFile, home: Home, name: str, text: str) -> None:
    source = home.path / "tmp" / name
    write_private(source, text)
    tar.add(source, name)
    source.unlink()


def _configuration(home: Home) -> str:
    """Return what a restored copy must share with this one."""
    carried = {
        "format": FORMAT,
        "written_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "secret_key": home.state.secrets["secret_key"],
        "given": home.state.given,
        "demo_month": home.state.demo_month,
        "city": home.state.marks.get("city", ""),
    }
    return json.dumps(carried, indent=2) + "\n"


def restore(home: Home, file: Path, *, force: bool) -> int:
    """Make a home from a backup and verify its ledger; deploy/up serves it afterwards.

    What a forced restore replaces is put aside, not deleted.
    """
    configuration = _read_configuration(file)
    prepare_folders(home)
    with ending_on_signals(), home.locked():
        if Supervisor(home).is_running():
            raise Refusal(f"{home.path} is running; use deploy/down first.")
        processes.end_leftovers(home)
        if home.state.pg_data:
            if not force:
                raise Refusal(f"{home.path} holds a city already; use another --home, or --force.")
            _put_aside(home)
        try:
            _fill(home, file, configuration)
        finally:
            stop(home)
    say(f"Restored and verified; deploy/up --home {home.path} serves it.")
    return 0


def _read_configuration(file: Path) -> dict[str, object]:
    try:
        with tarfile.open(file) as tar:
            text = tar.extractfile("configuration.json")
            configuration = json.load(text) if text else {}
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise Refusal(f"{file} is no backup of deploy/backup ({error}).") from error
    if configuration.get("format") != FORMAT:
        raise Refusal(f"{file} was written by another version of deploy/backup.")
    return configuration


def _put_aside(home: Home) -> None:
    """Move database and media of this home out of the way, each beside where it was."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    for folder in (Path(home.state.pg_data), home.path / "media"):
        target = folder.with_name(f"{folder.name}.before-{stamp}")
        folder.rename(target)
        say(f"          Put aside {target}")
    shutil.rmtree(home.path / "redis-broker", ignore_errors=True)  # hints about the old database
    home.state.pg_data = ""
    (home.path / "media").mkdir(mode=0o700)


def _fill(home: Home, file: Path, configuration: dict[str, object]) -> None:
    write_private(home.path / "unverified", "This home's ledger has not been verified yet.\n")
    prepare_environment(home, packages.SERVER, python_env.RUNTIME_LOCK)
    if processes.external(home, "postgres"):
        raise Refusal("deploy/restore fills a private PostgreSQL only; unset DATABASE_URL.")
    _take_configuration(home, configuration)
    start_servers(home, Supervisor(home), with_redis=False)
    dump = home.path / "tmp/database.dump"
    try:
        with step("Media and configuration"):
            _unpack(home, file)
        with step("Database"):
            _load(home, dump)
    finally:
        dump.unlink(missing_ok=True)
    with step("Migrations"):
        manage(home, "migrate", "--no-input", failure="The migrations failed:")
    with step("Lists whose files were left out"):
        manage(home, "sweep_exports", failure="The lists could not be looked through:")
    with step("Ledger"):
        manage(
            home,
            "verify_ledger",
            failure="The restored ledger does not verify; it will not be served:",
        )
    (home.path / "unverified").unlink()


def _take_configuration(home: Home, configuration: dict[str, object]) -> None:
    home.state.secrets["secret_key"] = str(configuration["secret_key"])
    given = configuration["given"]
    home.state.given = dict(given) if isinstance(given, dict) else {}
    home.state.demo_month = str(configuration["demo_month"])
    home.state.marks = {"city": str(configuration["city"])}
    home.save()


def _unpack(home: Home, file: Path) -> None:
    """Write the members that belong into a home, and no other."""
    with tarfile.open(file) as tar:
        for member, name in _members(tar):
            target = home.path / ("tmp/database.dump" if name == "database.dump" else name)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            if source is None:
                continue
            is_media = name.startswith("media/")
            target.unlink(missing_ok=True)
            target.touch(mode=0o644 if is_media else 0o600)
            with target.open("wb") as out:
                shutil.copyfileobj(source, out)


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield the plain files of a backup; a path that leaves the home is no part of one."""
    for member in tar:
        path = PurePosixPath(member.name)
        known = member.name in {"database.dump", *CARRIED_FILES} or path.parts[:1] == ("media",)
        if member.isfile() and known and ".." not in path.parts and not path.is_absolute():
            yield member, member.name


def _load(home: Home, dump: Path) -> None:
    """Load the dump as superuser, who alone may make the extensions."""
    command = postgres.as_system_user(
        *(postgres.program(home, "pg_restore"), "--exit-on-error"),
        *postgres.where(home),
        *("--dbname", "cityops"),
    )
    with dump.open("rb") as source:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ},
            cwd="/",
            check=False,
        )
    if done.returncode:
        raise Refusal(f"The database could not be restored:\n{done.stdout[-2000:]}")
