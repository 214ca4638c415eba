"""`manage.py verify_ledger`: prove that no sealed row was touched since it was sealed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty.points import sealing
from loyalty.points.models import SealStream

MOST_SHOWN = 20


class Command(BaseCommand):
    help = "Recompute the seals from the rows. Names what was altered, removed or slipped in and exits with 1."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect", metavar="DIGEST", help="The last digest you wrote down: it must still be there."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = sealing.Verdict(expected=options["expect"] or "")
        shown = 0
        for found in sealing.verify(verdict):
            self.stderr.write(str(found))
            shown += 1
            if shown == MOST_SHOWN:
                break
        if shown:
            raise CommandError("The seals are broken. The first line names the first row that is not as it was sealed.")
        if verdict.expected and not verdict.seen:
            raise CommandError("No seal has the digest you expect: seals were cut off, or made anew.")
        self.stdout.write(
            f"Nothing was touched: {verdict.seals} seals over {verdict.rows} rows, transactions up to "
            f"{verdict.through[SealStream.TRANSACTION]}."
        )
        if verdict.head:
            self.stdout.write(f"Write down the last digest and keep it elsewhere: {verdict.head}")
