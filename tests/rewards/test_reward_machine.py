"""A machine that does anything to rewards in any order and any number of times, in a real sandbox shop.

After every act the points and the shop's codes are held against what may be: each reward is refunded once at most, and
one code at most lives for it. Time is an argument, so nothing waits. The acts are the same in every run.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.merchant.models import Programme
from loyalty.points import audit, queries
from loyalty.points.models import PointsTransaction, TransactionKind
from loyalty.program import orders
from rewards import (
    cancellation,
    delivery,
    extension,
    granting,
    issuing,
    probing,
    redemption,
    reissue,
    self_cancellation,
    states,
    usage,
)
from rewards.models import Cancellation, RedeemedReward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import ShopRefused

RUNS, STEPS_PER_RUN = 14, 30
STAFF = actors.staff(1)
HOUR = timedelta(hours=1)
GIVEN, PRICE = 2_000, 100
NO_WAIT = 0.0  # one question to the shop, and the rest is left to a worker
UNDO_AN_ORDER = ("cancel_order", "refund_order")
PRODUCTS = ("in the shop", "no shop", "gift")
CREATE_FAULTS = (None, None, None, "refuse", "drop", "drop_after_accepting", "server_error_after_accepting")
NOT_YET = "not yet"  # no worker has come by
DISABLE_FAULTS = (None, None, "drop", "drop_after_accepting", "server_error")

OPEN = ("cancelling", "used_meanwhile")
NOT_USED = "(SELECT count(*) FROM orders WHERE code_id = codes.id AND status = 'completed') < usage_limit"

PARCEL = (
    delivery.ship,
    delivery.ship,
    delivery.deliver,
    delivery.came_back,
    delivery.cancel_delivery,
    delivery.order_again,
)

one_of_them = st.integers(0, 2) | st.integers(0, 99)  # counted from the latest, so that acts build on one another


class Rewards(RuleBasedStateMachine):
    """Every act on redeemed rewards, by whoever may do it."""

    shop = None  # set by the test
    done = Counter()  # acts that were not refused, over all runs

    def __init__(self):
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.now = timezone.now()
        Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 0, "self_cancel_minutes": 90})
        self.connection = connect(self.shop)
        self.customer = CustomerFactory()
        ShippingAddressFactory(customer=self.customer)
        give(self.customer, GIVEN, now=self.now)
        self.products = {
            "in the shop": PointsProductFactory(reward=RewardFactory(connection=self.connection, days_valid=2)),
            "no shop": PointsProductFactory(reward=RewardFactory(days_valid=2)),
            "gift": PointsProductFactory(reward=GiftFactory()),
        }
        self.orders = []
        self.broke = False

    def teardown(self):
        try:
            self.shop.clear_faults()
            if not self.broke:
                self.compare()
                assert list(audit.differences()) == []
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @initialize()
    def begin_with_one_of_each(self):
        """A code in the shop, one of our own, a gift, and a grant that failed: there is something for every act."""
        for which in PRODUCTS:
            self.redeem_one(which, None)
        self.grant_one("in the shop", "refuse")

    # Acts.

    @rule(hours=st.sampled_from([0.02, 1, 1, 20, 50]))
    def time_passes(self, hours):
        self.now += hours * HOUR

    @rule(which=st.sampled_from(PRODUCTS), fault=st.sampled_from(CREATE_FAULTS))
    def redeem(self, which, fault):
        self.redeem_one(which, fault)

    def redeem_one(self, which, fault):
        self.with_fault(
            "create",
            fault,
            "redeem",
            lambda: redemption.redeem(
                customer_id=self.customer.pk, points_product_id=self.products[which].pk,
                actor=actors.customer(self.customer.pk), now=self.now, deadline=NO_WAIT,
            ),
        )  # fmt: skip

    @rule(which=st.sampled_from(PRODUCTS), fault=st.sampled_from((*CREATE_FAULTS, NOT_YET)))
    def grant(self, which, fault):
        self.grant_one(which, fault)

    def grant_one(self, which, fault):
        reward_id = self.products[which].reward_id
        self.attempt(
            "grant",
            lambda: granting.grant(customer_id=self.customer.pk, reward_id=reward_id, actor=STAFF, now=self.now),
        )
        if fault != NOT_YET:
            self.generate_one(0, fault)

    @rule(pick=one_of_them, fault=st.sampled_from(CREATE_FAULTS))
    def generate(self, pick, fault):
        """A worker's turn."""
        self.generate_one(pick, fault)

    def generate_one(self, pick, fault):
        redeemed = self.chosen(pick, fulfillment_status="pending")
        claim = redeemed and issuing.take(redeemed_reward_id=redeemed.pk, now=self.now)
        if claim:
            call = lambda: issuing.work(claim=claim, now=self.now, patience=NO_WAIT)  # noqa: E731
            self.with_fault("create", fault, "generate", call)

    @rule(pick=one_of_them)
    def mark_used(self, pick):
        self.act("mark used", pick, usage.mark_used)

    @rule(pick=one_of_them)
    def mark_unused(self, pick):
        self.act("mark unused", pick, usage.mark_unused)

    @rule(pick=one_of_them, times=st.integers(1, 2), then=st.sampled_from([None, None, *UNDO_AN_ORDER]))
    def buy_with_the_code(self, pick, times, then):
        """At the shop's checkout, which knows nothing of our states; its order is told once or twice, and may end."""
        redeemed = self.chosen(pick, connection=self.connection, fulfillment_status="issued")
        if redeemed is None:
            return
        try:
            order = self.shop.checkout(self.customer.email, code=redeemed.code.code)
        except ShopRefused:
            return
        self.orders.append(order["id"])
        for _ in range(times):
            self.tell("order", order["id"])
        if then is not None:
            self.undo(order["id"], then)

    @rule(pick=one_of_them, change=st.sampled_from(UNDO_AN_ORDER))
    def undo_an_order(self, pick, change):
        if self.orders:
            self.undo(self.orders[-1 - pick % len(self.orders)], change)

    def undo(self, order_id, change):
        try:
            getattr(self.shop, change)(order_id)
        except ShopRefused:
            return
        self.tell(change, order_id)

    @rule(
        pick=one_of_them,
        fault=st.sampled_from(DISABLE_FAULTS),
        returns=st.booleans(),
        after_use=st.booleans(),
        then=st.sampled_from([None, "again", "force", "go on"]),
    )
    def cancel(self, pick, fault, returns, after_use, then):
        """Once or twice; a shop that does not answer is asked again later, or the cancellation is forced."""
        redeemed = self.chosen(pick)
        if redeemed is None:
            return
        call = lambda: cancellation.cancel(  # noqa: E731
            redeemed_reward_id=redeemed.pk, actor=STAFF, now=self.now, return_points=returns, after_use=after_use
        )
        self.with_fault("disable", fault, f"cancel{' after use' if after_use else ''}", call)
        row = redeemed.cancellations.order_by("-pk").first()
        if then == "again":
            self.attempt("cancel again", call)
        elif then == "force":
            force = {"redeemed_reward_id": redeemed.pk, "actor": STAFF, "now": self.now}
            self.attempt("force", lambda: cancellation.force(**force))
        elif then == "go on" and row is not None:
            self.now += HOUR
            self.attempt("go on", lambda: cancellation.proceed(cancellation_id=row.pk, now=self.now))

    @rule(pick=one_of_them, fault=st.sampled_from(DISABLE_FAULTS))
    def go_on_canceling(self, pick, fault):
        row = self.cancellation(pick, state="cancelling")
        if row is not None:
            call = lambda: cancellation.proceed(cancellation_id=row.pk, now=self.now)  # noqa: E731
            self.with_fault("disable", fault, "go on", call)

    @rule(pick=one_of_them)
    def cancel_as_customer(self, pick):
        redeemed = self.chosen(pick)
        if redeemed is None:
            return
        ids = {"redeemed_reward_id": redeemed.pk, "customer_id": self.customer.pk, "now": self.now}
        self.attempt(
            "cancel as customer",
            lambda: self_cancellation.cancel(fingerprint=self_cancellation.plan(**ids).fingerprint, **ids),
        )

    @rule(pick=one_of_them)
    def probe(self, pick):
        row = self.cancellation(pick)
        if row is not None:
            self.attempt("probe", lambda: probing.check(cancellation_id=row.pk, actor=STAFF, now=self.now))

    @rule(pick=one_of_them)
    def give_anew(self, pick):
        redeemed = self.chosen(pick, fulfillment_status="failed", on_profile=True) or self.chosen(pick)
        if redeemed is not None:
            ids = {"redeemed_reward_id": redeemed.pk, "actor": STAFF, "now": self.now}
            self.attempt("reissue", lambda: reissue.reissue(**ids))

    @rule(pick=one_of_them, days=st.integers(1, 3))
    def extend(self, pick, days):
        """Where no shop keeps the last day; an expired one lives again."""
        redeemed = self.chosen(pick, connection=None, expires_at__isnull=False) or self.chosen(pick)
        if redeemed is not None:
            ids = {"redeemed_reward_id": redeemed.pk, "actor": STAFF, "now": self.now}
            self.attempt("extend", lambda: extension.extend(days=days, **ids))

    @rule(pick=one_of_them, order=st.booleans(), steps=st.lists(st.sampled_from(PARCEL), min_size=1, max_size=4))
    def move_the_parcel(self, pick, order, steps):
        redeemed = self.chosen(pick, type="gift")
        if redeemed is None:
            return
        ids = {"redeemed_reward_id": redeemed.pk, "actor": STAFF, "now": self.now}
        if order:
            self.attempt("mark used", lambda: usage.mark_used(**ids))
        for step in steps:
            self.attempt(step.__name__, lambda step=step: step(**ids))

    # How acts are done, and what has to hold after each.

    def act(self, name, pick, function):
        redeemed = self.chosen(pick)
        if redeemed is not None:
            self.attempt(name, lambda: function(redeemed_reward_id=redeemed.pk, actor=STAFF, now=self.now))

    def tell(self, name, order_id):
        order = self.shop.adapter().read_order(order_id).value
        self.attempt(
            name,
            lambda: orders.record(
                connection_id=self.connection.pk, order=order, returns_use_on_cancel=True,
                actor=actors.shop(self.connection.pk), now=self.now,
            ),
        )  # fmt: skip

    def with_fault(self, operation, fault, name, call):
        if fault is not None:
            self.shop.fault(operation, fault)
        self.attempt(name, call)
        if fault is not None:
            self.shop.clear_faults()

    def attempt(self, name, call):
        try:
            call()
        except DomainError:
            self.done[f"{name}, refused"] += 1
        except Exception:
            self.broke = True  # what is unforeseen leaves a transaction that cannot be asked any more
            raise
        else:
            self.done[name] += 1
        self.compare()

    def rows(self, **those):
        return RedeemedReward.objects.filter(customer=self.customer, **those).order_by("-pk")

    def chosen(self, pick, **those):
        rows = list(self.rows(**those).select_related("code")[:100])
        return rows[pick % len(rows)] if rows else None

    def cancellation(self, pick, **those):
        rows = list(Cancellation.objects.filter(redeemed_reward__customer=self.customer, **those).order_by("-pk"))
        return rows[pick % len(rows)] if rows else None

    def compare(self):
        rows = list(self.rows().annotate(status=states.expression(self.now)).prefetch_related("cancellations"))
        refunds = Counter(
            PointsTransaction.objects.filter(kind=TransactionKind.REVERSAL, customer=self.customer).values_list(
                "reverses", flat=True
            )
        )
        alive, enabled = self.codes_that("enabled = 1 AND " + NOT_USED), self.codes_that("enabled = 1")
        spent = 0
        for redeemed in rows:
            ended = next((row for row in redeemed.cancellations.all() if row.state not in OPEN), None)
            spent += self.spent_on(redeemed, ended, refunds[redeemed.debit_id])
            living = alive[redeemed.reference]
            assert living <= 1, f"{living} codes live for one reward"
            if redeemed.fulfillment_status == "failed" or (ended is not None and ended.state == "proved"):
                assert living == 0, f"the code of a {redeemed.status} reward lives"
            if redeemed.status in ("issued", "expired") and redeemed.connection_id:
                assert enabled[redeemed.reference] == 1, f"the customer's code is dead: {redeemed.status}"
        assert queries.balance(customer_id=self.customer.pk, now=self.now).balance == GIVEN - spent

    def spent_on(self, redeemed, ended, refunds):
        """The points that are gone, or set aside, for it; a refund is one at most, and for canceled ones alone."""
        if redeemed.origin != "redemption":
            assert redeemed.debit_id is None
            return 0
        if redeemed.debit_id is None:
            return PRICE if redeemed.fulfillment_status == "pending" else 0
        expected = int(redeemed.fulfillment_status == "cancelled" and ended.return_points)
        assert refunds == expected, f"{refunds} refunds of a {redeemed.status} reward"
        return PRICE * (1 - refunds)

    def codes_that(self, condition):
        """How many of the shop's codes are so, by our reference, as its own table says."""
        with closing(sqlite3.connect(self.shop.data / "shop.sqlite3")) as database:
            found = database.execute(f"SELECT reference, count(*) FROM codes WHERE {condition} GROUP BY reference")
            return Counter(dict(found.fetchall()))


@pytest.mark.timeout(400)
@pytest.mark.django_db
def test_any_acts_in_any_order_refund_once_and_leave_one_living_code_at_most(shop):
    Rewards.shop, Rewards.done = shop, Counter()

    run_state_machine_as_test(
        Rewards,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS_PER_RUN,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )

    done = sum(count for name, count in Rewards.done.items() if not name.endswith("refused"))
    assert done >= RUNS * 5, Rewards.done


@pytest.mark.django_db
def test_the_stories_chance_leaves_out(shop):
    """Each act once at least in a state that allows it, held against the same rules. 0 is the latest reward."""
    Rewards.shop, Rewards.done = shop, Counter()
    desk = Rewards()
    try:
        desk.begin_with_one_of_each()
        desk.give_anew(0)
        desk.give_anew(0)
        desk.generate(0, "drop_after_accepting")
        desk.time_passes(1)
        desk.generate(0, None)
        desk.mark_used(0)
        desk.mark_unused(0)
        desk.buy_with_the_code(0, 2, "cancel_order")
        desk.buy_with_the_code(0, 2, "refund_order")
        desk.cancel(0, None, True, True, "again")
        desk.redeem("in the shop", None)
        desk.cancel(0, "drop", True, False, "force")
        desk.probe(0)
        desk.redeem("in the shop", "server_error_after_accepting")
        desk.time_passes(1)
        desk.generate(0, None)
        desk.cancel(0, "server_error", False, False, "go on")
        desk.redeem("no shop", None)
        desk.cancel_as_customer(0)
        desk.cancel_as_customer(0)
        desk.redeem("gift", None)
        desk.move_the_parcel(
            0, True, [delivery.ship, delivery.came_back, delivery.order_again, delivery.cancel_delivery]
        )
        desk.cancel(0, None, True, False, "again")
        desk.redeem("gift", None)
        desk.move_the_parcel(0, True, [delivery.ship, delivery.deliver])
        desk.cancel(0, None, True, True, "again")
        desk.redeem("in the shop", None)
        desk.time_passes(100)
        desk.cancel(0, None, True, False, "again")
        desk.redeem("no shop", None)
        desk.time_passes(100)
        desk.mark_used(0)
        desk.extend(0, 2)
        desk.mark_used(0)
        desk.mark_unused(0)
        desk.cancel(0, None, True, False, "again")
        desk.extend(0, 3)
    finally:
        desk.teardown()

    done = Rewards.done
    for name in (
        *("redeem", "grant", "generate", "mark used", "mark unused", "order", "cancel_order", "refund_order"),
        *("cancel", "cancel again", "cancel after use", "go on", "force", "cancel as customer", "probe", "reissue"),
        *("extend", "extend, refused", "mark used, refused"),
        *("ship", "deliver", "came_back", "cancel_delivery", "order_again"),
    ):
        assert done[name], f"no {name} came to pass: {done}"
