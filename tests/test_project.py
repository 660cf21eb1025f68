"""What must hold of the project as a whole."""

from celery import current_app
from django.core.management import call_command

from cases.models.effect import QUEUES
from cases.services import effects
from cases.ticks import TICKS
from cases.views.outbox import KIND_WORDS


def test_tasks_are_known_by_name(db):
    current_app.loader.import_default_modules()

    ours = {name for name in current_app.tasks if not name.startswith("celery.")}
    assert ours == {"cases.run_effect"}


def test_every_tick_has_its_work_and_queue():
    known = {*effects._IN_TRANSACTION, *effects._ON_ITS_OWN, *effects._OUTSIDE}

    assert {name.split(".")[0] for name in TICKS} <= known
    assert {tick.queue for tick in TICKS.values()} == set(QUEUES)


def test_every_kind_of_effect_has_a_name_for_people():
    known = {*effects._IN_TRANSACTION, *effects._ON_ITS_OWN, *effects._OUTSIDE}

    assert known <= set(KIND_WORDS), "name them in cases/views/outbox.py"


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
