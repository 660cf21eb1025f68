"""`python -m deploy.benchmarks HOME CASES NAME …`: measure in the environment of a running home.

`deploy/bench` starts the home and calls this.
"""

import json
import sys
from pathlib import Path

import django

from deploy.console import say
from deploy.home import Home


def main(path: str, cases: str, *names: str) -> int:
    """Run the benchmarks named; print each figure and, last, one JSON object."""
    django.setup()
    # What needs Django's models can be imported only now.
    from deploy.benchmarks import create, fanout, fill, reads, score  # noqa: PLC0415

    measures = {
        "locate": reads.locate,
        "list": reads.case_list,
        "feed": reads.feed,
        "score": score.month,
        "fanout": fanout.sockets,
        "create": create.cases,
    }
    home = Home.at(Path(path))
    fill.ensure(int(cases), say)
    figures = {}
    for name in names:
        say(f"{name} …")
        figures[name] = found = measures[name](home)
        for line in found.lines():
            say(f"  {line}")
    say(json.dumps({name: found.plain() for name, found in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
