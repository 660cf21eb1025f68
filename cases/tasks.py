"""The one Celery task: look effects up, do them, log. The relay is the only publisher."""

import logging
from typing import Any

from celery import shared_task
from celery.signals import task_unknown
from django.db import close_old_connections, connection

from cases.services import effects
from cases.services.parked import park_task

logger = logging.getLogger(__name__)


@shared_task(name="cases.run_effect", ignore_result=True)
def run_effect(*effect_ids: int) -> None:
    """Do effects. May be delivered twice or late: a claim lets one copy work.

    What a worker that dies leaves undone of them is published again after its lease.
    """
    close_old_connections()  # one that broke or is old; a healthy one is kept
    for effect_id, outcome in effects.run_effects(effect_ids).items():
        logger.info("effect %d: %s", effect_id, outcome)


@task_unknown.connect
def keep_unknown(*, message: Any, name: str, id: str, **_: Any) -> None:  # as Celery says it
    """Keep a message whose task this worker's code does not know."""
    args, kwargs, _options = message.payload
    queue = message.delivery_info.get("routing_key", "")
    park_task(message_id=id, name=name, args=args, kwargs=kwargs, queue=queue)
    connection.close()  # this is the parent of the workers, who would inherit it
    logger.warning("task %s is not known here: its message is kept", name)
