"""The commands of deploy/, as the scripts beside this file call them."""

import argparse
import os
import sys
from pathlib import Path

from deploy import backups, gate, joining, lifecycle
from deploy.benchmarks import start
from deploy.console import Refusal, say
from deploy.home import Home, default_path
from deploy.processes import Supervisor
from deploy.python_env import ROOT


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    command, *rest = arguments
    if command == "manage":
        return _manage(rest)
    if command == "bench":
        return start.run(rest)
    if command == "test":
        return gate.break_it(rest[1:]) if rest[:1] == ["faults"] else gate.check(rest)
    parser = _parser(command)
    options = parser.parse_args(rest)
    if command == "lock":
        return gate.refresh_locks(upgrade=options.upgrade)
    home = Home.at(Path(options.home) if options.home else default_path())
    if command == "up" and options.workers_only:
        return joining.up(home, is_detached=options.detach)
    if command == "up":
        wishes = lifecycle.Wishes(
            port=options.port,
            listen=options.listen,
            tls=options.tls,
            is_empty=options.empty,
            is_detached=options.detach,
        )
        return lifecycle.up(home, wishes)
    if command == "backup":
        return backups.write(home, Path(options.file))
    if command == "restore":
        return backups.restore(home, Path(options.file), force=options.force)
    return lifecycle.down(home, and_delete=options.delete)


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"deploy/{command}")
    if command == "lock":
        parser.add_argument(
            "--upgrade", action="store_true", help="take the newest fitting versions"
        )
        return parser
    parser.add_argument("--home", help="folder of this copy (default: CITYOPS_HOME, else .local)")
    if command == "up":
        parser.add_argument("--port", type=int, help="the one port people open (default: 8000)")
        parser.add_argument("--detach", action="store_true", help="return once nothing is degraded")
        parser.add_argument("--empty", action="store_true", help="no demo month")
        parser.add_argument(
            "--workers-only",
            action="store_true",
            help="only workers, of the city the environment names (CITYOPS_QUEUES: which)",
        )
        parser.add_argument(
            "--tls",
            nargs="+",
            metavar="FILE",
            help="CERT KEY, or self, or off; the home remembers it",
        )
        parser.add_argument(
            "--listen", help="an address or all (default: loopback, with --tls all)"
        )
    if command == "down":
        parser.add_argument(
            "--delete",
            action="store_true",
            help="also delete the home: database, photos, all of it",
        )
    if command in {"backup", "restore"}:
        parser.add_argument("file", help="the backup, one tar file")
    if command == "restore":
        parser.add_argument("--force", action="store_true", help="put what is there aside")
    return parser


def _manage(arguments: list[str]) -> int:
    """Become a management command of a running home."""
    path = default_path()
    if arguments[:1] == ["--home"] and len(arguments) > 1:
        path, arguments = Path(arguments[1]), arguments[2:]
    home = Home.at(path)
    if not home.state.venv or not Supervisor(home).is_running():
        raise Refusal(f"Nothing is running under {home.path}; start it with deploy/up.")
    python = str(home.venv / "bin/python")
    os.execve(python, [python, str(ROOT / "manage.py"), *arguments], home.environment())  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refusal as refusal:
        say(str(refusal))
        sys.exit(1)
    except KeyboardInterrupt:
        say("\nStopped.")
        sys.exit(130)
