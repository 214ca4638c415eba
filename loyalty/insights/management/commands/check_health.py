"""`manage.py check_health`: whether every shop in use answers and makes its rewards; for monitoring."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from platforms import breaker
from platforms.models import PayoutAccount, StoreConnection
from rewards import shop_troubles

POLLS_STOPPED = timedelta(minutes=10)  # polls ring each half minute


class Command(BaseCommand):
    help = (
        "Say of every shop in use whether it answers, accepts our credentials and makes its rewards in time. Asks no "
        "shop: it reads what the calls so far showed. Exits with 1 when something is wrong, for monitoring."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shop", type=int, help="Only the shop of this number.")

    def handle(self, *args: Any, **options: Any) -> None:
        shops = StoreConnection.objects.filter(enabled=True).order_by("pk")
        if options["shop"] is not None:
            shops = shops.filter(pk=options["shop"])
            if not shops.exists():
                raise CommandError(f"There is no shop {options['shop']} in use. Check its number under Shops.")
        now, unwell, looked_at = timezone.now(), 0, 0
        for shop in shops:
            looked_at += 1
            sentences = [trouble.sentence for trouble in shop_troubles.of(connection=shop, now=now)]
            sentences += polls_stopped(shop, now=now)
            unwell += bool(sentences)
            for sentence in sentences:
                self.stderr.write(f"shop {shop.pk} {shop.name}: {sentence}")
            if not sentences:
                self.stdout.write(f"shop {shop.pk} {shop.name}: well")
        if options["shop"] is None:
            accounts, silent = self.payout_accounts(now=now)
            unwell, looked_at = unwell + silent, looked_at + accounts
        if unwell:
            raise CommandError(f"{unwell} of {looked_at} shops and payout accounts need somebody to look. See above.")

    def payout_accounts(self, *, now: datetime) -> tuple[int, int]:
        """Say it of the payout accounts in use; gives back how many they are, and how many are unwell."""
        accounts = list(PayoutAccount.objects.filter(enabled=True).order_by("pk"))
        said = breaker.account_sentences(account_ids={account.pk for account in accounts}, now=now)
        for account in accounts:
            out = self.stderr if account.pk in said else self.stdout
            out.write(f"payout account {account.pk} {account.name}: {said.get(account.pk, 'well')}")
        return len(accounts), len(said)


def polls_stopped(shop: StoreConnection, *, now: datetime) -> list[str]:
    """A shop that nobody polls any more: the workers or the beat stand still."""
    last = shop.polled_at or shop.created_at
    if now - last < POLLS_STOPPED:
        return []
    minutes = int((now - last).total_seconds() // 60)
    return [f"its orders have not been asked for since {minutes} minutes. Check that worker and beat run."]
