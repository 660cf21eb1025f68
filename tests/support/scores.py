"""Scores computed within a test's transaction."""

from scoring.services import read_heads, run_in_snapshot


def score_now(period, scheme):
    """Return the run that compute_run would, which needs a transaction of its own."""
    return run_in_snapshot(period, scheme, read_heads(period))
