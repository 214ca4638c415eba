"""Orders: what a shop tells is recorded, earns and uses once, whatever repeats and in whatever order it comes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection as database

from loyalty.common import actors
from loyalty.customers import enrollment
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import queries as points
from loyalty.points.errors import InvalidPoints
from loyalty.points.models import PointsTransaction
from loyalty.program import orders
from loyalty.program.models import Order, OrderCode, OrderRefund, OrderStatus
from platforms import adapter
from platforms.adapter import AppliedCode, ShopOrder, ShopRefund
from rewards import claim, issuing, usage
from rewards.models import FulfillmentStatus, Origin, RedeemedReward, UsageStatus
from rewards.usage import OrderVerdict
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

HOUR = timedelta(hours=1)
PLACED, COMPLETED, CANCELLED = adapter.OrderStatus.PLACED, adapter.OrderStatus.COMPLETED, adapter.OrderStatus.CANCELLED


@pytest.fixture
def shop():
    return ConnectionFactory()


@pytest.fixture
def customer():
    return CustomerFactory(email="anna@example.com")


@pytest.fixture
def redeemed(shop, customer):
    """A pending reward with a code; `issue` makes it issued."""
    reward = RewardFactory(connection=shop)
    return claim.save(
        customer=customer, reward=reward, product=None, origin=Origin.STAFF, actor=actors.SYSTEM, now=NOW,
        cost=0, balance_after=0, idempotency_key=None,
    )  # fmt: skip


def issue(redeemed):
    issuing.record_issued(redeemed=redeemed, now=NOW)


def told(**changes):
    """A completed order of $59.90 by Anna."""
    order = ShopOrder(
        external_id="1001",
        number="#1001",
        status=COMPLETED,
        placed_at=NOW,
        updated_at=NOW,
        total=Decimal("59.90"),
        currency="USD",
        customer_email="anna@example.com",
    )
    return replace(order, **changes)


def record(shop, order, *, now=NOW + HOUR, returns_use=True):
    return orders.record(
        connection_id=shop.pk, order=order, returns_use_on_cancel=returns_use, actor=actors.shop(shop.pk), now=now
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW + 2 * HOUR).balance


def with_code(redeemed, **changes):
    return told(codes=(AppliedCode(code=redeemed.code.code, discount=Decimal("5.00")),), **changes)


def usage_of(redeemed):
    return RedeemedReward.objects.values_list("usage_status", "used_order_id").get(pk=redeemed.pk)


def test_a_completed_order_is_stored_whole_and_earns_a_point_per_whole_unit(shop, customer):
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 2})
    refunds = (ShopRefund(external_id="r1", amount=Decimal("9.90"), refunded_at=NOW),)
    codes = (AppliedCode(code="spring", remote_id="c7", discount=Decimal("3.00")),)

    assert record(shop, told(codes=codes, refunds=refunds)) == [OrderVerdict.FOREIGN]

    stored = Order.objects.get(connection=shop, external_id="1001")
    assert (stored.customer, stored.status, stored.total) == (customer, OrderStatus.COMPLETED, Decimal("59.90"))
    assert (stored.refunded, stored.placed_at, stored.recorded_at) == (Decimal("9.90"), NOW, NOW + HOUR)
    assert OrderCode.objects.values_list("canonical", "remote_id", "discount").get() == (
        "SPRING",
        "c7",
        Decimal("3.00"),
    )
    assert OrderRefund.objects.values_list("external_id", "amount").get() == ("r1", Decimal("9.90"))
    entry, taken_back = PointsTransaction.objects.order_by("id")
    assert (entry.kind, entry.points_change, entry.effective_at) == ("earning", 118, NOW)
    assert (taken_back.kind, taken_back.points_change) == ("clawback", -19)
    assert (entry.cause_type, entry.cause_id, entry.actor_id) == ("order", stored.pk, shop.pk)
    assert Event.objects.get(subject_type="order").kind == "order.completed"


def test_the_same_news_again_changes_nothing(shop, customer):
    record(shop, told())
    before = list(Order.objects.values())

    record(shop, told(), now=NOW + 3 * HOUR)

    assert list(Order.objects.values()) == before
    assert balance(customer) == 59
    assert Event.objects.filter(subject_type="order").count() == 1


def test_newer_news_replaces_what_is_stored_and_does_not_earn_twice(shop, customer):
    record(shop, told(codes=(AppliedCode(code="OLD"),)))

    record(shop, told(updated_at=NOW + HOUR, total=Decimal("70.00"), codes=(AppliedCode(code="NEW"),)))

    assert Order.objects.get().total == Decimal("70.00")
    assert OrderCode.objects.get().canonical == "NEW"
    assert balance(customer) == 59


def test_the_same_news_after_the_programme_changed_its_rate_changes_nothing(shop, customer):
    record(shop, told())
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 3})

    record(shop, told())

    assert balance(customer) == 59


def test_an_order_that_was_changed_in_the_shop_still_uses_its_code(shop, customer, redeemed):
    order = with_code(redeemed)
    assert record(shop, order) == [OrderVerdict.NOT_YET]
    issue(redeemed)

    verdicts = record(shop, replace(order, updated_at=NOW + HOUR, total=Decimal("70.00")))

    assert verdicts == [OrderVerdict.USED]
    assert balance(customer) == 59


def test_older_news_changes_nothing(shop, customer, redeemed):
    issue(redeemed)
    record(shop, told(status=CANCELLED, updated_at=NOW + HOUR))

    assert record(shop, with_code(redeemed)) == []

    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert balance(customer) == 0
    assert usage_of(redeemed) == (UsageStatus.UNUSED, "")


def test_an_order_earns_and_uses_only_when_it_is_completed(shop, customer, redeemed):
    issue(redeemed)
    assert record(shop, with_code(redeemed, status=PLACED)) == []
    assert (balance(customer), usage_of(redeemed)) == (0, (UsageStatus.UNUSED, ""))

    assert record(shop, with_code(redeemed, updated_at=NOW + HOUR)) == [OrderVerdict.USED]

    assert (balance(customer), usage_of(redeemed)) == (59, (UsageStatus.USED, "1001"))


@pytest.mark.parametrize(
    ("returns_use", "after"), [(True, (UsageStatus.UNUSED, "")), (False, (UsageStatus.USED, "1001"))]
)
def test_a_canceled_order_gives_the_use_back_only_where_the_shop_does(shop, redeemed, returns_use, after):
    issue(redeemed)
    record(shop, with_code(redeemed))

    record(shop, with_code(redeemed, status=CANCELLED, updated_at=NOW + HOUR), returns_use=returns_use)

    assert usage_of(redeemed) == after
    assert Event.objects.filter(kind=usage.SPENT).exists() is not returns_use  # staff may reissue it


def test_news_of_the_same_instant_takes_no_order_back(shop, customer, redeemed):
    issue(redeemed)
    record(shop, with_code(redeemed, status=CANCELLED))

    assert record(shop, with_code(redeemed)) == []

    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert (balance(customer), usage_of(redeemed)) == (0, (UsageStatus.UNUSED, ""))


def test_an_order_that_is_canceled_while_it_is_recorded_has_no_effect(shop, customer, redeemed, monkeypatch):
    """The cancelled state arrives between storing the completed one and what follows from that."""
    issue(redeemed)
    store = orders._store

    def store_then_cancel(**given):
        stored = store(**given)
        if given["order"].status == COMPLETED:
            record(shop, with_code(redeemed, status=CANCELLED, updated_at=NOW + HOUR))
        return stored

    monkeypatch.setattr(orders, "_store", store_then_cancel)

    assert record(shop, with_code(redeemed)) == []

    assert (balance(customer), usage_of(redeemed)) == (0, (UsageStatus.UNUSED, ""))


def test_a_code_of_two_orders_stays_used_when_the_first_is_canceled(shop, redeemed):
    issue(redeemed)
    record(shop, with_code(redeemed))
    record(shop, with_code(redeemed, external_id="1002"))

    record(shop, with_code(redeemed, status=CANCELLED, updated_at=NOW + HOUR))

    assert usage_of(redeemed) == (UsageStatus.USED, "1002")
    record(shop, with_code(redeemed, external_id="1002", status=CANCELLED, updated_at=NOW + HOUR))
    assert usage_of(redeemed) == (UsageStatus.UNUSED, "")


def test_an_order_keeps_the_customer_it_earned_for(shop, customer):
    record(shop, told())

    record(shop, told(customer_email="", updated_at=NOW + HOUR))
    record(shop, told(customer_email="ben@example.com", updated_at=NOW + 2 * HOUR), now=NOW + 3 * HOUR)

    assert Order.objects.get().customer == customer


def test_codes_and_refunds_that_fit_no_column_do_not_stop_an_order(shop, customer, redeemed):
    issue(redeemed)
    told_codes = (AppliedCode(code="X" * 200, remote_id="r" * 300), AppliedCode(code=redeemed.code.code))
    nothing = (ShopRefund(external_id="r0", amount=Decimal(0), refunded_at=NOW),)

    verdicts = record(shop, told(codes=told_codes, refunds=nothing))

    assert verdicts == [OrderVerdict.FOREIGN, OrderVerdict.USED]
    assert OrderRefund.objects.count() == 0
    assert balance(customer) == 59


@pytest.mark.parametrize(
    "changes",
    [
        {"total": Decimal(10**10)},
        {"total": Decimal("-0.01")},
        {"external_id": "x" * 121},
        {"customer_external_id": "c" * 121},
        {"currency": "EURO"},
        {"placed_at": datetime.max.replace(tzinfo=UTC)},
        {"codes": (AppliedCode(code="A", discount=Decimal(10**10)),)},
        {"refunds": (ShopRefund(external_id="r" * 121, amount=Decimal(1), refunded_at=NOW),)},
        {"refunds": (ShopRefund(external_id="r", amount=Decimal(-1), refunded_at=NOW),)},
    ],
)
def test_an_order_that_cannot_be_kept_is_refused_with_a_sentence(shop, customer, changes):
    with pytest.raises(orders.OrderUnusable) as refusal:
        record(shop, told(**changes))

    assert refusal.value.code == "order_unusable"
    assert not Order.objects.exists()
    assert not PointsTransaction.objects.exists()


def test_points_that_cannot_be_earned_do_not_keep_a_code_unused(shop, customer, redeemed):
    issue(redeemed)

    with pytest.raises(InvalidPoints):
        record(shop, with_code(redeemed, total=Decimal(3 * 10**9)))

    assert usage_of(redeemed) == (UsageStatus.USED, "1001")


def test_a_reward_that_is_still_being_made_is_not_yet_used_and_is_when_the_order_comes_again(shop, customer, redeemed):
    order = with_code(redeemed)
    assert record(shop, order) == [OrderVerdict.NOT_YET]
    assert RedeemedReward.objects.get().fulfillment_status == FulfillmentStatus.PENDING

    issue(redeemed)

    assert record(shop, order) == [OrderVerdict.USED]
    assert record(shop, order) == [OrderVerdict.KNOWN]
    assert balance(customer) == 59


def test_a_code_used_by_two_orders_stays_with_the_first(shop, redeemed):
    issue(redeemed)
    record(shop, with_code(redeemed))

    assert record(shop, with_code(redeemed, external_id="1002")) == [OrderVerdict.OTHER_ORDER]

    assert usage_of(redeemed) == (UsageStatus.USED, "1001")


def test_the_same_code_in_another_shop_is_foreign(redeemed):
    issue(redeemed)
    other = ConnectionFactory()

    assert record(other, with_code(redeemed)) == [OrderVerdict.FOREIGN]

    assert usage_of(redeemed) == (UsageStatus.UNUSED, "")


def test_the_customer_is_known_by_the_shops_id_before_the_e_mail(shop, customer):
    by_id = CustomerFactory(email="ben@example.com")
    enrollment.link_identity(
        customer_id=by_id.pk, connection_id=shop.pk, external_id="77", now=NOW, actor=actors.SYSTEM
    )

    record(shop, told(customer_external_id="77"))

    assert Order.objects.get().customer == by_id
    assert (balance(by_id), balance(customer)) == (59, 0)


def test_an_unknown_buyer_becomes_a_guest_and_the_next_order_finds_them(shop):
    record(shop, told(customer_email="new@example.com", customer_external_id="5"))
    record(shop, told(external_id="1002", customer_email="", customer_external_id="5"))

    guest = Customer.objects.get()
    assert (guest.email, guest.state) == ("new@example.com", CustomerState.CANDIDATE)
    assert CustomerIdentity.objects.get().external_id == "5"
    assert balance(guest) == 118


@pytest.mark.parametrize("email", ["", "not an address"])
def test_an_order_of_nobody_is_kept_and_earns_nothing(shop, email):
    record(shop, told(customer_email=email))

    assert Order.objects.get().customer is None
    assert not PointsTransaction.objects.exists()
    assert not Customer.objects.exists()


def test_an_excluded_customer_earns_nothing(shop):
    CustomerFactory(email="anna@example.com", state=CustomerState.DISABLED)

    record(shop, told())

    assert Order.objects.get().customer is not None
    assert not PointsTransaction.objects.exists()


def test_the_same_order_number_of_two_shops_is_two_orders(shop, customer):
    record(shop, told())
    record(ConnectionFactory(), told())

    assert Order.objects.count() == 2
    assert balance(customer) == 118


def test_refunds_never_exceed_the_order_and_are_kept_once(shop):
    refunds = tuple(ShopRefund(external_id=f"r{n}", amount=Decimal("40.00"), refunded_at=NOW) for n in range(2))
    record(shop, told(refunds=refunds[:1]))

    record(shop, told(refunds=refunds, updated_at=NOW + HOUR))

    assert Order.objects.get().refunded == Decimal("59.90")
    assert OrderRefund.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False])
def test_two_deliveries_of_one_order_at_once_earn_and_use_once(shop, known):
    if known:
        CustomerFactory(email="anna@example.com")
    owner = CustomerFactory()
    redeemed = claim.save(
        customer=owner, reward=RewardFactory(connection=shop), product=None, origin=Origin.STAFF, actor=actors.SYSTEM,
        now=NOW, cost=0, balance_after=0, idempotency_key=None,
    )  # fmt: skip
    issue(redeemed)
    workers = 6
    together, verdicts, errors = Barrier(workers), [], []

    def deliver():
        try:
            together.wait(timeout=20)
            verdicts.extend(record(shop, with_code(redeemed, customer_external_id="9")))
        except Exception as error:  # noqa: BLE001 (shown by the assertion below)
            errors.append(error)
        finally:
            database.close()

    threads = [Thread(target=deliver) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert errors == []
    assert sorted(verdicts) == [OrderVerdict.KNOWN] * (workers - 1) + [OrderVerdict.USED]
    assert Order.objects.count() == 1
    assert PointsTransaction.objects.values_list("points_change", flat=True).get() == 59
    assert Event.objects.filter(kind="reward.used").count() == 1
    assert Customer.objects.filter(email="anna@example.com").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancellation_waits_for_the_use_that_is_being_recorded(monkeypatch):
    shop = ConnectionFactory()
    redeemed = claim.save(
        customer=CustomerFactory(), reward=RewardFactory(connection=shop), product=None, origin=Origin.STAFF,
        actor=actors.SYSTEM, now=NOW, cost=0, balance_after=0, idempotency_key=None,
    )  # fmt: skip
    issue(redeemed)
    use = usage.record_order_use

    def cancel():
        try:
            record(shop, with_code(redeemed, status=CANCELLED, updated_at=NOW + HOUR))
        finally:
            database.close()

    cancelling = Thread(target=cancel)

    def use_while_it_is_cancelled(**given):
        cancelling.start()
        cancelling.join(timeout=0.5)
        return use(**given)

    monkeypatch.setattr(usage, "record_order_use", use_while_it_is_cancelled)

    record(shop, with_code(redeemed))
    cancelling.join(timeout=20)

    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert usage_of(redeemed) == (UsageStatus.UNUSED, "")
