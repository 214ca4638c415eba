"""`manage.py simulate_program FILE`: run a purchase history through rules, tiers and refunds in a scratch database."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from loyalty.common.errors import DomainError
from loyalty.points import audit
from loyalty.points.management.scratch import ScratchCommand
from loyalty.program.purchases import BadLine, Purchase, PurchaseFile
from loyalty.program.simulation import figures, refunding, running, state


class Command(ScratchCommand):
    help = (
        "Run a purchase history (as for import_orders) through a programme in a scratch database beside the configured "
        "one, which is not touched: a point a dollar with a life of 12 months, 100 points for joining, three tiers by the money of a "
        "year with points and a reward on entry. Prints a line for each month and a digest of what it came to, and "
        "exits with 1 when something is not as it must be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The purchases, plain or gzip.")
        parser.add_argument("--limit", type=int, help="Only so many lines.")
        parser.add_argument(
            "--shuffle",
            type=int,
            metavar="SEED",
            help="All orders come late and in another order; the digest must be the same as without.",
        )
        parser.add_argument("--twice", action="store_true", help="The same file comes again, and must change nothing.")
        parser.add_argument("--refund", action="store_true", help="At the end every order is refunded in full.")
        parser.add_argument(
            "--point-value",
            type=amount,
            help="What a point is worth, in the currency of the purchases: then the liability at the end is told as money, too.",
        )
        parser.add_argument("--keep", action="store_true", help="Keep the scratch database.")

    def handle(self, *args: Any, **options: Any) -> None:
        purchases = read(options["file"], limit=options["limit"])
        with self.scratch_database("simulate_program", connections=1, keep=options["keep"]):
            broken = self.simulate(purchases, options)
        if broken:
            raise CommandError(" ".join(broken))

    def simulate(self, purchases: list[Purchase], options: dict[str, Any]) -> list[str]:
        """Everything that was asked for; gives back what broke, in sentences."""
        broken = []
        began = time.monotonic()
        self.stdout.write(figures.HEADER)
        months: list[figures.Figures] = []

        def tell(month: figures.Figures) -> None:
            months.append(month)
            self.tell_month(month)

        end = running.run(purchases=purchases, shuffle=options["shuffle"], tell=tell)
        self.stdout.write(figures.in_money(months[-1].liability, value=options["point_value"]))
        self.stdout.write(f"{len(purchases):,} orders in {time.monotonic() - began:.1f} s.")
        found = state.read()
        self.stdout.write(f"Digest of the end: {found.digest}")
        for name, digest in found.parts.items():
            self.stdout.write(f"  {name}: {digest[:16]}")
        if options["twice"]:
            began = time.monotonic()
            running.repeat(purchases=purchases, now=end)
            changed = changes(found, state.read())
            said = ", ".join(changed) or "nothing"
            self.stdout.write(f"The same file again changed {said}, in {time.monotonic() - began:.1f} s.")
            broken += [f"The same file again changed {said}."] if changed else []
        if options["refund"]:
            began = time.monotonic()
            refunded = refunding.refund_all(now=end)
            self.stdout.write(f"{refunded} {time.monotonic() - began:.1f} s.")
            broken += [] if refunded.is_right else ["After all refunds something is left that must not be."]
        differences = list(audit.differences())
        self.stdout.write(f"The ledger has {len(differences)} differences by {len(audit.RULES)} rules.")
        return broken + [str(each) for each in differences]

    def tell_month(self, month: figures.Figures) -> None:
        self.stdout.write(str(month))
        self.stdout.flush()


def amount(text: str) -> Decimal:
    """An amount of money, for the parser of options. Raises ArgumentTypeError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise ArgumentTypeError(f"{text!r} is no amount. Write one such as 0.01.")
    return value


def read(path: Path, *, limit: int | None) -> list[Purchase]:
    """The purchases of the file. A bad line refuses all of it."""
    if limit is not None and limit < 1:
        raise CommandError(f"--limit: {limit} is not a number of lines. Give one above 0.")
    found = []
    try:
        with PurchaseFile(path, today=timezone.now().date()) as file:
            for line in file:
                if isinstance(line, BadLine):
                    raise CommandError(f"Line {line.line} of {path} cannot be used. {line.reason} Mend or remove it.")
                found.append(line)
                if limit is not None and len(found) >= limit:
                    break
    except DomainError as refusal:
        raise CommandError(refusal.sentence) from refusal
    if not found:
        raise CommandError(f"{path} has no purchases. Give a file with one a line.")
    return found


def changes(before: state.State, after: state.State) -> list[str]:
    """What is not as it was, by name."""
    parts = [name for name, digest in after.parts.items() if before.parts[name] != digest]
    return parts + [f"the rows of {table}" for table, count in after.rows.items() if before.rows[table] != count]
