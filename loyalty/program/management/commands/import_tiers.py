"""`manage.py import_tiers`: put customers into VIP tiers from a CSV, without entry points and rewards."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.errors import DomainError
from loyalty.program.tiers import imports

MOST_SHOWN = 100


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day. Write one such as 2026-12-31.") from error


class Command(BaseCommand):
    help = (
        "Put customers into VIP tiers from a CSV with the columns email, tier and, if wanted, until (the last day on which "
        "that holds). An empty tier is none. Nobody is given anything for it. The same file twice changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="The CSV, in UTF-8; - for the standard input.")
        parser.add_argument("--until", type=day, help="Last day on which it holds, where a line names none.")
        parser.add_argument("--reason", default="Imported", help="For staff; customers do not read it.")
        parser.add_argument("--dry-run", action="store_true", help="Report what would happen, and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["file"]
        try:
            source = sys.stdin if path == "-" else Path(path).open(encoding="utf-8-sig", newline="")  # noqa: SIM115
            with source:
                report = imports.take(
                    table=imports.rows(source),
                    until=options["until"],
                    reason=options["reason"],
                    dry_run=options["dry_run"],
                    now=timezone.now(),
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal
        for refused in sorted(report.refused, key=lambda each: each.line)[:MOST_SHOWN]:
            self.stderr.write(f"Line {refused.line}: {refused.reason}")
        said = ", ".join(f"{report.counts[outcome]:,} {outcome}" for outcome in imports.Outcome)
        self.stdout.write(f"{'Would be: ' if options['dry_run'] else ''}{said}.")
        if report.refused:
            raise CommandError(f"{len(report.refused):,} lines were refused. Correct them, and run it again.")
