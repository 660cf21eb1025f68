"""`demo_users`: list the demo accounts; `--create` makes them."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cases.services.demo_users import DemoOffError, create_demo_users, demo_password
from cityops.accounts.models import User


class Command(BaseCommand):
    """List or create demo accounts."""

    help = "List the demo accounts with roles, scope and the demo password; --create makes them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --create and --json."""
        parser.add_argument("--create", action="store_true", help="make those that are missing")
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the accounts."""
        try:
            if options["create"]:
                create_demo_users()
            password = demo_password()
        except DemoOffError as reason:
            raise CommandError(str(reason)) from None
        rows = [
            {
                "username": user.username,
                "name": user.name,
                "roles": sorted(user.roles),
                "scope": [
                    f"{grant.scope_kind}:{grant.scope_key}".rstrip(":") for grant in user.grants
                ],
                "password": password,
            }
            for user in User.objects.with_grants().filter(is_demo=True).order_by("pk")
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, ensure_ascii=False))
            return
        for row in rows:
            scope = " ".join(row["scope"])
            self.stdout.write(f"{row['username']:32} {' '.join(row['roles']):12} {scope}")
        self.stdout.write(f"{len(rows)} accounts, all with the password {password}")
