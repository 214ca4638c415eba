"""`manage.py load_demo`: fill this installation with a merchant that looks like life."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from loyalty.demo import merchant
from loyalty.demo.shops import ShopAccess
from rewards import queries


class Command(BaseCommand):
    help = (
        "Load the demo merchant: customers, rewards, ninety days of history, staff, a connected sandbox shop. "
        "Running it again changes nothing. Not in production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--shop-url", required=True, help="Address of the sandbox shop.")
        parser.add_argument("--shop-token", required=True, help="The shop's SANDBOX_ADMIN_TOKEN.")
        parser.add_argument("--webhook-secret", required=True, help="The shop's SANDBOX_WEBHOOK_SECRET.")
        parser.add_argument(
            "--credentials-file", required=True, type=Path, help="Where logins and the API key are kept; private."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "load_demo makes people up and signs them in: it does not run with LOYALTY_ENV=production. "
                "Set LOYALTY_ENV=demo on a machine of your own."
            )
        began = time.monotonic()
        access = ShopAccess(
            url=options["shop_url"], token=options["shop_token"], webhook_secret=options["webhook_secret"]
        )
        try:
            loaded = merchant.load(access=access, credentials_file=options["credentials_file"], now=timezone.now())
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal
        for difference in loaded.differences:
            self.stderr.write(difference)
        if loaded.differences:
            raise CommandError("The demo's ledger does not add up. Run `make demo-reset`, and tell us.")
        self.stdout.write(
            f"{'The demo merchant is loaded' if loaded.fresh else 'The demo merchant was there'}: "
            f"{Customer.objects.count()} customers, {queries.grid(now=timezone.now()).count()} redeemed rewards, "
            f"a ledger without differences, in {time.monotonic() - began:.1f} s."
        )
