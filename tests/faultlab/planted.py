"""`deploy/test faults --planted`: bugs planted one at a time, each must turn a fault red.

A test never seen red does not count. Every file of planted/ is a patch of the product with three
lines before it: which fault finds it, what it breaks, and what somebody might have thought. It is
applied to a copy of the checkout; no program of the product knows of it.
"""

import shutil
import time
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from deploy.console import say
from deploy.python_env import ROOT
from tests.faultlab.faults import all_faults
from tests.faultlab.figures import Red, Size
from tests.faultlab.runner import Lab, running
from tests.faultlab.trial import run_fault

FOLDER = Path(__file__).parent / "planted"
COPIED = ("cityops", "cases", "scoring", "deploy", "manage.py")


@dataclass(frozen=True)
class Bug:
    """A patch, the fault that must find it, and how its complaint begins."""

    name: str
    fault: str
    breaks: str  # an invariant, or the beginning of a figure's complaint
    why: str
    patch: str

    @classmethod
    def read(cls, path: Path) -> "Bug":
        """Read a file of planted/."""
        lines = path.read_text().splitlines(keepends=True)
        head = "".join(takewhile(lambda line: not line.startswith("--- "), lines))
        words = dict(line.split(": ", 1) for line in head.splitlines() if line)
        patch = "".join(lines)[len(head) :]
        return cls(path.stem, words["fault"], words["breaks"], words["why"], patch)

    def plant(self, root: Path) -> None:
        """Change the checkout at `root`; raises Red where the code is no longer the one meant."""
        for part in self.patch.split("--- a/")[1:]:
            name, _, hunks = part.partition("\n")
            path = root / name
            text = path.read_text()
            for hunk in hunks.split("\n@@")[1:]:
                before, after = _sides(hunk.partition("\n")[2])
                if text.count(before) != 1:
                    raise Red(f"{self.name} no longer fits {name}")
                text = text.replace(before, after)
            path.write_text(text)


def _sides(hunk: str) -> tuple[str, str]:
    """Return the lines of a hunk as they were and as they become."""
    lines = hunk.removesuffix("\n").split("\n")
    before = [line[1:] for line in lines if not line.startswith("+")]
    after = [line[1:] for line in lines if not line.startswith("-")]
    return "\n".join(before), "\n".join(after)


def bugs() -> list[Bug]:
    """Return every planted bug, in order of its file."""
    return [Bug.read(path) for path in sorted(FOLDER.glob("*.patch"))]


def copy_checkout(folder: Path) -> Path:
    """Copy what the application runs from; returns the copy."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def main(home: Path, names: list[str] | None = None) -> int:
    """Run every bug, or those whose names begin as asked; return the exit status."""
    chosen = [bug for bug in bugs() if not names or bug.name.startswith(tuple(names))]
    with running(home) as lab:
        found = [_is_found(lab, bug) for bug in chosen]
    say(f"\n{sum(found)} bugs found, {len(found) - sum(found)} missed")
    return int(not all(found))


def _is_found(lab: Lab, bug: Bug) -> bool:
    """Run the fault on a copy with the bug; true when it turns red for the right reason."""
    say(f"{bug.name} ({bug.fault}, {bug.breaks}): {bug.why}")
    begun = time.monotonic()
    try:
        root = copy_checkout(lab.home.path / "planted")
        bug.plant(root)
        lab.refound(root=root, out=lab.home.path / "out" / f"{bug.name}-{int(time.time())}")
    except Red as red:
        say(f"  MISSED: {red}")
        return False
    verdict = run_fault(lab, all_faults()[bug.fault], Size(seed=1, short=True))
    reasons = [line for line in verdict.complaints if line.startswith(bug.breaks)]
    others = [line for line in verdict.complaints if line not in reasons]
    for line in [*reasons[:2], *others[:2]]:
        say(f"  red: {line[:160]}")
    took_s = time.monotonic() - begun
    say(f"  {'found' if reasons else 'MISSED'} in {took_s:.0f} s")
    return bool(reasons)
