"""`relay`: hands due effects to Celery and heads to live screens until it is stopped."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand

from cases import relay


class Command(BaseCommand):
    """Run the relay."""

    help = "Hand due effects to Celery and heads to live screens, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM."""
        asyncio.run(relay.main())
