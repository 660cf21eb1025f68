"""What the commands say: one line a step, one sentence a refusal."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Refusal(Exception):
    """A sentence for the person at the keyboard; the command ends with status 1."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def elapsed() -> float:
    """Return the seconds since the process began, its time as a shell script included."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s


@contextmanager
def step(name: str) -> Iterator[list[str]]:
    """Print a step's name as it begins and, when it is done, what it appended as the outcome."""
    begun = time.monotonic()
    outcome: list[str] = []
    sys.stdout.write(f"{elapsed():6.1f} s  {name} … ")
    sys.stdout.flush()
    try:
        yield outcome
    except BaseException:
        say("failed")
        raise
    say(f"{', '.join(outcome) or 'done'} ({time.monotonic() - begun:.1f} s)")


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str | None = None,
    failure: str,
) -> str:
    """Run a command and return its output; a failure is a Refusal with its last lines."""
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        cwd=cwd,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Refusal(f"{failure}\n{last_lines(done.stdout)}".rstrip())
    return done.stdout


def last_lines(text: str, count: int = 15) -> str:
    """Return the last lines of an output, indented, without empty ones."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"    {line}" for line in lines[-count:])
