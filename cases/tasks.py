"""The one Celery task: look the effect up, do it, log. The relay is the only publisher."""

import logging

from celery import shared_task
from django.db import close_old_connections

from cases.services import effects

logger = logging.getLogger(__name__)


@shared_task(name="cases.run_effect", ignore_result=True)
def run_effect(effect_id: int) -> None:
    """Do one effect. May be delivered twice or late: the claim lets one copy work."""
    close_old_connections()  # one that broke or is old; a healthy one is kept
    outcome = effects.run_effect(effect_id)
    logger.info("effect %d: %s", effect_id, outcome)
