"""What must hold of the project as a whole."""

import json
import re
from pathlib import Path

from celery import current_app
from django.core.management import call_command

from cases.models.effect import QUEUES
from cases.services import effects
from cases.ticks import TICKS
from cases.views.outbox import KIND_WORDS
from cases.work import WORK

ROOT = Path(__file__).resolve().parents[1]
# Private methods and fields, and the logical assignments: Chrome 84 and 85. What the type checks
# take because it is of the DOM, not of the language: Chrome 86 and Safari 16.
YOUNG_SYNTAX = re.compile(r"\.#[a-z]|^\s*(static |async |get |set )*#[a-z]|(\?\?|\|\||&&)=", re.M)
YOUNG_CALLS = re.compile(r"\.(replaceChildren|requestSubmit)\(")


def test_tasks_are_known_by_name(db):
    current_app.loader.import_default_modules()

    ours = {name for name in current_app.tasks if not name.startswith("celery.")}
    assert ours == {"cases.run_effect"}


def test_every_tick_has_its_work_and_queue():
    known = {*effects._IN_TRANSACTION, *effects._ON_ITS_OWN, *effects._OUTSIDE, *WORK}

    assert {name.split(".")[0] for name in TICKS} <= known
    assert {tick.queue for tick in TICKS.values()} == set(QUEUES)


def test_every_kind_of_effect_has_a_name_for_people():
    known = {*effects._IN_TRANSACTION, *effects._ON_ITS_OWN, *effects._OUTSIDE, *WORK}

    assert known <= set(KIND_WORDS), "name them in cases/views/outbox.py"


def test_scripts_can_be_read_by_the_oldest_browser_of_the_floor():
    ours = [
        file
        for app in ("cityops", "cases", "scoring")
        for file in (ROOT / app).rglob("*.js")
        if "vendor" not in file.parts and "static" in file.parts
    ]
    texts = {file.name: file.read_text() for file in ours}
    young = [
        name
        for name, text in texts.items()
        if YOUNG_SYNTAX.search(text) or YOUNG_CALLS.search(text)
    ]

    assert len(ours) > 30
    assert young == []


def test_no_comment_of_a_script_is_taken_for_an_import_of_a_file():
    files = [*ROOT.glob("cases/static/cases/**/*.js"), *ROOT.glob("cityops/**/static/**/*.js")]
    bare = [file.name for file in files if re.search(r"import\([\"'][^./]", file.read_text())]

    assert bare == [], 'write /** @import {Name} from "package" */ instead'


def test_types_are_of_the_version_of_the_library_that_is_shipped():
    wanted = json.loads((ROOT / "deploy/types/package.json").read_text())["devDependencies"]
    shipped = {path.name for path in ROOT.glob("cases/static/cases/vendor/*.js")}

    assert f"idb-{wanted['idb']}.js" in shipped


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
