"""Shopify's store credit, over HTTP with a fake that holds us to Shopify's own schema in both versions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from platforms.adapter import Outcome, Refusal, WebhookRejected
from platforms.payouts import shopify_credit
from platforms.payouts.provider import Receiver
from platforms.shopify import sentences
from tests.fakes.payout_contract import shopify_harness


@pytest.fixture
def shop(tmp_path):
    with shopify_harness(tmp_path) as harness:
        yield harness


def given(shop, order):
    return shop.fake.credits.of(shop.fake.shop.customer(order.receiver.email))


@pytest.mark.parametrize("version", sentences.VERSIONS)
def test_gives_and_finds_credit_in_each_version(shop, version):
    payer = shop.provider(credentials=shop.credentials() | {"version": version})
    order = shop.order()

    sent, found = payer.submit(order), payer.query(order)

    assert sent.ok, sent.reason
    assert sent.value == found.value


def test_the_credit_ends_at_a_second_of_its_own_after_five_years(shop):
    order = shop.order(number=86_400 * 3 + 7_261, decided_at=datetime(2027, 2, 27, 23, 59, tzinfo=UTC))

    shop.provider().submit(order)

    (credit,) = given(shop, order)
    assert credit.ends_at == datetime(2032, 2, 26, 2, 1, 1, tzinfo=UTC)


def test_the_days_are_the_merchants_and_a_change_of_them_loses_nothing(shop):
    order = shop.order()
    shop.provider(credentials=shop.credentials() | {"days": "30"}).submit(order)

    found = shop.provider(credentials=shop.credentials() | {"days": "90"}).query(order)

    (credit,) = given(shop, order)
    assert credit.ends_at.date() == (order.decided_at + timedelta(days=30)).date()
    assert found.value.remote_id == str(credit.number)


def test_two_orders_of_one_customer_are_told_apart(shop):
    first = shop.order()
    second = shop.order(receiver=first.receiver)

    shop.provider().submit(second)

    assert shop.provider().query(first).value is None
    assert shop.provider().query(second).value.remote_id == str(given(shop, first)[0].number)


def test_a_credit_from_before_the_order_is_not_it(shop):
    order = shop.order()
    shop.provider().submit(order)

    later = replace(order, decided_at=datetime.now(UTC) + timedelta(minutes=30))

    assert shop.provider().query(later).value is None


def test_with_the_mark_but_another_amount_it_is_told_as_it_is(shop):
    order = shop.order()
    shop.provider().submit(replace(order, amount=Decimal("50.00")))

    assert shop.provider().query(order).value.amount == Decimal("50.00")


def test_two_with_the_same_mark_are_left_to_a_person(shop):
    order = shop.order()
    shop.provider().submit(order)
    shop.provider().submit(order)

    answer = shop.provider().query(order)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert answer.reason.endswith("which is ours cannot be told.")


def test_more_credits_than_can_be_read_are_left_to_a_person(shop):
    order = shop.order()
    customer = shop.fake.shop.customer(order.receiver.email)
    for _ in range(26):
        shop.fake.credits.give(shop.fake.shop, customer, {"creditAmount": {"amount": "1", "currencyCode": "USD"}})

    answer = shop.provider().query(order)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)
    assert "more credits since then than can be read" in answer.reason


@pytest.mark.parametrize(
    ("limit", "changes", "reason"),
    [
        (Decimal(1), {}, shopify_credit.REFUSALS["CREDIT_LIMIT_EXCEEDED"]),
        (Decimal(9999), {"currency": "EUR"}, shopify_credit.REFUSALS["UNSUPPORTED_CURRENCY"]),
        (Decimal(9999), {"receiver": Receiver(email="nobody@example.com")}, shopify_credit.NO_CUSTOMER),
        (Decimal(9999), {"receiver": Receiver(external_id="99999")}, shopify_credit.NO_CUSTOMER),
    ],
)
def test_each_refusal_of_the_shops_has_its_sentence(shop, limit, changes, reason):
    shop.fake.credits.limit = limit

    answer = shop.provider().submit(shop.order(**changes))

    assert (answer.outcome, answer.reason) == (Outcome.REJECTED, reason)
    assert shop.fake.credits.given == []


def test_when_it_cannot_be_asked_who_the_customer_is_nothing_was_sent(shop):
    shop.fake.fault("FindCustomer", "drop_after")

    answer = shop.provider().submit(shop.order())

    assert answer.outcome is Outcome.NOT_SENT
    assert "GiveCredit" not in shop.fake.asked


@pytest.mark.parametrize("scope", ["write_store_credit_account_transactions", "read_store_credit_accounts"])
def test_a_missing_scope_is_named(shop, scope):
    shop.fake.shop.scopes -= {scope}

    tested, sent = shop.provider().test_connection(), shop.provider().submit(shop.order())

    assert (tested.outcome, tested.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert scope in tested.reason
    assert sent.ok is (scope == "read_store_credit_accounts")


def test_a_shop_that_gives_no_store_credit_says_where_to_switch_it_on(shop):
    shop.fake.credits.enabled = False

    assert shop.provider().test_connection().reason == shopify_credit.SWITCHED_OFF


def test_another_currency_than_the_shops_is_said(shop):
    answer = shop.provider(currency="EUR").test_connection()

    assert "set to EUR, but Lilies sells in USD" in answer.reason


@pytest.mark.parametrize("days", ["0", "3651", "-1", "many", "1.5", "٣٠"])
def test_days_that_are_none_are_refused_before_anything_is_sent(shop, days):
    payer = shop.provider(credentials=shop.credentials() | {"days": days})

    assert payer.submit(shop.order()).reason == shopify_credit.BAD_DAYS
    assert payer.test_connection().reason == shopify_credit.BAD_DAYS
    assert "GiveCredit" not in shop.fake.asked


def test_shopify_calls_nobody_back(shop):
    with pytest.raises(WebhookRejected):
        shop.provider().parse_webhook(headers={}, body=b"{}", now=datetime.now(UTC))
