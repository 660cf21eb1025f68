"""`verify_ledger`: recompute every chain and every state; exit 1 names the first bad position."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from cases.models import DistrictHead
from cases.services.ledger_check import verify_ledger


class Command(BaseCommand):
    """Verify the ledger."""

    help = "Recompute every hash chain and every case's state from the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --json."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print faults; exit code 0 when there is none, else 1."""
        faults = verify_ledger()
        heads = DistrictHead.objects.order_by("scope").values_list("scope", "dseq")
        if options["json"]:
            answer = {"heads": dict(heads), "faults": [asdict(fault) for fault in faults]}
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            for fault in faults:
                self.stderr.write(str(fault))
            total = sum(dseq for _, dseq in heads)
            self.stdout.write(f"{total} events in {len(heads)} logs, {len(faults)} faults")
        if faults:
            raise SystemExit(1)
