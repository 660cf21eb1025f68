"""`python -m deploy.benchmarks HOME CASES text|json NAME …`: measure in a running home.

`deploy/bench` starts the home and calls this.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import django

from deploy.console import say
from deploy.home import Home


def main(path: str, cases: str, form: str, *names: str) -> int:
    """Run the benchmarks named; print each figure as it is found, or all as one JSON object."""
    django.setup()
    # What needs Django's models can be imported only now.
    from deploy.benchmarks import (  # noqa: PLC0415
        create,
        dispatch,
        fanout,
        fill,
        flood,
        heat,
        limits,
        reads,
        score,
        screen,
    )

    measures = {
        "locate": reads.locate,
        "list": reads.case_list,
        "feed": reads.feed,
        "heat": heat.of_city,
        "past": heat.past_hour,
        "score": score.month,
        "fanout": fanout.sockets,
        "create": create.cases,
        "dispatch": dispatch.to_inbox,
        "drain": dispatch.drain,
        "flood": flood.neighbours,
        "desk": screen.commit_to_paint,
        "paint": screen.panning,
    }
    home = Home.at(Path(path))
    tell = say if form == "text" else _aside
    fill.ensure(int(cases), tell)
    figures = {}
    for name in names:
        tell(f"{name} …")
        with nullcontext() if name == "flood" else limits.lifted():
            figures[name] = found = measures[name](home)
        for line in found.lines():
            tell(f"  {line}")
    if form == "json":
        say(json.dumps({name: found.plain() for name, found in figures.items()}))
    return 0


def _aside(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
