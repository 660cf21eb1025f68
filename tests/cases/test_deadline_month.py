"""Over a simulated month, every deadline is the one its own events explain."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from cases.models import Case
from cases.selectors.deadline import as_timed, handling_explained, handling_story
from cases.selectors.timeline import events_of
from cases.services.demo_users import create_demo_users
from cases.simulation.month import simulate

UNTIL = datetime(2026, 10, 20, tzinfo=UTC)  # National Day and two make-up days lie behind it

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def test_every_deadline_of_a_month_explains_itself(settings, tmp_path, caplog):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    create_demo_users()
    simulate(days=30, per_day=15, seed=3, until=UNTIL, progress=lambda line: None)
    seen: Counter[str] = Counter()

    for case in Case.objects.filter(filed_at__isnull=False):
        events = events_of(case)
        story = handling_story(case, events)
        if story is None:
            seen["not dispatched"] += 1
            assert case.due_at is None
            continue
        explained = handling_explained(case, story)
        assert explained is not None, f"{case.number}: {caplog.text}"
        assert explained.due == case.due_at
        base = as_timed(case, story).without_extensions().explanation.due
        assert base == case.base_due_at, case.number
        seen["explained"] += 1
        seen.update({pause.kind.value for pause in story.pauses})
        seen["extended"] += bool(story.extensions)

    assert caplog.text == ""
    assert seen["explained"] > 400
    assert seen["checked"] > 300
    assert min(seen[what] for what in ("returned", "extended", "suspended", "merged")) >= 1
