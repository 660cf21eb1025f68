"""The documents name what there is, and point only at what there is."""

import hashlib
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from cases.management.commands.workflow_table import workflow_page

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")]
RUNBOOK = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
OURS = ("cityops", "cases", "scoring")
SET_BY_DEPLOY = {"CITYOPS_PROCESS", "CITYOPS_HTTPS", "SECRET_KEY", "DEBUG"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(document):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))

    missing = [
        target
        for target in targets
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert missing == []


def test_every_page_of_docs_stands_in_the_index():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")

    assert [
        p.name for p in ROOT.glob("docs/*.md") if p.name != "index.md" and p.name not in index
    ] == []


def test_the_workflow_page_is_the_table_as_it_is():
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")

    assert page == workflow_page(), "run: manage.py workflow_table > docs/workflow.md"


def test_every_command_stands_in_the_runbook():
    ours = [name for name, app in get_commands().items() if app.startswith(OURS)]

    assert ours
    assert [name for name in ours if f"`{name}" not in RUNBOOK] == []


def test_every_setting_of_the_environment_stands_in_the_runbook():
    settings = (ROOT / "cityops/settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings)) - SET_BY_DEPLOY

    assert {"DATABASE_URL", "CITYOPS_HOME"} < names
    assert [name for name in sorted(names) if f"`{name}" not in RUNBOOK] == []


def test_shipped_code_of_others_is_what_the_list_says():
    rows = (ROOT / "docs/third-party.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", rows, re.MULTILINE))
    shipped = {str(path.relative_to(ROOT)) for path in ROOT.glob("*/static/**/vendor/*.js")}

    assert listed.keys() == shipped
    for name, digest in listed.items():
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest
