"""`manage.py seal_ledger`: seal what is not sealed yet."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.points import sealing


class Command(BaseCommand):
    help = "Seal the ledger's new rows by a chain of hashes, batch by batch. May be stopped and repeated at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--size", type=int, default=sealing.USUAL_SIZE, help="Rows of a stream in one seal.")
        parser.add_argument(
            "--patience",
            type=float,
            default=sealing.PATIENCE.total_seconds(),
            help="Seconds to wait for transactions that are open.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["size"] < 1 or options["patience"] < 0:
            raise CommandError("--size is at least 1, and --patience at least 0.")
        seals = rows = 0
        while True:
            done = sealing.seal(
                now=timezone.now(), size=options["size"], patience=timedelta(seconds=options["patience"])
            )
            seals, rows = seals + done.seals, rows + done.rows
            if done.complete or not done.seals:
                break
        self.stdout.write(f"{seals} seals made over {rows} rows.")
        for stream in done.waiting:
            self.stdout.write(f"{stream.label}: another transaction is open, the newest are left to the next run.")
