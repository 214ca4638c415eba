"""`manage.py anonymise CUSTOMER`: forget a person, and print what the search for traces found."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.erasure import forgetting


class Command(BaseCommand):
    help = "Forget who a customer is. Points, rewards and orders stay as numbers. It cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("customer", type=int, help="the customer's number")
        parser.add_argument("--dry-run", action="store_true", help="print what would be blanked, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits non-zero when it is refused, or when words of the person are left somewhere."""
        customer_id, now = options["customer"], timezone.now()
        try:
            if options["dry_run"]:
                self.tell(forgetting.plan(customer_id=customer_id))
                return
            erasure = forgetting.forget(customer_id=customer_id, actor=actors.SYSTEM, now=now)
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal
        erasure = forgetting.finish(erasure_id=erasure.pk, now=timezone.now()) or erasure
        erasure.refresh_from_db()
        for place, rows in sorted(erasure.blanked.items()):
            self.stdout.write(f"blanked  {place}: {rows}")
        self.stdout.write(f"{erasure.columns_searched} columns were searched.")
        if erasure.found:
            for place, rows in sorted(erasure.found.items()):
                self.stdout.write(f"left     {place}: {rows}")
            raise CommandError(f"Customer {customer_id} was forgotten, but words of theirs are left: look at them.")
        self.stdout.write(f"Nothing of customer {customer_id} is left.")

    def tell(self, plan: forgetting.ErasurePlan) -> None:
        for place, rows in sorted(plan.rows.items()):
            self.stdout.write(f"would blank  {place}: {rows}")
        for sentence in plan.refusals:
            self.stdout.write(f"refused      {sentence}")
