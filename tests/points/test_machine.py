"""A machine that does anything in any order, on the real ledger and on a model of it, and compares the two.

The steps are the same in every run of the same test files. A difference is reduced to the shortest list of acts that shows it.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from loyalty.common.actors import api_key, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.merchant.models import Programme
from loyalty.points import (
    adjustments,
    audit,
    clawback,
    credit_cancellation,
    earning,
    expiry,
    holds,
    ledger,
    queries,
    shortfalls,
    transfers,
)
from loyalty.points.models import PointsHold, PointsLot, PointsShortfall, PointsTransaction, TransactionKind
from tests.factories.people import CustomerFactory
from tests.points import model
from tests.points.model import Refused

STEPS = 10_000
RUNS, STEPS_PER_RUN = 112, 100
COMPARE_EVERY, PROVE_EVERY = 8, 80
BEGAN = datetime(2026, 10, 23, 21, 30, tzinfo=UTC)  # two days before the clocks go back in Europe
ZONES = ("UTC", "Europe/Warsaw", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12")
SETTINGS = {  # the model's name: the programme's
    "expiry": "expiry_mode",
    "returns": "return_policy",
    "shortfalls": "shortfall_policy",
    "blocks": "shortfall_blocks",
}
STAFF, TILL = staff(1), api_key(1)
PEOPLE = 2

anyone = st.integers(0, PEOPLE - 1)
many_points, some_points = st.integers(1, 300), st.integers(1, 80)
one_of_them = st.integers(0, 2) | st.integers(0, 99)  # counted from the latest, so that acts build on one another
shares = st.sampled_from([(1, 1), (100, 100)]) | st.tuples(st.integers(1, 99), st.integers(99, 100))

programmes = st.fixed_dictionaries(
    {
        "expiry": st.sampled_from(["never", "days", "days", "month_end", "year_end", "idle", "idle"]),
        "expiry_days": st.integers(1, 40),
        "pending_days": st.sampled_from([0, 0, 1, 14]),
        "returns": st.sampled_from(["grace", "strict", "original"]),
        "grace_days": st.integers(1, 40),
        "shortfalls": st.sampled_from(["open", "collect", "waive"]),
        "blocks": st.booleans(),
    }
)


class Desk(RuleBasedStateMachine):
    """Every act of the ledger, each played on the rows and on the model."""

    steps = 0  # of all runs

    def __init__(self):
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.customers = CustomerFactory.create_batch(PEOPLE)
        self.credits, self.earnings, self.debits, self.holds, self.shortfalls = [], [], [], [], []
        self.own_steps = 0
        self.keys = 0

    def teardown(self):
        try:
            self.agree_on_figures()
            self.agree_on_lots()
            self.prove()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @initialize(zone=st.sampled_from(ZONES), values=programmes)
    def open_the_shop(self, zone, values):
        programme = model.Programme(zone=ZoneInfo(zone))
        self.model = model.Model(people=PEOPLE, now=BEGAN, programme=programme)
        fixed = {"time_zone": zone, "transfers_allowed": True}
        self.programme = Programme.objects.update_or_create(pk=1, defaults=fixed)[0]
        self.change_the_programme(values)

    @rule(values=programmes)
    def change_the_programme(self, values):
        for name, value in values.items():
            setattr(self.model.programme, name, value)
            setattr(self.programme, SETTINGS.get(name, name), value)
        self.programme.save()
        self.step_done()

    @rule(
        hours=st.one_of(st.integers(1, 60), st.integers(72, 1500)),
        to_an_edge=st.sampled_from([None, None, timedelta(0), timedelta(microseconds=1)]),
    )
    def time_passes(self, hours, to_an_edge):
        """Some time, or just to the next instant at which a lot begins or ends, or the last one before it."""
        then, edge = self.now + timedelta(hours=hours), self.model.next_edge()
        if to_an_edge is not None and edge is not None and edge - to_an_edge > self.now:
            then = edge - to_an_edge
        self.model.pass_time(then)
        self.step_done()

    @rule()
    def sweep_what_is_due(self):
        expiry.settle_due(now=self.now)
        self.agree_on_lots(settled=True)
        self.step_done()

    # Points come.

    @rule(who=anyone, points=many_points, days_ago=st.sampled_from([0, 0, 0, 5, 45]))
    def earn(self, who, points, days_ago):
        earned_at = self.now - timedelta(days=days_ago)
        self.keys += 1
        self.both(
            lambda: self.model.earn(self.person(who), points, earned_at=earned_at),
            lambda: earning.earn(
                customer_id=self.customer(who), points=points, cause=Cause(CauseType.ORDER, self.keys), actor=STAFF,
                programme=self.programme, earned_at=earned_at, now=self.now, idempotency_key=f"order:{self.keys}",
            ),
            keep=self.credits,
        )  # fmt: skip
        self.earnings.append(self.credits[-1])

    @rule(who=anyone, points=many_points)
    def adjust_up(self, who, points):
        self.both(
            lambda: self.model.adjust_up(self.person(who), points),
            lambda: (
                adjustments.adjust(customer_id=self.customer(who), points=points, actor=STAFF, now=self.now).transaction
            ),
            keep=self.credits,
        )

    # Points go.

    @rule(who=anyone, points=some_points)
    def debit(self, who, points):
        self.both(
            lambda: self.model.spend(self.person(who), points),
            lambda: ledger.debit(
                customer_id=self.customer(who), points=points, kind=TransactionKind.REDEMPTION,
                cause=Cause(CauseType.API, 1), actor=STAFF, now=self.now,
            ),
            keep=self.debits,
        )  # fmt: skip

    @rule(who=anyone, points=some_points)
    def adjust_down(self, who, points):
        self.both(
            lambda: self.model.spend(self.person(who), points),
            lambda: (
                adjustments.adjust(
                    customer_id=self.customer(who), points=-points, actor=STAFF, now=self.now
                ).transaction
            ),
            keep=self.debits,
        )

    @rule(sender=anyone, to_oneself=st.sampled_from([False] * 9 + [True]), points=some_points)
    def transfer(self, sender, to_oneself, points):
        receiver = sender if to_oneself else 1 - sender
        self.both(
            lambda: self.model.transfer(self.person(sender), self.person(receiver), points),
            lambda: transfers.transfer(
                sender_id=self.customer(sender), receiver_id=self.customer(receiver), points=points, actor=STAFF,
                now=self.now,
            ).credit,
            keep=self.credits,
        )  # fmt: skip

    @precondition(lambda self: self.credits)
    @rule(which=one_of_them)
    def cancel_a_credit(self, which):
        credit, entry = self.pick(self.credits, which)
        self.both(
            lambda: self.model.cancel_credit(credit),
            lambda: credit_cancellation.cancel(transaction_id=entry.pk, actor=STAFF, now=self.now),
        )

    # Points are set aside.

    @rule(who=anyone, points=some_points)
    def hold_for_a_reward(self, who, points):
        self.keys += 1
        self.both(
            lambda: self.model.hold(self.person(who), points, lasts=None),
            lambda: ledger.hold(
                customer_id=self.customer(who), points=points, cause=Cause(CauseType.REDEEMED_REWARD, self.keys),
                actor=STAFF, now=self.now,
            ),
            keep=self.holds,
        )  # fmt: skip

    @rule(who=anyone, points=some_points, lasts=st.integers(1, 700).map(lambda hours: timedelta(hours=hours)))
    def hold_at_a_till(self, who, points, lasts):
        self.both(
            lambda: self.model.hold(self.person(who), points, lasts=lasts),
            lambda: holds.create(
                customer_id=self.customer(who), points=points, actor=TILL, now=self.now, lasts=lasts
            ),
            keep=self.holds,
        )  # fmt: skip

    @precondition(lambda self: self.holds)
    @rule(which=one_of_them, points=st.none() | some_points)
    def capture(self, which, points):
        hold, row = self.pick(self.holds, which)
        act = {"hold_id": row.pk, "actor": TILL, "now": self.now, "points": points}
        debit = self.both(
            lambda: self.model.capture(hold, points),
            lambda: (
                holds.capture(**act) if hold.ends_at else ledger.capture(**act, kind=TransactionKind.REDEMPTION)
            ),
        )  # fmt: skip
        if debit is not None and debit not in self.debits:
            self.debits.append(debit)

    @precondition(lambda self: self.holds)
    @rule(which=one_of_them)
    def release(self, which):
        hold, row = self.pick(self.holds, which)
        self.both(
            lambda: self.model.release(hold),
            lambda: (
                holds.release(hold_id=row.pk, actor=TILL, now=self.now)
                if hold.ends_at
                else ledger.release(hold_id=row.pk, now=self.now)
            ),
        )

    @rule()
    def holds_time_out(self):
        assert holds.sweep(now=self.now) == self.model.release_due()
        self.step_done()

    # Points come back.

    @precondition(lambda self: self.debits)
    @rule(which=one_of_them, points=st.none() | some_points)
    def reverse(self, which, points):
        debit, entry = self.pick(self.debits, which)
        self.both(
            lambda: self.model.reverse(debit, points),
            lambda: ledger.reverse(
                transaction_id=entry.pk, cause=entry.cause, actor=STAFF, now=self.now, points=points
            ),
        )  # fmt: skip

    @precondition(lambda self: self.debits)
    @rule(which=one_of_them)
    def reverse_after_the_end_of_a_lot(self, which):
        """Time passes until the first of the lots that paid is over, and only then does it all come back."""
        debit, entry = self.pick(self.debits, which)
        ends = [part.lot.expires_at for part in debit.parts if part.lot.expires_at]
        self.model.pass_time(max(self.now, min(ends, default=self.now)))
        self.both(
            lambda: self.model.reverse(debit, None),
            lambda: ledger.reverse(transaction_id=entry.pk, cause=entry.cause, actor=STAFF, now=self.now),
        )

    @rule(which=one_of_them)
    def nothing_but_spent_points_can_be_reversed(self, which):
        others = PointsTransaction.objects.exclude(
            kind__in=[TransactionKind.REDEMPTION, TransactionKind.ADJUSTMENT], points_change__lt=0
        ).order_by("id")
        if others:
            entry = others[which % len(others)]
            self.both(
                self.refuse_to_reverse,
                lambda: ledger.reverse(transaction_id=entry.pk, cause=entry.cause, actor=STAFF, now=self.now),
            )

    # An order is refunded.

    @precondition(lambda self: self.earnings)
    @rule(which=one_of_them, share=shares)
    def claw_back(self, which, share):
        credit, entry = self.pick(self.earnings, which)
        refunded, total = share
        before = PointsShortfall.objects.count()
        self.both(
            lambda: self.model.claw_back(credit, Fraction(refunded, total)),
            lambda: clawback.claw_back(
                earning_id=entry.pk, refunded=Decimal(refunded), total=Decimal(total), actor=STAFF, now=self.now
            ),
        )  # fmt: skip
        if PointsShortfall.objects.count() > before:
            self.shortfalls.append((credit.person.shortfalls[-1], PointsShortfall.objects.latest("id")))

    @rule(
        who=anyone,
        points=some_points,
        afterwards=st.lists(st.sampled_from(["wait", "cancel", "refund", "refund"]), min_size=1, max_size=4),
    )
    def an_order_whose_points_come_back_late(self, who, points, afterwards):
        """A long story that chance alone rarely tells: earned, spent, its lot over, given back, and then the rest."""
        self.earn(who, points, days_ago=0)
        self.debit(who, min(points, self.model.balance(self.person(who))) or 1)
        if self.debits:
            self.reverse_after_the_end_of_a_lot(which=0)
        for act in afterwards:
            match act:
                case "wait":
                    self.time_passes(hours=1000, to_an_edge=timedelta(0))
                case "cancel":
                    self.cancel_a_credit(which=0)
                case "refund":
                    self.claw_back(which=0, share=(100, 100))

    @rule(who=anyone)
    def collect_what_is_owed(self, who):
        self.both(
            lambda: self.model.collect(self.person(who)),
            lambda: shortfalls.collect(customer_id=self.customer(who), actor=STAFF, now=self.now),
        )

    @rule()
    def sweep_what_is_owed(self):
        expiry.settle_due(now=self.now)
        shortfalls.sweep(now=self.now)
        if self.model.programme.shortfalls == "collect":
            for person in self.model.people:
                self.model.collect(person)
        self.step_done()

    @precondition(lambda self: self.shortfalls)
    @rule(which=one_of_them)
    def waive(self, which):
        shortfall, row = self.pick(self.shortfalls, which)
        self.both(
            lambda: self.model.waive(shortfall),
            lambda: shortfalls.waive(shortfall_id=row.pk, actor=STAFF, now=self.now),
        )

    # How.

    @property
    def now(self):
        return self.model.now

    def person(self, who):
        return self.model.people[who]

    def customer(self, who):
        return self.customers[who].pk

    def pick(self, pairs, which):
        return pairs[-1 - which % len(pairs)]

    def refuse_to_reverse(self):
        raise Refused("not_reversible")

    def both(self, expected, actual, *, keep=None):
        """Both act, or both refuse with one code; gives back what the two made."""
        try:
            wanted, refusal = expected(), None
        except Refused as refused:
            wanted, refusal = None, refused.args[0]
        try:
            got, refused_with = actual(), None
        except DomainError as error:
            got, refused_with = None, error.code
        assert refused_with == refusal
        pair = (wanted, got) if refusal is None else None
        if keep is not None and pair is not None:
            keep.append(pair)
        self.step_done()
        return pair

    def step_done(self):
        Desk.steps += 1
        self.own_steps += 1
        if self.own_steps % COMPARE_EVERY == 0:
            self.agree_on_figures()
        if self.own_steps % PROVE_EVERY == 0:
            self.agree_on_lots()
            self.prove()

    def agree_on_figures(self):
        found = queries.balances(customer_ids=[customer.pk for customer in self.customers], now=self.now)
        for customer, person in zip(self.customers, self.model.people, strict=True):
            end, ending = self.model.next_expiry(person)
            assert found[customer.pk] == queries.Balance(
                balance=self.model.balance(person),
                pending=self.model.pending(person),
                held=person.held,
                owed=person.owed,
                next_expiry_at=end,
                next_expiry_points=ending,
            )

    def agree_on_lots(self, *, settled=False):
        """Every lot, hold and shortfall. A lot whose end has passed may still stand as it was until it is settled."""
        for customer, person in zip(self.customers, self.model.people, strict=True):
            rows = PointsLot.objects.filter(customer=customer).order_by("id")
            fields = ("points", "remaining", "available_at", "expires_at", "created_at")
            assert [
                (points, 0 if not settled and end is not None and end <= self.now else remaining, since, end, made)
                for points, remaining, since, end, made in rows.values_list(*fields)
            ] == [tuple(getattr(lot, name) for name in fields) for lot in person.lots]
            held = PointsHold.objects.filter(customer=customer).order_by("id").values_list("points", "state")
            assert list(held) == [(hold.points, hold.state) for hold in person.holds]
            owed = (
                PointsShortfall.objects.filter(customer=customer).order_by("id").values_list("points", "left", "state")
            )
            assert list(owed) == [(row.points, row.left, row.state) for row in person.shortfalls]

    def prove(self):
        assert list(audit.differences()) == []


@pytest.mark.django_db
@pytest.mark.timeout(900)
def test_ledger_and_model_agree_on_every_balance_lot_and_shortfall_after_ten_thousand_acts():
    Desk.steps = 0

    run_state_machine_as_test(
        Desk,
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

    assert Desk.steps >= STEPS
