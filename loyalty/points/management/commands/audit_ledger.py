"""`manage.py audit_ledger`: prove that every balance follows from its rows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty.points import audit
from loyalty.points.models import PointsAccount, PointsTransaction


class Command(BaseCommand):
    help = "Recompute the ledger from its rows. Prints the differences and exits with 1 when there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customer", type=int, help="Only this customer's id.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(audit.differences(customer_id=options["customer"]))
        for difference in found:
            self.stderr.write(str(difference))
        if found:
            raise CommandError(f"The ledger has {len(found)} differences (or more). No balance named above is proved.")
        accounts = PointsAccount.objects.count() if options["customer"] is None else 1
        self.stdout.write(
            f"The ledger is proved: {accounts} accounts, {PointsTransaction.objects.count()} transactions, "
            f"{len(audit.RULES)} rules, 0 differences."
        )
