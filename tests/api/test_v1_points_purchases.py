from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from loyalty.api.models import IdempotencyRecord
from loyalty.customers.models import CustomerState
from loyalty.points import audit
from loyalty.points import queries as points
from rewards import issuing
from rewards.models import RedeemedReward
from tests.api.conftest import Integrator, refusal
from tests.factories.catalogue import VariablePriceFactory
from tests.factories.people import ShippingAddressFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ledger_stays_proved(db):
    yield
    assert list(audit.differences()) == []


@pytest.fixture(autouse=True)
def short_patience(settings):
    settings.REDEEM_DEADLINE_SECONDS = 1
    settings.ABSENCE_PROVED_AFTER_SECONDS = 1


def purchase(api, product, customer, **more):
    body = {"customer_id": customer.pk} | more.pop("body", {})
    return api.post(f"/points_products/{product.pk}/purchase", body, **more)


def figures(customer):
    found = points.balance(customer_id=customer.pk, now=timezone.now())
    return found.balance, found.held


@pytest.mark.django_db(transaction=True)
def test_answers_with_the_code_the_shop_really_has(api, product, customer, shop):
    answer = purchase(api, product, customer)

    assert answer.status_code == 201
    bought = answer.json()["points_purchase"]
    reward = bought.pop("reward_fulfillment")
    assert bought["created_at"].endswith("Z")
    assert bought["updated_at"].endswith("Z")
    assert {name: bought[name] for name in ("id", "customer_id", "points_product_id", "points_spent")} == {
        "id": reward["id"],
        "customer_id": customer.pk,
        "points_product_id": product.pk,
        "points_spent": 100,
    }
    assert reward["fulfillment_status"] == "issued"
    assert shop.codes(reward["code"])[0]["amount"] == "5.00"
    assert figures(customer) == (150, 0)
    assert api.get(f"/reward_fulfillments/{reward['id']}").json()["reward_fulfillment"] == reward


@pytest.mark.parametrize("spend", [None, 100, "100"])
def test_the_points_to_spend_may_be_left_out_null_or_the_price(api, gift, customer, spend):
    assert purchase(api, gift, customer, body={"points_to_spend": spend}).status_code == 201


@pytest.mark.parametrize("spend", [99, 0, -100, 2**63 - 1])
def test_other_points_to_spend_than_the_price_are_refused(api, gift, customer, spend):
    answer = purchase(api, gift, customer, body={"points_to_spend": spend})

    assert refusal(answer) == (422, "price_changed")
    assert figures(customer) == (250, 0)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"points_purchase": body}])
def test_takes_numeric_strings_wrapped_or_flat_with_or_without_a_slash(api, gift, customer, slash, wrap):
    answer = api.post(f"/points_products/{gift.pk}/purchase{slash}", wrap({"customer_id": str(customer.pk)}))

    assert answer.status_code == 201


@pytest.mark.parametrize("value", [True, 1.5, "", "x", [1], None, 2**64])
def test_a_customer_id_that_is_none_is_refused(api, gift, value):
    assert refusal(api.post(f"/points_products/{gift.pk}/purchase", {"customer_id": value}))[0] == 400


def test_too_few_points_are_refused_and_leave_nothing_behind(api, gift):
    poor = ShippingAddressFactory().customer
    give(poor, 99, now=timezone.now())

    assert refusal(purchase(api, gift, poor)) == (422, "insufficient_points")
    assert figures(poor) == (99, 0)
    assert not RedeemedReward.objects.exists()


def test_an_excluded_customer_is_refused(api, gift, customer):
    customer.state = CustomerState.DISABLED
    customer.save()

    assert refusal(purchase(api, gift, customer)) == (422, "customer_disabled")
    assert figures(customer) == (250, 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enabled": False}, "reward_disabled"),
        ({"active_from": timezone.now() + timedelta(days=1)}, "reward_not_started"),
        ({"active_until": timezone.now() - timedelta(days=1)}, "reward_ended"),
        ({"limit_per_customer": 0}, "limit_reached"),
        ({"limit_total": 0}, "reward_sold_out"),
    ],
)
def test_a_reward_that_is_not_to_be_had_is_refused(api, gift, customer, changes, code):
    for name, value in changes.items():
        setattr(gift.reward, name, value)
    gift.reward.save()

    assert refusal(purchase(api, gift, customer)) == (422, code)
    assert figures(customer) == (250, 0)


def test_unknown_ids_are_refused(api, gift, customer):
    assert refusal(api.post(f"/points_products/{gift.pk}/purchase", {"customer_id": 987654321})) == (
        422,
        "unknown_customer",
    )
    assert refusal(api.post("/points_products/987654321/purchase", {"customer_id": customer.pk})) == (404, "not_found")


def test_a_refusal_of_the_shop_is_a_refusal_and_no_reward(api, product, customer, shop):
    shop.fault("create", "refuse")

    answer = purchase(api, product, customer)

    assert refusal(answer) == (422, "redemption_failed")
    assert "No points were spent" in answer.json()["error"]["message"]
    assert figures(customer) == (250, 0)
    attempt = RedeemedReward.objects.get()
    assert api.get("/reward_fulfillments").json()["reward_fulfillments"] == []
    assert refusal(api.get(f"/reward_fulfillments/{attempt.pk}")) == (404, "not_found")
    for act in ("cancel", "mark_used", "mark_unused"):
        assert refusal(api.post(f"/reward_fulfillments/{attempt.pk}/{act}")) == (404, "not_found")


def test_a_repeated_key_answers_with_the_same_code(api, product, customer, shop):
    first = purchase(api, product, customer, key="one")
    second = purchase(api, product, customer, key="one")

    assert second.status_code == 201
    assert second.json() == first.json()
    assert second["Idempotent-Replayed"] == "true"
    assert figures(customer) == (150, 0)


def test_a_key_that_was_used_for_another_customer_is_refused(api, gift, customer):
    other = ShippingAddressFactory().customer
    give(other, 250, now=timezone.now())
    purchase(api, gift, customer, key="one")

    assert refusal(purchase(api, gift, other, key="one")) == (422, "idempotency_conflict")
    assert figures(other) == (250, 0)


def test_a_last_spend_can_be_repeated_though_the_points_are_gone(api, gift):
    poor = ShippingAddressFactory().customer
    give(poor, 100, now=timezone.now())

    assert purchase(api, gift, poor, key="one").status_code == 201
    assert purchase(api, gift, poor, key="one").status_code == 201
    assert figures(poor) == (0, 0)


def test_a_purchase_whose_process_was_killed_before_it_answered_is_resumed_exactly(api, product, customer):
    first = purchase(api, product, customer, key="one")
    IdempotencyRecord.objects.update(status=None, body=None, locked_until=timezone.now() - timedelta(seconds=1))

    again = purchase(api, product, customer, key="one")

    assert again.json()["points_purchase"]["id"] == first.json()["points_purchase"]["id"]
    assert figures(customer) == (150, 0)


def test_a_resumed_purchase_keeps_its_price_though_the_reward_costs_more_by_now(api, gift, customer):
    body = {"points_to_spend": 100}
    first = purchase(api, gift, customer, key="one", body=body)
    IdempotencyRecord.objects.update(status=None, body=None, locked_until=timezone.now() - timedelta(seconds=1))
    gift.points_price = 120
    gift.save()

    again = purchase(api, gift, customer, key="one", body=body)

    assert again.status_code == 201
    assert again.json()["points_purchase"]["id"] == first.json()["points_purchase"]["id"]
    assert refusal(purchase(api, gift, customer, key="two", body=body)) == (422, "price_changed")
    assert figures(customer) == (150, 0)


@pytest.mark.django_db(transaction=True)
def test_an_unresolved_purchase_is_503_and_its_key_later_answers_with_the_result(api, product, customer, shop):
    shop.fault("create", "drop_after_accepting")
    shop.fault("find", "server_error", times=50)

    first = purchase(api, product, customer, key="one")

    assert refusal(first) == (503, "redemption_unresolved")
    assert int(first["Retry-After"]) > 0
    assert figures(customer) == (150, 100)
    waiting = RedeemedReward.objects.get()
    assert refusal(api.get(f"/reward_fulfillments/{waiting.pk}")) == (404, "not_found")
    assert refusal(purchase(api, product, customer, key="one")) == (503, "redemption_unresolved")

    shop.clear_faults()
    later = timezone.now() + timedelta(minutes=5)
    issuing.work(claim=issuing.take(redeemed_reward_id=waiting.pk, now=later), now=later, patience=2.0)
    answer = purchase(api, product, customer, key="one")

    assert answer.status_code == 201
    assert answer.json()["points_purchase"]["id"] == waiting.pk
    assert answer.json()["points_purchase"]["reward_fulfillment"]["fulfillment_status"] == "issued"
    assert answer.get("Idempotent-Replayed") is None
    assert purchase(api, product, customer, key="one")["Idempotent-Replayed"] == "true"
    assert figures(customer) == (150, 0)


@pytest.mark.django_db(transaction=True)
def test_six_at_once_with_one_key_make_one_purchase(api, gift, customer):
    secret = api.headers["Authorization"].removeprefix("Bearer ")
    start, answers = Barrier(6), []

    def call():
        caller = Integrator(secret)
        start.wait()
        answers.append(purchase(caller, gift, customer, key="one"))
        connection.close()

    threads = [Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["points_purchase"]["id"] for answer in answers if answer.status_code == 201}) == 1
    assert RedeemedReward.objects.count() == 1
    assert figures(customer) == (150, 0)


@pytest.mark.django_db(transaction=True)
def test_a_variable_cost_takes_the_points_to_spend(api, customer):
    product = VariablePriceFactory()

    bought = purchase(api, product, customer, body={"points_to_spend": 200}).json()["points_purchase"]

    assert (bought["points_spent"], bought["reward_fulfillment"]["name"]) == (200, "$4 off coupon")
    assert figures(customer) == (50, 0)


@pytest.mark.parametrize("spend", [None, 0, 100, 250, 900])
def test_points_off_the_steps_of_a_variable_cost_are_refused(api, customer, spend):
    answer = purchase(api, VariablePriceFactory(), customer, body={"points_to_spend": spend})

    assert refusal(answer) == (422, "points_not_accepted")
    assert figures(customer) == (250, 0)


ADDRESS = {"line_1": "ul. Długa 2", "city": "Gdańsk", "country": "PL"}


def test_a_gift_goes_to_the_address_it_is_redeemed_with_and_the_customers_own_stays(api, gift, customer):
    body = {"customer_id": customer.pk, "shipping_address": ADDRESS}

    answer = api.post(f"/points_products/{gift.pk}/purchase", body)

    assert answer.status_code == 201, answer.json()
    assert RedeemedReward.objects.get().shipping_address["line_1"] == "ul. Długa 2"
    customer.shipping_address.refresh_from_db()
    assert customer.shipping_address.line_1 == "ul. Prosta 1"


def test_a_gift_without_any_address_asks_for_one_and_names_the_field(api, gift, customer):
    customer.shipping_address.delete()
    path = f"/points_products/{gift.pk}/purchase"

    flat = api.post(path, {"customer_id": customer.pk})
    wrapped = api.post(path, {"points_purchase": {"customer_id": customer.pk}})

    assert refusal(flat) == refusal(wrapped) == (422, "address_needed")
    assert flat.json()["error"]["pointer"] == "/shipping_address"
    assert wrapped.json()["error"]["pointer"] == "/points_purchase/shipping_address"
    assert "Give an address with it." in flat.json()["error"]["message"]
    assert not RedeemedReward.objects.exists()
    assert api.post(path, {"customer_id": customer.pk, "shipping_address": ADDRESS}).status_code == 201


def test_a_discount_asks_for_no_address(api, product, customer):
    customer.shipping_address.delete()

    assert api.post(f"/points_products/{product.pk}/purchase", {"customer_id": customer.pk}).status_code == 201


@pytest.mark.parametrize("field", ["line_1", "city", "country"])
def test_an_address_without_a_part_it_needs_is_refused_by_name(api, gift, customer, field):
    address = {name: value for name, value in ADDRESS.items() if name != field}

    answer = api.post(f"/points_products/{gift.pk}/purchase", {"customer_id": customer.pk, "shipping_address": address})

    assert refusal(answer) == (400, "missing_parameter")
    assert answer.json()["error"]["pointer"] == f"/shipping_address/{field}"
