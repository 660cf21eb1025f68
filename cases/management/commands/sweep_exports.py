"""`sweep_exports`: delete lists that are over, or whose files a restored city does not have."""

from typing import Any

from django.core.management.base import BaseCommand

from cases.services.exports import sweep_exports


class Command(BaseCommand):
    """Sweep now; a worker does it each hour."""

    help = "Delete exports over a week old or without their file, and files no export names."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print how many."""
        self.stdout.write(sweep_exports())
