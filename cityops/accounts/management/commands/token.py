"""`token USERNAME`: print an API token for `Authorization: Bearer …`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cityops.accounts.models import ApiToken, User


class Command(BaseCommand):
    """Issue a token."""

    help = "Print a new API token of a user; it cannot be read again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the user name."""
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token."""
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['username']!r}.")
        self.stdout.write(ApiToken.issue(user))
