"""Rewards, and a shop whose staff do what no API of it does, for the tests of reconciliation.

They go by the true clock, for the shop keeps its own.
"""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime

from loyalty.common import actors
from loyalty.hooks import processing
from platforms.models import StoreConnection
from rewards import cancellation, extension, granting, issuing, redemption
from rewards.models import PointsProduct, ReconciliationFinding, ReconciliationRun, RedeemedReward, RunScope
from rewards.reconciliation import runs, steps
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.fakes.sandbox import SandboxShop


def redeemed_by_somebody(product: PointsProduct) -> RedeemedReward:
    """One issued reward of a new customer."""
    member, now = CustomerFactory(), datetime.now(UTC)
    give(member, 250, now=now)
    redeemed = redemption.redeem(
        customer_id=member.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=now, deadline=10.0
    )
    assert redeemed.fulfillment_status == "issued"
    return redeemed


def reconcile(connection: StoreConnection, *, scope: RunScope = RunScope.ALL) -> ReconciliationRun:
    """A whole run, now; its count is that of its findings."""
    now = datetime.now(UTC)
    run = runs.begin(connection_id=connection.pk, scope=scope, actor=actors.SYSTEM, now=now)
    claim = runs.take(run_id=run.pk, now=now)
    assert claim is not None
    assert steps.work(claim=claim, now=now, patience=60.0) is steps.Verdict.DONE
    run.refresh_from_db()
    assert run.tally == Counter(kind for _, kind, _, _ in found(run))
    return run


def found(run: ReconciliationRun) -> list[tuple[str, str, str, str]]:
    """What a run found: code, kind, detail and repair, by code."""
    rows = ReconciliationFinding.objects.filter(run=run).order_by("canonical")
    return [(row.canonical, row.kind, row.detail, row.repair) for row in rows]


def in_shop(shop: SandboxShop, statement: str, *values: object) -> None:
    """Somebody at the shop changes its table."""
    with closing(sqlite3.connect(shop.data / "shop.sqlite3", timeout=20)) as database, database:
        database.execute(statement, values)


def remove(shop: SandboxShop, code: str) -> None:
    in_shop(shop, "DELETE FROM codes WHERE code = ?", code)


STAFF = actors.staff(1)


class History:
    """What happens to rewards here and to their codes in the shop, at random, all of it told by polling in the end."""

    def __init__(
        self, connection: StoreConnection, shop: SandboxShop, product: PointsProduct, *, dice: random.Random
    ) -> None:
        self.connection, self.shop, self.product, self.dice = connection, shop, product, dice
        self.lasting = RewardFactory(connection=connection, days_valid=30)
        self.ids: list[int] = []
        self.orders: list[str] = []

    def happen(self, *, times: int) -> None:
        for number in range(5):
            self.redeem()
            self.shop.create_code(f"OWN-{number}")
        acts = [self.redeem, self.grant, *[self.buy] * 3, self.cancel_order, self.cancel, self.extend, *[self.poll] * 2]
        self.grant()
        for _ in range(times):
            self.dice.choice(acts)()
        self.poll()

    def one(self) -> RedeemedReward:
        rows = RedeemedReward.objects.select_related("code", "connection")
        return rows.get(pk=self.dice.choice(self.ids))

    def redeem(self) -> None:
        self.ids.append(redeemed_by_somebody(self.product).pk)

    def grant(self) -> None:
        now = datetime.now(UTC)
        got = granting.grant(customer_id=CustomerFactory().pk, reward_id=self.lasting.pk, actor=STAFF, now=now)
        claim = issuing.take(redeemed_reward_id=got.pk, now=now)
        assert claim is not None
        assert issuing.work(claim=claim, now=now, patience=10.0) is issuing.Verdict.ISSUED
        self.ids.append(got.pk)

    def buy(self) -> None:
        chosen = self.one()
        if self.shop.codes(chosen.code.code)[0]["alive"]:
            paid = self.dice.random() < 0.8
            self.orders.append(self.shop.checkout(chosen.customer_email, code=chosen.code.code, pay=paid)["id"])

    def cancel_order(self) -> None:
        if self.orders:
            self.shop.cancel_order(self.orders.pop(self.dice.randrange(len(self.orders))))

    def cancel(self) -> None:
        chosen = self.one()
        if chosen.fulfillment_status == "issued":
            used = chosen.usage_status == "used"
            cancellation.cancel(redeemed_reward_id=chosen.pk, actor=STAFF, now=datetime.now(UTC), after_use=used)

    def extend(self) -> None:
        chosen = self.one()
        # A code that the shop says was used, and we have not been told yet, is not extended.
        if not extension.refusal(redeemed=chosen) and self.shop.codes(chosen.code.code)[0]["alive"]:
            days = self.dice.randrange(40, 90)
            if not extension.plan(redeemed=chosen, days=days, now=datetime.now(UTC)).refusal:
                extension.extend(redeemed_reward_id=chosen.pk, days=days, actor=STAFF, now=datetime.now(UTC))

    def poll(self) -> None:
        processing.poll(connection_id=self.connection.pk, now=datetime.now(UTC))
