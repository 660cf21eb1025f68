"""`python -m deploy.benchmarks NAME …`, in the environment of a home; `deploy/bench` calls it."""

import sys

import django

from deploy.console import say

if __name__ == "__main__":
    django.setup()
    from deploy.benchmarks import fill  # models can be imported only now

    try:
        say(f"{fill.fill(int(sys.argv[2]), say)} cases")
    except fill.CannotFillError as reason:
        sys.exit(str(reason))
