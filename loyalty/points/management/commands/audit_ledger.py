"""`manage.py audit_ledger`: prove that every balance follows from its rows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty.customers.models import Customer
from loyalty.points import audit
from loyalty.points.models import PointsAccount, PointsTransaction


class Command(BaseCommand):
    help = "Recompute the ledger from its rows. Prints the first differences and exits with 1 when there are any."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customer", type=int, help="Only this customer's id.")

    def handle(self, *args: Any, **options: Any) -> None:
        customer_id = options["customer"]
        if customer_id is not None and not Customer.objects.filter(pk=customer_id).exists():
            raise CommandError(f"There is no customer {customer_id}. Check the id.")
        found = 0
        for difference in audit.differences(customer_id=customer_id):
            self.stderr.write(str(difference))
            found += 1
        if found:
            raise CommandError(f"The ledger has {found} differences (or more). No balance named above is proved.")
        accounts, transactions = PointsAccount.objects.all(), PointsTransaction.objects.all()
        if customer_id is not None:
            accounts, transactions = accounts.filter(pk=customer_id), transactions.filter(customer_id=customer_id)
        self.stdout.write(
            f"The ledger is proved: {accounts.count()} accounts, {transactions.count()} transactions, "
            f"{len(audit.RULES)} rules, 0 differences."
        )
