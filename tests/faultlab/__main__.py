"""`deploy/test faults [F01 …] [--seed N …] [--short]`: break a city, print a table of figures.

With `--planted` the names are those of planted bugs, each of which must turn its fault red.

Every fault gets an untouched city; its histories stay in HOME/out, all figures in
HOME/figures.json. The last line counts what passed and failed, and so does the exit status.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from deploy.console import say
from deploy.python_env import ROOT
from tests.faultlab import planted
from tests.faultlab.faults import Fault, all_faults
from tests.faultlab.figures import Red, Size
from tests.faultlab.runner import Lab, running
from tests.faultlab.trial import Verdict, run_fault

SEEDS = (1, 2, 3)


def main(arguments: list[str]) -> int:
    """Run the faults asked for and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # and so stops its city
    known = all_faults()
    parser = argparse.ArgumentParser(prog="deploy/test faults")
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"of {', '.join(known)}")
    parser.add_argument("--seed", type=int, action="append", help="default: 1, 2 and 3")
    parser.add_argument("--short", action="store_true", help="a smaller load, fewer times")
    parser.add_argument("--home", type=Path, default=ROOT / ".local/faultlab")
    parser.add_argument("--planted", action="store_true", help="plant bugs; each must be found")
    options = parser.parse_args(arguments)
    if options.planted:
        return planted.main(options.home, options.names)
    if unknown := set(options.names) - set(known):
        parser.error(f"there is no fault {sorted(unknown)[0]}; there are {', '.join(known)}")
    faults = [known[name] for name in options.names or known]
    sizes = [Size(seed, short=options.short) for seed in options.seed or SEEDS]
    found, verdicts = options.home / "figures.json", list[Verdict]()
    with running(options.home) as lab:
        for size in sizes:
            for one in faults:
                verdicts.append(_run(lab, one, size))
                told = [verdict.plain() for verdict in verdicts]
                found.write_text(json.dumps(told, indent=1, ensure_ascii=False))
    return report(verdicts, found)


def _run(lab: Lab, fault: Fault, size: Size) -> Verdict:
    """Run one fault on a city that nothing has touched, and say how it went."""
    say(f"{fault.name} seed {size.seed}: {fault.title} …")
    try:
        lab.refound(out=lab.home.path / "out" / f"{fault.name}-{size.seed}-{int(time.time())}")
        verdict = run_fault(lab, fault, size)
    except Red as red:  # there was no city to break
        verdict = Verdict(fault.name, fault.title, size.seed, size.short, complaints=[str(red)])
    for complaint in verdict.complaints:
        say(f"  RED {complaint}")
    say(f"  {'passed' if verdict.passed else 'failed'} in {verdict.took_s:.0f} s")
    return verdict


def report(verdicts: list[Verdict], found: Path) -> int:
    """Print the figures, a column a seed, and the count of verdicts; return the exit status."""
    for name in dict.fromkeys(verdict.name for verdict in verdicts):
        ours = [verdict for verdict in verdicts if verdict.name == name]
        say(f"\n{name}  {ours[0].title}")
        say(_line("", [f"seed {v.seed}{'' if v.passed else ' RED'}" for v in ours], ""))
        for figure in dict.fromkeys(key for verdict in ours for key in verdict.figures):
            given = [verdict.figures.get(figure, {}) for verdict in ours]
            say(_line(figure, [_value(each) for each in given], _limit(given)))
    failed = sum(not verdict.passed for verdict in verdicts)
    say(f"\nAll figures: {found}")
    say(f"{len(verdicts) - failed} passed, {failed} failed")
    return int(failed > 0)


def _line(name: str, values: list[str], limit: str) -> str:
    return f"  {name:38}" + "".join(f"{value:>14}" for value in values) + f"   {limit}".rstrip()


def _value(figure: dict[str, object]) -> str:
    return f"{figure['value']:g} {figure['unit']}".rstrip() if figure else "-"


def _limit(given: list[dict[str, object]]) -> str:
    first = next(filter(None, given), {})
    words = {"at_most": "≤", "at_least": "≥"}
    return ", ".join(f"{sign} {first[key]:g}" for key, sign in words.items() if key in first)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
