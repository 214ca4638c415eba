"""`manage.py points_as_of`: what a customer had at a past instant, and why."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import dateformat, timezone

from loyalty.common.errors import DomainError
from loyalty.insights import asking, explain
from loyalty.insights.as_of import Axis
from loyalty.merchant import queries as merchant


class Command(BaseCommand):
    help = "Print balance, lots and history of a customer as they were at a past instant, from the ledger's rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customer", type=int, required=True, help="The customer's id.")
        parser.add_argument(
            "--at", required=True, help="A date (its end is meant) or a date and time, in the programme's zone."
        )
        parser.add_argument(
            "--by",
            choices=[axis.value for axis in Axis],
            default=Axis.RECORDED.value,
            help="Count what was written down by then, or what took effect by then.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        zone = merchant.programme().zone
        try:
            at = asking.past_instant(options["at"], zone=zone, now=timezone.now())
            why = explain.balance(customer_id=options["customer"], at=at, axis=Axis(options["by"]))
        except DomainError as refusal:
            raise CommandError(refusal.sentence) from refusal
        with timezone.override(zone):
            for line in self.report(why):
                self.stdout.write(line)

    def report(self, why: explain.WhyBalance) -> list[str]:
        found = why.as_of
        zone = timezone.get_current_timezone_name()
        lines = [
            f"Customer {found.customer_id} on {written(found.at)} ({zone}), by what was {found.axis}:",
            f"  balance {found.balance}, pending {found.pending}, held {found.held}, owed {found.owed}",
            "Made of:",
            *(f"  {line.points:+d}  {line.words}" for line in why.statement),
            f"  = {sum(line.points for line in why.statement)}",
            "Left, by credit:",
        ]
        for story in why.credits:
            for lot in story.lots:
                ends = f"until {written(lot.expires_at)}" if lot.expires_at else "never ends"
                lines.append(
                    f"  lot {lot.lot_id}: {lot.remaining} of {lot.points}, {lot.state}, {ends} ({story.entry.words})"
                )
        lines.append("History:")
        lines.extend(
            f"  {written(entry.at)}  {entry.points:+d}  {entry.words} (by {entry.by})"
            for entry in reversed(why.history)
        )
        return lines


def written(instant: Any) -> str:
    return dateformat.format(timezone.localtime(instant), "Y-m-d H:i:s")
