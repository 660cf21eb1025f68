"""A worker that is killed while it sends: one arrival, and a doubt for a person to settle."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now

from cases.models import Channel, Effect
from cases.services.effects import bury_crashed, run_effect
from cases.services.notify import ask_test, keep_secret

_RUN = (
    "import django; django.setup(); from cases.services.effects import run_effect; run_effect({})"
)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_while_it_sends_leaves_one_arrival_and_a_doubt(other_system):
    other_system.mode = "silent"
    one = Channel.objects.create(name="a", kind="webhook", address=other_system.address)
    keep_secret(one, "a-secret-of-letters")
    assert ask_test(one, minute=1)
    effect = Effect.objects.get()
    name = connection.settings_dict["NAME"]
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    worker = subprocess.Popen(
        [sys.executable, "-c", _RUN.format(effect.pk)],
        env={
            **os.environ,
            "DATABASE_URL": f"{server}/{name}",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "CITYOPS_OUTSIDE_HOSTS": "127.0.0.1",
            "CITYOPS_PRIVATE_NETWORKS": "127.0.0.1/32",
        },
        cwd=Path(__file__).parents[2],
    )
    until = time.monotonic() + 40
    while not other_system.arrived and time.monotonic() < until:
        time.sleep(0.1)
    worker.kill()
    worker.wait()
    Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))  # its lease ran out
    other_system.mode = "yes"

    outcomes = [run_effect(effect.pk), bury_crashed(), run_effect(effect.pk)]

    assert outcomes == ["held elsewhere", 1, "held elsewhere"]
    assert Effect.objects.get().state == Effect.State.NEEDS_REVIEW
    assert len(other_system.arrived) == 1
