"""`manage.py import_orders FILE`: bring a purchase history in as orders, with the points they earned."""

import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType, TracebackType
from typing import IO, Any, Self

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from loyalty.common.errors import DomainError
from loyalty.merchant import queries as merchant
from loyalty.program import imports
from loyalty.program.purchases import BadLine, Purchase, PurchaseFile

ALL_IN, SOME_BAD, UNREADABLE, INTERRUPTED = 0, 1, 2, 130
MARK = "# Not imported"
SECONDS_BETWEEN_SIGNS = 2.0


class BadLines:
    """The file that says which lines did not go in, and why. It is written as they come, and removed when none came."""

    def __init__(self, path: Path, *, source: Path) -> None:
        self.path = path
        self.count = 0
        try:
            if path.exists() and not _is_report(path):
                raise CommandError(
                    f"{path} exists and is not a report of this command: it is left as it is. Name another with --errors.",
                    returncode=UNREADABLE,
                )
            path.unlink(missing_ok=True)
            self._file: IO[str] = path.open("x", buffering=1, encoding="ascii")
        except OSError as error:
            raise CommandError(
                f"{path} cannot be written: {error.strerror}. Name another place for the bad lines with --errors.",
                returncode=UNREADABLE,
            ) from error
        name = ascii(source.name)[1:-1]
        self._file.write(f"{MARK} from {name}: line number, reason, the line; separated by tabs\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.count:
            self.path.unlink(missing_ok=True)

    def add(self, line: BadLine) -> None:
        self.count += 1
        self._file.write(f"{line.line}\t{line.reason}\t{line.text}\n")


class Tally:
    """How far the import is."""

    def __init__(self) -> None:
        self.began = self.signed = time.monotonic()
        self.lines = self.last_line = self.orders = self.known = self.customers = self.points = 0

    def add(self, batch: list[Purchase], taken: imports.Taken) -> None:
        self.last_line = batch[-1].line
        self.orders += taken.orders
        self.known += taken.known
        self.customers += taken.customers
        self.points += taken.points

    @property
    def rate(self) -> float:
        return self.lines / max(time.monotonic() - self.began, 0.001)

    def due_for_a_sign(self) -> bool:
        if time.monotonic() - self.signed < SECONDS_BETWEEN_SIGNS:
            return False
        self.signed = time.monotonic()
        return True

    def __str__(self) -> str:
        return (
            f"{self.orders:,} new orders of {self.customers:,} new customers, {self.points:,} points earned, "
            f"{self.known:,} were in before"
        )


@contextmanager
def heeding_interrupts() -> Iterator[Event]:
    """Ctrl-C is heard between two batches, so that exactly what is said to be in is in. A second one ends at once."""
    heard = Event()

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        if heard.is_set():
            raise KeyboardInterrupt
        heard.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


def batch_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = 0
    if not 1 <= size <= 20_000:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 20000.")
    return size


def line_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0.")
    return int(text)


class Command(BaseCommand):
    help = (
        "Import purchases as orders. Each line: customer number, date (YYYYMMDD), number of CDs, amount in US dollars. "
        "Orders count from midnight of their day in the programme's time zone. Running it again changes nothing, so "
        "after an interruption run it again. Exit codes: 0 all lines are in; 1 some are bad, see the file of bad "
        "lines; 2 the file cannot be read; 130 interrupted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The purchases, plain or gzip.")
        parser.add_argument(
            "--errors", type=Path, help="Where bad lines go. Default: FILE.errors.txt, beside the file."
        )
        parser.add_argument("--batch-size", type=batch_size, default=2000, help="Lines a transaction. Default: 2000.")
        parser.add_argument("--limit", type=line_limit, help="Stop after so many lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path = options["file"]
        errors: Path = options["errors"] or source.with_name(f"{source.name}.errors.txt")
        programme = merchant.programme()
        tally = Tally()
        try:
            today = timezone.now().astimezone(programme.zone).date()
            with (
                PurchaseFile(source, today=today) as file,
                BadLines(errors, source=source) as bad,
                heeding_interrupts() as interrupted,
            ):
                self._import(
                    file, bad, tally, size=options["batch_size"], limit=options["limit"], interrupted=interrupted
                )
        except DomainError as refusal:
            raise CommandError(f"{refusal.sentence} So far: {tally}.", returncode=UNREADABLE) from refusal
        except KeyboardInterrupt:
            self.stderr.write(
                f"Interrupted. Every line up to {tally.last_line} is in: {tally}. Run it again to go on from there."
            )
            sys.exit(INTERRUPTED)
        self.stdout.write(f"{tally}; {bad.count:,} bad lines; {tally.rate:,.0f} lines a second.")
        if bad.count:
            self.stderr.write(f"{bad.count:,} lines were not imported. Which and why: {errors}")
            sys.exit(SOME_BAD)

    def _import(
        self, file: PurchaseFile, bad: BadLines, tally: Tally, *, size: int, limit: int | None, interrupted: Event
    ) -> None:
        imports.begin()
        batch: list[Purchase] = []
        for line in file:
            if interrupted.is_set():
                raise KeyboardInterrupt
            tally.lines += 1
            if isinstance(line, BadLine):
                bad.add(line)
            else:
                batch.append(line)
            done = limit is not None and tally.lines >= limit
            if len(batch) >= size or (done and batch):
                self._take(batch, tally, share=file.share_read)
                batch = []
            if done:
                return
        if batch:
            self._take(batch, tally, share=1.0)

    def _take(self, batch: list[Purchase], tally: Tally, *, share: float) -> None:
        taken = imports.take(purchases=batch, programme=merchant.programme(), now=timezone.now())
        tally.add(batch, taken)
        if tally.due_for_a_sign() or share >= 1.0:
            self.stderr.write(
                f"{share:5.0%}  line {tally.last_line:,}, {tally.rate:,.0f} lines a second", style_func=str
            )


def _is_report(path: Path) -> bool:
    """Whether the file is one that this command wrote, or holds nothing."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) in (b"", MARK.encode())
