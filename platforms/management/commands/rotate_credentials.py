"""`manage.py rotate_credentials`: seal every stored secret with the newest of CREDENTIALS_KEYS."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from platforms import rotation
from platforms.rotation import Verdict

PROGRESS_EVERY = 100
MOST_NAMED = 10


class Command(BaseCommand):
    help = (
        "Seal the credentials of shops and payout accounts, and the second factors of sign-ins, with the first of "
        "CREDENTIALS_KEYS. Put the new key before the old one, start every process anew, run this, and take the old key "
        "away once --check says that nothing needs it. It may be broken off and run again. Exits with 1 when something "
        "still needs an older key, or cannot be opened with any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Change nothing; say what still needs an older key.")

    def handle(self, *args: Any, **options: Any) -> None:
        check = options["check"]
        keys = len(settings.CREDENTIALS_KEYS)
        self.stdout.write(f"CREDENTIALS_KEYS holds {keys} {'key' if keys == 1 else 'keys'}; the first is the newest.")
        left, unreadable = 0, 0
        for place in rotation.PLACES:
            tally = self.walk(place, check=check)
            left += tally[Verdict.MOVED] if check else 0
            unreadable += tally[Verdict.UNREADABLE]
        if unreadable:
            raise CommandError(
                f"{unreadable} cannot be opened with any key we have. Put their key back after the newest, or enter them "
                "again in the admin; second factors have to be set up anew."
            )
        if left:
            raise CommandError(f"{left} still need an older key. Run this without --check before you take it away.")
        self.stdout.write("Everything is sealed with the newest key.")

    def walk(self, place: rotation.Place, *, check: bool) -> Counter[Verdict]:
        """Go through one place, and say how far it is and how it ended."""
        tally: Counter[Verdict] = Counter()
        lost: list[int] = []
        for pk, verdict in rotation.rotate(place, dry_run=check):
            tally[verdict] += 1
            if verdict is Verdict.UNREADABLE:
                lost.append(pk)
            if tally.total() % PROGRESS_EVERY == 0:
                self.stdout.write(f"{place.what}: {tally.total()} looked at …")
        moved = "with an older key" if check else "sealed anew"
        self.stdout.write(
            f"{place.what}: {tally[Verdict.MOVED]} {moved}, {tally[Verdict.ALREADY]} with the newest key already, "
            f"{tally[Verdict.EMPTY]} without secrets, {tally[Verdict.UNREADABLE]} unreadable"
        )
        if lost:
            named = ", ".join(str(pk) for pk in lost[:MOST_NAMED])
            self.stderr.write(
                f"{place.what} that cannot be opened, by number: {named}{', …' * (len(lost) > MOST_NAMED)}"
            )
        return tally
