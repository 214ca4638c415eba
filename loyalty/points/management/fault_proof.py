"""The proof of `prove_faults`: the stage with its wires, its clock and its worker, and who judges what came of it all.

Children are forked from this process, which has one thread and no session of its own in the scratch database. An act
talks over wires (`loyalty.common.wires`) to PostgreSQL, to the broker, to a sandbox shop and to a mail server; this
process carries what it says and breaks it. Then a real worker, which shares nothing with the dead, gets the rings of the beat alone.
"""

import gc
import logging
import mmap
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.db import connection
from django.utils import timezone

from loyalty.celery import app as celery
from loyalty.common import crashing
from loyalty.common.crashing import Point, Run, Scenario, Stage
from loyalty.common.racing import Scores
from loyalty.common.wires import Fault, Switchboard, Talk
from loyalty.merchant.models import Programme
from loyalty.points.management import addresses, doorbell
from platforms import wire
from platforms.trial import Scene, TrialShop
from platforms.trial_mail import TrialMail

CUSTOMER_WAITS = 3  # seconds a redemption takes at most, and
SHOP_IS_HEARD = 0.5  # seconds an answer of the shop is waited for, by those whom things befall
ABSENCE_COUNTS = (
    1  # seconds after which a code that is missing never was made: no call lasts as long while all is mended
)
WORKERS = 6  # most of them sleep until an absence counts
LEAP = 61.0  # seconds the clock leaps ahead between two rounds of mending: longer than any claim lasts
MOST_ROUNDS = 40
ROUND_PATIENCE = 60.0

FINISHED = "Everything that was begun is finished"
UNHARMED = "An act that nothing befalls is done"


class Proof:
    """The stage with its wires, its clock and its worker."""

    def __init__(
        self, *, server: "psycopg.Connection[Any]", shop: TrialShop, mail: TrialMail, modules: list[ModuleType]
    ) -> None:
        self.server = server
        self.modules = modules
        self.board = Switchboard()
        self.stage = Stage(
            self.board, enter=self.enter, end_session=self.end_session, forget=self.forget
        )  # fmt: skip
        self.clock = mmap.mmap(-1, 8)  # seconds ahead, for all children
        self.scene = Scene(shop=shop, mail=mail, now=self.now, task=run_task)
        self.prefix = f"prove_faults_{os.getpid()}:"
        self.broker = doorbell.own(self.prefix)
        parameters = connection.get_connection_params()
        self.shop_port = self.board.open(Talk.SHOP, lambda: socket.create_connection(("127.0.0.1", shop.port), 10))
        self.mail_port = self.board.open(Talk.MAIL, lambda: socket.create_connection(("127.0.0.1", mail.port), 10))
        self.database_port = self.board.open(Talk.DATABASE, lambda: addresses.database_socket(parameters))
        self.broker_url = self.wired_broker()
        self.wired = True

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Everything loaded before children are forked from it, and taken down at the end."""
        celery.loader.import_default_modules()
        celery.finalize()
        import_module("kombu.transport.redis")
        import_module(settings.ROOT_URLCONF)
        connection.close()
        gc.freeze()
        try:
            self.stage.ask(self.furnish)
            yield
        finally:
            self.flush()
            self.board.close()

    def furnish(self) -> None:
        Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 1})
        self.scene.shop.connect(port=self.shop_port)
        self.scene.shop.pay_through(port=self.shop_port)

    def break_one(self, name: str, scenario: Scenario[Scene], *, quick: bool) -> Iterator[Run]:
        """The act unharmed, and then with each fault at each of its steps."""
        unharmed = self.perform(Run(scenario=name), scenario)
        yield unharmed
        usual = last = len(unharmed.steps)
        for point in crashing.points(unharmed.steps, quick=quick):
            run = self.perform(Run(scenario=name, point=point), scenario)
            if not run.hit:  # it went another way this time
                last = max(last, len(run.steps))
            yield run
        for at in range(usual + 1, last + 1):
            yield self.perform(Run(scenario=name, point=Point(Fault.KILLED, at)), scenario)

    def perform(self, run: Run, scenario: Scenario[Scene]) -> Run:
        self.stage.perform(
            run,
            prepare=lambda: scenario.prepare(self.scene),
            act=lambda subject: scenario.act(self.scene, subject),
        )
        self.flush()  # nobody is rung: what waits is found by the sweeps
        return run

    def mend_and_judge(self, runs: list[Run], chosen: dict[str, Scenario[Scene]]) -> Scores:
        """Start the workers again, let everybody who got no answer ask again, and see."""
        self.wired = False
        worker = self.stage.start(self.work)
        try:
            self.mend()
            self.stage.ask(lambda: self.ask_again(runs, chosen))
            left = self.mend()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
        scores: Scores = self.stage.ask(lambda: self.judge(runs, chosen))
        for what, number in left.items():
            scores.equal(FINISHED, f"{number} {what}", f"0 {what}")
        return scores

    def mend(self) -> dict[str, int]:
        """Let time pass and the beat ring until nothing is under way; gives back what still is."""
        left: dict[str, int] = {}
        for _ in range(MOST_ROUNDS):
            self.leap(LEAP)
            self.stage.ask(ring)
            self.wait_for_workers()
            left = self.stage.ask(self.waiting)
            if not any(left.values()):
                break
        return left

    def wait_for_workers(self) -> None:
        until = time.monotonic() + ROUND_PATIENCE
        quiet = 0
        while quiet < 3 and time.monotonic() < until:
            self.board.pump(0.05)
            length: Any = self.broker.llen(f"{self.prefix}celery")
            taken: Any = self.broker.hlen(f"{self.prefix}unacked")
            quiet = 0 if length or taken else quiet + 1

    def waiting(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for module in self.modules:
            found |= module.waiting(self.scene) if hasattr(module, "waiting") else {}
        return found

    def ask_again(self, runs: list[Run], chosen: dict[str, Scenario[Scene]]) -> None:
        for run in runs:
            again = chosen[run.scenario].again
            if again is not None:
                with suppress(Exception):  # a refusal is an answer; `judge` sees what came of it
                    again(self.scene, run.subject)

    def judge(self, runs: list[Run], chosen: dict[str, Scenario[Scene]]) -> Scores:
        scores = Scores()
        for run in runs:
            if run.point is None:
                scores.check(UNHARMED, holds=not run.error, otherwise=f"{run}: {run.error}")
            found = Scores()
            chosen[run.scenario].judge(self.scene, run.subject, found)
            crashing.merge(scores, found, where=str(run))
        for module in self.modules:
            if hasattr(module, "closing"):
                module.closing(self.scene, scores)
        return scores

    # What children are.

    def enter(self) -> None:
        """Make this forked process one of the desk's: its clock, its database, its broker."""
        logging.disable(logging.CRITICAL)
        with Path(os.devnull).open("r+b", buffering=0) as nothing:
            for stream in (sys.stdin, sys.stdout, sys.stderr):
                os.dup2(nothing.fileno(), stream.fileno())
        timezone.now = self.now
        settings.REDEEM_DEADLINE_SECONDS = CUSTOMER_WAITS
        own_keys = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": self.prefix}
        celery.conf.update(broker_transport_options=own_keys)
        addresses.send_mail_to(self.mail_port if self.wired else self.scene.mail.port)
        if self.wired:
            wire.READ_SECONDS = SHOP_IS_HEARD
            os.environ["CELERY_BROKER_URL"] = self.broker_url  # which Celery prefers to its settings
            place = connection.settings_dict
            place["HOST"], place["PORT"] = "127.0.0.1", str(self.database_port)
            place["OPTIONS"] = place["OPTIONS"] | {"sslmode": "disable", "gssencmode": "disable"}
        else:
            settings.ABSENCE_PROVED_AFTER_SECONDS = ABSENCE_COUNTS

    def work(self) -> None:
        """A worker, until it is killed."""
        options = ["--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "-n", self.prefix]
        celery.worker_main(["worker", *options])

    def now(self) -> datetime:
        (ahead,) = struct.unpack("d", self.clock[:8])
        return datetime.now(UTC) + timedelta(seconds=ahead)

    def leap(self, seconds: float) -> None:
        (ahead,) = struct.unpack("d", self.clock[:8])
        self.clock[:8] = struct.pack("d", ahead + seconds)

    # What befalls them.

    def end_session(self, backend: int) -> None:
        self.server.execute("SELECT pg_terminate_backend(%s)", [backend])

    def forget(self, sessions: list[int]) -> None:
        """Wait until the sessions of a dead process are gone, and their locks with them."""
        until = time.monotonic() + 10
        while sessions and time.monotonic() < until:
            row = self.server.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)", [sessions]
            ).fetchone()
            if not row or not row[0]:
                return
            time.sleep(0.002)

    def flush(self) -> None:
        names = list(self.broker.scan_iter(match=f"{self.prefix}*", count=1000))
        if names:
            self.broker.delete(*names)

    def wired_broker(self) -> str:
        """The broker's address for children, over a wire; one that speaks TLS or has a socket of its own stays as it is."""
        parts = urlsplit(str(settings.CELERY_BROKER_URL))
        if parts.scheme != "redis":
            return parts.geturl()
        place = (parts.hostname or "127.0.0.1", parts.port or 6379)
        port = self.board.open(Talk.BROKER, lambda: socket.create_connection(place, 10))
        user, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


def run_task(name: str, **ids: int) -> object:
    """What a worker does with a message."""
    return celery.tasks[name](**ids)


def ring() -> None:
    """What the beat does, in one go."""
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        celery.send_task(str(entry["task"]), ignore_result=True)
