"""Messages whose task no worker here knows: kept as effects until one does.

Old and new code run side by side while a new version is brought out, so a message may meet a
worker that cannot read it.
"""

from typing import Any

from celery import current_app

from cases.models import Effect
from cases.models.effect import QUEUES

KIND = "task"


def park_task(
    *, message_id: str, name: str, args: list[Any], kwargs: dict[str, Any], queue: str
) -> Effect:
    """Keep a message as an effect; the same message is kept once."""
    effect, _ = Effect.objects.get_or_create(
        key=f"{KIND}:{message_id}"[:120],
        defaults={
            "kind": KIND,
            "queue": queue if queue in QUEUES else current_app.conf.task_default_queue,
            "payload": {"name": name, "args": args, "kwargs": kwargs},
        },
    )
    return effect


def knows_task(effect: Effect) -> bool:
    """Whether this worker has the task of a kept message; Celery's own ones are not meant."""
    name = effect.payload["name"]
    return name in current_app.tasks and not name.startswith("celery.")


def run_task(effect: Effect) -> str:
    """Call the task of a kept message; like any of ours it may run twice."""
    asked = effect.payload
    current_app.tasks[asked["name"]](*asked["args"], **asked["kwargs"])
    return "called"
