"""The Celery application. Only the relay publishes to it (architecture.md §3)."""

import os
import resource
from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cityops.settings")

TRANSPORT_ALIASES["redis"] = "cityops.broker:Transport"
app = Celery("cityops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

MOST_BYTES = 1 << 30  # of memory a worker's child may fill; none of our work needs half of it


@worker_process_init.connect
def bound_memory(**_: Any) -> None:
    """Let work that would fill the machine's memory fail alone, before others are killed for it."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
