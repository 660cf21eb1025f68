"""Debian packages: install what is missing and leave no service running or enabled."""

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.console import Refusal, run

POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_ASIDE = POLICY.with_name("policy-rc.d.before-cityops")
MARK = "# cityops: only while packages are being installed"
NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/cityops.conf")
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
LOCK_WAIT_S = 300


@dataclass(frozen=True)
class Need:
    """Something the city needs: how to see that it is there, and who may provide it."""

    present: Callable[[], bool]
    packages: tuple[str, ...]  # the first that the distribution offers is installed
    service: str = ""  # what the package would start and enable


def _has_command(name: str) -> Callable[[], bool]:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return lambda: shutil.which(name, path=path) is not None


def _has_library(name: str) -> Callable[[], bool]:
    def present() -> bool:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    return present


def _has_venv() -> bool:
    """Tell whether this Python can make an environment with pip in it."""
    probe = [sys.executable, "-c", "import venv, ensurepip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


WORKER = [
    Need(_has_venv, (f"python3.{sys.version_info.minor}-venv", "python3-venv")),
    Need(FONT.exists, ("fonts-noto-cjk",)),
    # WeasyPrint's: it lays text out with the one and embeds only the letters used with the other.
    Need(_has_library("libpangoft2-1.0.so.0"), ("libpangoft2-1.0-0",)),
    Need(_has_library("libharfbuzz-subset.so.0"), ("libharfbuzz-subset0",)),
]
SERVER = [
    Need(lambda: postgres_folder() is not None, ()),
    Need(_has_command("redis-server"), ("redis-server",), "redis-server"),
    Need(_has_command("nginx"), ("nginx-light", "nginx"), "nginx"),
    Need(_has_command("msgfmt"), ("gettext",)),
    Need(_has_command("openssl"), ("openssl",)),
    *WORKER,
]
BROWSER = [Need(_has_command("chromium"), ("chromium", "chromium-browser"))]


def postgres_folder(version: int | None = None) -> Path | None:
    """Return the program folder of the newest PostgreSQL that has PostGIS, or of this version."""
    found = [
        int(folder.name)
        for folder in Path("/usr/lib/postgresql").glob("[0-9]*")
        if (folder / "bin/postgres").exists()
        and Path(f"/usr/share/postgresql/{folder.name}/extension/postgis.control").exists()
    ]
    wanted = [number for number in found if version in (None, number)]
    return Path(f"/usr/lib/postgresql/{max(wanted)}/bin") if wanted else None


def install(needs: list[Need]) -> list[str]:
    """Install what is missing among `needs` and return the packages' names."""
    missing = [need for need in needs if not need.present()]
    if not missing:
        return []
    _become_root(missing)
    refreshed = False
    names = _candidates(missing)
    if names is None:
        _refresh_lists()
        refreshed, names = True, _candidates(missing)
    if names is None:
        raise Refusal(f"This distribution offers no package for {_wanted(missing)}.")
    with _quiet_services():
        try:
            _apt("install", "-y", "--no-install-recommends", *names)
        except Refusal:
            if refreshed:
                raise
            _refresh_lists()  # the lists may name versions the mirror no longer has
            _apt("install", "-y", "--no-install-recommends", *names)
        _disable([need.service for need in missing if need.service])
    return names


def _wanted(missing: list[Need]) -> str:
    return ", ".join(
        need.packages[0] if need.packages else "postgresql-postgis" for need in missing
    )


def _sudo() -> list[str]:
    return [] if os.geteuid() == 0 else ["sudo"]


def _become_root(missing: list[Need]) -> None:
    """Refuse when packages are missing and there is no way to install them."""
    if not shutil.which("apt-get"):
        raise Refusal(f"Missing on this machine: {_wanted(missing)}; install them, then try again.")
    if os.geteuid() == 0:
        return
    if shutil.which("sudo"):
        quiet = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if quiet.returncode == 0 or sys.stdin.isatty():
            return
    raise Refusal(f"Missing packages: {_wanted(missing)}; run this once as root or with sudo.")


def _candidates(missing: list[Need]) -> list[str] | None:
    """Return a package for each need, or None while the lists do not offer one."""
    names = []
    for need in missing:
        options = need.packages or _postgis_packages()
        offered = next((name for name in options if _is_offered(name)), None)
        if offered is None:
            return None
        names.append(offered)
    return names


def _postgis_packages() -> tuple[str, ...]:
    listed = run(["apt-cache", "pkgnames", "postgresql-"], failure="apt-cache failed.").split()
    versions = (re.fullmatch(r"postgresql-(\d+)-postgis-3", name) for name in listed)
    newest_first = sorted((match for match in versions if match), key=lambda match: -int(match[1]))
    return tuple(match[0] for match in newest_first)


def _is_offered(name: str) -> bool:
    """Tell whether the distribution has a real, installable version of a package."""
    policy = subprocess.run(
        ["apt-cache", "policy", name],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    ).stdout
    return "Candidate: " in policy and "Candidate: (none)" not in policy


def _refresh_lists() -> None:
    _apt("update")


def _apt(*arguments: str) -> None:
    """Run apt-get; while another package manager works, wait for it, but not for ever."""
    options = ["-qq", "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_S}", "-o", "Acquire::Retries=3"]
    command = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", *options, *arguments]
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            run(
                [*_sudo(), *command], failure=f"apt-get {arguments[0]} failed; its last lines were:"
            )
        except Refusal as refusal:
            if "Could not get lock" not in str(refusal):
                raise
            if time.monotonic() > deadline:
                raise Refusal(
                    "Another package manager has been at work for five minutes; try again after it."
                ) from refusal
            time.sleep(3)  # apt-get itself does not wait for the lock of the package lists
        else:
            return


@contextlib.contextmanager
def _quiet_services() -> Iterator[None]:
    """Keep packages from starting services and from making a database cluster.

    What stood there before is put aside and comes back, also after a failure; what an
    earlier, interrupted run left behind is recognised by its mark.
    """
    forget_traces()
    if POLICY.exists():
        _root("mv", POLICY, POLICY_ASIDE)
    made_folder = not NO_CLUSTER.parent.exists()
    try:
        _root_write(POLICY, f"#!/bin/sh\n{MARK}\nexit 101\n")
        _root("chmod", "755", POLICY)
        _root("mkdir", "-p", NO_CLUSTER.parent)
        _root_write(NO_CLUSTER, f"{MARK}\ncreate_main_cluster = false\n")
        yield
    finally:
        forget_traces()
        if made_folder and NO_CLUSTER.parent.exists() and not any(NO_CLUSTER.parent.iterdir()):
            _root("rmdir", NO_CLUSTER.parent)


def forget_traces() -> None:
    """Remove our two temporary files and bring back the policy that stood there."""
    for path in (POLICY, NO_CLUSTER):
        if path.exists() and MARK in path.read_text(errors="replace"):
            _root("rm", path)
    if POLICY_ASIDE.exists():
        _root("mv", POLICY_ASIDE, POLICY)


def _disable(services: list[str]) -> None:
    """Keep what was just installed from starting at the next boot."""
    for service in services:
        if shutil.which("deb-systemd-helper"):
            # It answers to package scripts only, which name themselves so.
            _root(
                *("env", f"DPKG_MAINTSCRIPT_PACKAGE={service}"),
                *("deb-systemd-helper", "disable", f"{service}.service"),
            )
        if Path(f"/etc/init.d/{service}").exists():
            _root("update-rc.d", service, "disable")


def _root(*command: str | Path) -> None:
    run([*_sudo(), *command], failure=f"{command[0]} failed as root:")


def _root_write(path: Path, text: str) -> None:
    run([*_sudo(), "tee", path], text=text, failure=f"{path} cannot be written:")
