"""A complete debit of ours beside what other packages call one, on the same PostgreSQL server in one run.

Usage: make bench-peers [SECONDS=3] [ROUNDS=2]

Ours is `ledger.debit`: it locks the account, looks the idempotency key up, takes points from lots in spending order, and
writes the transaction, the allocations and the figures. Beside it `Account.transfer_to` of django-hordak under a lock of
the account (double entry, no lots, no idempotency), and `WalletService.withdraw` of dj-wallet (one balance, no lots, no
idempotency). Promise: at least as many a second as each of them, at 1 and at 4 processes. Exits with 1 when it is broken. The
last report is kept in reports/peers.txt.

The peers are installed from the package index into an environment of their own under .local/peers. They are not part of the
product and not shipped with it. Both have the MIT licence.
"""

import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from scratch import ROOT, empty, environment, machine, managed, scratch

HERE = Path(__file__).resolve().parent
REPORT = HERE / "reports" / "peers.txt"
PEERS = ("django-hordak==2.0.0", "dj-wallet==0.1.0", "Django==5.2.19", "psycopg[binary]==3.3.9")
SECONDS = int(os.environ.get("SECONDS", "3"))
ROUNDS = int(os.environ.get("ROUNDS", "2"))
PROCESSES = (1, 4)
HOLDERS = 500  # customers, accounts, wallets
POINTS = 150  # a reward's price; lots hold 500, so that it takes 1.3 lots on average
LOTS = 100
LOT = 500
LEAST = 1.0
NAMES = {
    "ours": "ledger.debit",
    "hordak": "django-hordak, Account.transfer_to under a lock",
    "wallet": "dj-wallet, WalletService.withdraw",
}

Act = Callable[[int], object]


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from loyalty.embedded import home, servers

    python = installed(home.data_folder() / "peers")
    lines = ["Debits: ours beside other packages", ""]
    with servers.serving(home.Home(folder=home.data_folder() / "bench"), durable=True) as addresses:
        os.environ.update(addresses.variables())
        lines += [machine(), server(), f"packages: {', '.join(PEERS)}", ""]
        with scratch("peers_ours") as ours, empty("peers") as peers:
            run(sys.executable, ours, "prepare", "ours")
            run(python, peers, "prepare", "peers")
            promises = compare(
                {"ours": (sys.executable, ours), "hordak": (python, peers), "wallet": (python, peers)}, lines
            )
            audit = managed(ours, "audit_ledger")
            promises[f"the ledger: {audit.said.strip().splitlines()[-1]}"] = audit.code == 0
    lines += ["", *(f"{'kept  ' if kept else 'BROKEN'}  {promise}" for promise, kept in promises.items())]
    report = "\n".join(lines) + "\n"
    print(report)
    REPORT.write_text(report, encoding="utf-8")
    return 0 if all(promises.values()) else 1


def compare(sides: dict[str, tuple[str, str]], lines: list[str]) -> dict[str, bool]:
    """Run all sides by turns; gives the promises, and adds what was measured to the lines."""
    promises = {}
    for processes in PROCESSES:
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, (python, url) in sides.items():
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("CHECKPOINT")  # the same start for all: no debt of writing from before
                rates[name].append(float(run(python, url, "measure", name, str(processes))))
        told = {name: statistics.median(found) for name, found in rates.items()}
        many = f"{processes} process{'es' * (processes > 1)}"
        lines += [f"{many}: {NAMES[name]}: {rate:,.0f} a second" for name, rate in told.items()]
        for name in ("hordak", "wallet"):
            ratio = told["ours"] / told[name]
            promises[f"{many}: {ratio:.1f} times {NAMES[name]} (promise: at least {LEAST:g})"] = ratio >= LEAST
    return promises


def installed(folder: Path) -> str:
    """The Python of the peers' environment, which is made anew when what is wanted has changed."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != "\n".join(PEERS):
        print(f"Installing {', '.join(PEERS)} into {folder} ...", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS], check=True)
        stamp.write_text("\n".join(PEERS), encoding="utf-8")
    return str(python)


def server() -> str:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        told = [f"{name} {connection.execute(f'SHOW {name}').fetchone()[0]}" for name in names]  # type: ignore[index]
    return f"PostgreSQL over TCP: {', '.join(told)}; {HOLDERS} holders, {SECONDS} s a run, {ROUNDS} runs by turns"


def run(python: str, url: str, *words: str) -> str:
    """This file in a process of its own, on a database and with a Python that has what it needs."""
    done = subprocess.run(
        [python, __file__, *words], env=environment(url), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed: {done.stderr[-3000:]}")
    return done.stdout


# In the processes of the sides


def set_up(name: str) -> None:
    """Ours with its settings; the peers with as little as they need."""
    import django

    if name == "ours":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty.settings")
        django.setup()
        return
    from django.conf import settings

    address = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": address.path[1:],
                "USER": address.username,
                "PASSWORD": address.password,
                "HOST": address.hostname,
                "PORT": str(address.port),
                "CONN_MAX_AGE": None,
            }
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", "hordak", "dj_wallet"],
        CURRENCIES=["EUR"],
        DEFAULT_CURRENCY="EUR",
        HORDAK_CURRENCIES=["EUR"],
    )
    django.setup()


def prepare(name: str) -> None:
    """Everybody gets something to spend."""
    set_up(name)
    (prepare_ours if name == "ours" else prepare_peers)()


def prepare_ours() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute((HERE / "points_seed.sql").read_text(encoding="utf-8"))
        cursor.execute(
            "SELECT bench_customers(%s, %s, %s, now() + interval '30 days', interval '1 day')", [HOLDERS, LOTS, LOT]
        )
        cursor.execute("VACUUM ANALYZE")


def prepare_peers() -> None:
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    from dj_wallet.models import Wallet
    from hordak.models import Account

    User.objects.bulk_create([User(username=f"u{number}") for number in range(HOLDERS)])
    kind = ContentType.objects.get_for_model(User)
    Wallet.objects.bulk_create(
        [
            Wallet(holder_type=kind, holder_id=user.pk, slug="default", balance=Decimal(LOTS * LOT))
            for user in User.objects.all()
        ]
    )
    Account.objects.create(name="sink", code="2", type="LI", currencies=["EUR"])
    for number in range(HOLDERS):
        Account.objects.create(name=f"customer {number}", code=str(1000 + number), type="LI", currencies=["EUR"])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def measure(name: str, processes: int) -> None:
    """How many acts a second so many processes do together."""
    fork = multiprocessing.get_context("fork")
    start, counts = fork.Barrier(processes), fork.SimpleQueue()
    workers = [fork.Process(target=work, args=(name, seed, start, counts)) for seed in range(processes)]
    for worker in workers:
        worker.start()
    print(sum(counts.get() for _ in workers))
    for worker in workers:
        worker.join()


def work(name: str, seed: int, start: Any, counts: Any) -> None:
    set_up(name)
    act, holders = ACTS[name]()
    rng = random.Random(f"{os.getpid()} {seed}")
    for _ in range(5):
        act(rng.choice(holders))
    start.wait()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        act(rng.choice(holders))
        done += 1
    counts.put(done / (time.perf_counter() - began))


def ours() -> tuple[Act, list[int]]:
    from django.utils import timezone

    from loyalty.common.actors import SYSTEM
    from loyalty.common.causes import Cause, CauseType
    from loyalty.points import ledger
    from loyalty.points.models import PointsAccount, TransactionKind

    def debit(customer_id: int) -> object:
        return ledger.debit(
            customer_id=customer_id,
            points=POINTS,
            kind=TransactionKind.REDEMPTION,
            cause=Cause(CauseType.API, 1),
            actor=SYSTEM,
            now=timezone.now(),
            idempotency_key=f"peers:{random.getrandbits(63)}",
        )

    return debit, list(PointsAccount.objects.order_by("pk").values_list("pk", flat=True))


def hordak() -> tuple[Act, list[int]]:
    from django.db import transaction
    from hordak.models import Account
    from moneyed import Money

    sink = Account.objects.get(name="sink")

    def transfer(account_id: int) -> object:
        with transaction.atomic():
            account = Account.objects.select_for_update().get(pk=account_id)
            return account.transfer_to(sink, Money(POINTS, "EUR"), description="Reward")

    return transfer, list(Account.objects.exclude(pk=sink.pk).order_by("pk").values_list("pk", flat=True))


def wallet() -> tuple[Act, list[int]]:
    from dj_wallet.models import Wallet
    from dj_wallet.services.common import WalletService

    def withdraw(wallet_id: int) -> object:
        return WalletService.withdraw(Wallet.objects.get(pk=wallet_id), Decimal(POINTS))

    return withdraw, list(Wallet.objects.order_by("pk").values_list("pk", flat=True))


ACTS: dict[str, Callable[[], tuple[Act, list[int]]]] = {"ours": ours, "hordak": hordak, "wallet": wallet}


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(sys.argv[2])
    elif sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
