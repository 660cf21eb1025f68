"""A few simulated days for a module, and the plain fold of their log."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import override_settings

from cases.models import Event
from cases.services.demo_users import create_demo_users
from cases.services.rollup import rebuild
from cases.simulation import simulate

UNTIL = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DAYS = 5


@pytest.fixture(scope="module")
def days(huaihua: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[None]:
    """Write DAYS of the whole city, counted; rolled back with the city."""
    folder = tmp_path_factory.mktemp("days")
    (folder / "demo_password").write_text("the-demo-password\n")
    settings = {"DEMO": True, "DEMO_PASSWORD_FILE": folder / "demo_password", "MEDIA_ROOT": folder}
    with django_db_blocker.unblock(), override_settings(**settings):
        create_demo_users()
        simulate(days=DAYS, per_day=25, seed=5, until=UNTIL, progress=lambda line: None)
        rebuild()
        yield


def logged(*, before: datetime | None = None) -> list[Event]:
    """Return the events of cases in the order of each, those before a moment or all."""
    events = Event.objects.exclude(case=None).select_related("case")
    if before is not None:
        events = events.filter(at__lt=before)
    return list(events.order_by("case_id", "case_seq"))
