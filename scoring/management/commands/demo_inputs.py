"""`demo_inputs`: add to a demo month what the score reads beside its cases."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from scoring.demo import NoDemoError, fill_inputs


class Command(BaseCommand):
    """Inspections, surveys and key tasks of a demo city."""

    help = "Add inspections, surveys and key tasks to the months of the log; only in a demo city."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the seed."""
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill and print what was added."""
        if not settings.DEMO:
            raise CommandError("This is a real city (CITYOPS_DEMO is off): nothing is invented.")
        try:
            done = fill_inputs(seed=options["seed"], progress=self.stdout.write)
        except NoDemoError as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write(", ".join(f"{number} {what}" for what, number in done.items()))
