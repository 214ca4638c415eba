from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from loyalty.points import queries as points
from platforms.payouts.provider import PayoutReport, PayoutStatus
from rewards import payouts
from rewards.models import Cancellation, Payout, PayoutEvidenceKind, RedeemedReward
from tests.api.conftest import refusal
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.rewards.admin_rows import row as failed_row

pytestmark = pytest.mark.django_db

PATH = "/reward_fulfillments"
SMILE = {
    *("id", "name", "code", "customer_id", "fulfillment_status", "image_url", "action_text", "action_url"),
    *(
        "usage_instructions",
        "terms_and_conditions",
        "expires_at",
        "usage_status",
        "used_at",
        "created_at",
        "updated_at",
    ),
}
OURS = {
    "brand",
    *("status", "type", "origin", "delivery_status", "cost_in_points", "reward_id", "points_product_id", "issued_at"),
    *("cancelled_at", "used_order_id", "customer", "starts_at", "reissue_of_id", "remaining"),
    *("cashback_status", "payout"),
}


@pytest.fixture
def bought(api, product, customer):
    """A discount with a code in the shop."""
    return buy(api, product, customer)


@pytest.fixture
def mug(api, gift, customer):
    return buy(api, gift, customer)


def buy(api, product, customer):
    answer = api.post(f"/points_products/{product.pk}/purchase", {"customer_id": customer.pk})
    assert answer.status_code == 201, answer.json()
    return answer.json()["points_purchase"]["reward_fulfillment"]


def balance(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


def shown(answer):
    assert answer.status_code == 200, answer.json()
    return answer.json()["reward_fulfillment"]


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["reward_fulfillments"]]


def test_shows_a_redeemed_reward_as_smile_does_with_our_fields_beside(api, bought, customer, product):
    row = shown(api.get(f"{PATH}/{bought['id']}"))

    assert row == bought
    assert row.keys() == SMILE | OURS
    expected = {
        "name": "$5 off",
        "customer_id": customer.pk,
        "fulfillment_status": "issued",
        "usage_status": "unused",
        "used_at": None,
        "expires_at": None,
        "image_url": "",
        "action_text": None,
        "action_url": "https://shop.example/",
        "usage_instructions": "Type it in.",
        "terms_and_conditions": "Once per order.",
        "status": "issued",
        "type": "discount_code",
        "brand": None,
        "origin": "redemption",
        "delivery_status": None,
        "cost_in_points": 100,
        "reward_id": product.reward_id,
        "points_product_id": product.pk,
        "customer": {"id": customer.pk, "email": customer.email},
    }
    assert {name: row[name] for name in expected} == expected


def test_an_end_at_midnight_reads_as_the_last_millisecond_of_the_day(api, mug):
    RedeemedReward.objects.update(expires_at=datetime(2031, 3, 1, tzinfo=UTC))

    assert shown(api.get(f"{PATH}/{mug['id']}"))["expires_at"] == "2031-02-28T23:59:59.999Z"


def test_what_has_expired_is_still_issued_and_says_so_beside(api, mug):
    RedeemedReward.objects.update(
        expires_at=timezone.now() + timedelta(seconds=-1), redeemed_at=timezone.now() - timedelta(days=2)
    )

    row = shown(api.get(f"{PATH}/{mug['id']}"))

    assert (row["fulfillment_status"], row["usage_status"], row["status"]) == ("issued", "unused", "expired")


def test_lists_newest_first_with_cursors(api, gift, customer):
    give(customer, 100, now=timezone.now())
    made = [buy(api, gift, customer)["id"] for _ in range(3)][::-1]

    first = api.get(f"{PATH}/", limit=2)
    second = api.get(PATH, limit=2, cursor=first.json()["metadata"]["next_cursor"])

    assert [ids(first), ids(second)] == [made[:2], made[2:]]


def test_finds_by_customer_and_by_each_status(api, bought, mug, customer):
    other = CustomerFactory()
    used, unused = mug["id"], bought["id"]
    api.post(f"{PATH}/{used}/mark_used")

    assert ids(api.get(PATH, customer_id=customer.pk)) == [used, unused]
    assert ids(api.get(PATH, customer_id=other.pk)) == []
    assert ids(api.get(PATH, usage_status="used")) == [used]
    assert ids(api.get(PATH, usage_status="unused")) == [unused]
    assert ids(api.get(PATH, usage_status="untracked")) == []
    assert ids(api.get(PATH, fulfillment_status="issued")) == [used, unused]
    assert ids(api.get(PATH, fulfillment_status="cancelled")) == []
    assert ids(api.get(PATH, type="gift")) == [used]
    assert ids(api.get(PATH, status="used")) == [used]
    assert ids(api.get(PATH, delivery_status="ordered")) == [used]
    assert ids(api.get(PATH, search=bought["code"][:8])) == [unused]


def test_finds_what_changed_at_or_after_an_instant(api, bought, mug):
    RedeemedReward.objects.filter(pk=bought["id"]).update(updated_at=datetime(2024, 1, 1, tzinfo=UTC))

    assert ids(api.get(PATH, updated_at_min="2024-01-01T00:00:00.001Z")) == [mug["id"]]
    assert ids(api.get(PATH, updated_at_min="2024-01-01T00:00:00Z")) == [mug["id"], bought["id"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_id", "abc"),
        ("customer_id", ""),
        ("customer_id", "-1"),
        ("customer_id", "9" * 40),
        ("customer_id", "1e400"),
        ("fulfillment_status", "canceled"),
        ("fulfillment_status", ""),
        ("usage_status", "maybe"),
        ("updated_at_min", "soon"),
        ("redeemed_after", "soon"),
        ("status", "x\x00"),
        ("search", ""),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_and_never_ignored(api, name, value):
    answer = api.get(PATH, **{name: value})

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["error"]["message"].startswith(name)


def test_days_beyond_all_years_of_a_desk_find_all_or_nothing(api, bought, mug):
    long_ago, one_day = "0157-11-03T14:07:50Z", "9000-01-01"

    assert ids(api.get(PATH, redeemed_after=long_ago, redeemed_before=one_day)) == [mug["id"], bought["id"]]
    assert ids(api.get(PATH, redeemed_before=long_ago)) == ids(api.get(PATH, redeemed_after=one_day)) == []
    assert refusal(api.get(PATH, redeemed_before="0157-13-03")) == (400, "invalid_parameter")


def test_an_unknown_word_is_answered_with_the_known_ones(api):
    answer = api.get(PATH, fulfillment_status="canceled")

    sentence = "fulfillment_status: 'canceled' is unknown. Write one of pending, issued, failed, cancelled."
    assert answer.json()["error"]["message"] == sentence


def test_of_several_statuses_any_will_do(api, bought, mug):
    api.post(f"{PATH}/{mug['id']}/mark_used")

    assert ids(api.get(PATH, usage_status=["used", "unused"])) == [mug["id"], bought["id"]]
    assert refusal(api.get(PATH, usage_status=["used", ""])) == (400, "invalid_parameter")
    assert refusal(api.get(PATH, usage_status=["used", "maybe"])) == (400, "invalid_parameter")


@pytest.mark.parametrize("name", ["customer_id", "search", "redeemed_after", "updated_at_min"])
def test_any_other_filter_that_is_given_twice_is_refused(api, mug, name):
    answer = api.get(PATH, **{name: ["1", "1"]})

    assert refusal(answer) == (400, "invalid_parameter")
    assert answer.json()["error"]["message"] == f"{name} is given 2 times. Give it once."


def test_the_id_of_nobody_finds_nothing_as_in_every_list(api, mug):
    for path in (PATH, "/points_transactions"):
        for nobody in (0, 2**63 - 1):
            assert api.get(path, customer_id=nobody).json()[path[1:]] == []
        assert refusal(api.get(path, customer_id=2**63)) == (400, "invalid_parameter")


def test_parameters_of_older_clients_are_ignored(api, mug):
    assert ids(api.get(PATH, is_transient="false", with_customer="true", page=1, page_size=10)) == [mug["id"]]


def test_unknown_ids_are_not_found(api):
    assert refusal(api.get(f"{PATH}/987654321")) == (404, "not_found")
    for act in ("cancel", "mark_used", "mark_unused"):
        assert refusal(api.post(f"{PATH}/987654321/{act}")) == (404, "not_found")
        assert refusal(api.post(f"{PATH}/x/{act}/")) == (404, "not_found")
        assert refusal(api.get(f"{PATH}/1/{act}")) == (405, "method_not_allowed")


@pytest.mark.django_db(transaction=True)
def test_canceling_kills_the_code_in_the_shop_and_gives_the_points_back(api, bought, customer, shop):
    row = shown(api.post(f"{PATH}/{bought['id']}/cancel", {"internal_note": "by mistake"}))

    assert (row["fulfillment_status"], row["status"]) == ("cancelled", "cancelled")
    assert row["cancelled_at"] is not None
    assert not shop.codes(bought["code"])[0]["alive"]
    assert balance(customer) == 250
    assert Cancellation.objects.get().internal_note == "by mistake"


def test_canceling_can_keep_the_points(api, bought, customer):
    shown(api.post(f"{PATH}/{bought['id']}/cancel/", {"reward_fulfillment": {"return_points": False}}))

    assert balance(customer) == 150


def test_canceling_twice_gives_the_points_back_once(api, bought, customer):
    for _ in range(2):
        assert shown(api.post(f"{PATH}/{bought['id']}/cancel"))["status"] == "cancelled"

    assert balance(customer) == 250


def test_a_repeated_key_cancels_once(api, mug, customer):
    first = api.post(f"{PATH}/{mug['id']}/cancel", key="one")
    second = api.post(f"{PATH}/{mug['id']}/cancel", key="one")

    assert shown(first) == shown(second)
    assert second["Idempotent-Replayed"] == "true"
    assert balance(customer) == 250


def test_while_the_shop_is_down_a_cancellation_is_under_way_and_the_code_is_not_shown(api, bought, customer, shop):
    shop.fault("all", "server_error", times=50)

    answer = api.post(f"{PATH}/{bought['id']}/cancel")

    assert answer.status_code == 202
    row = answer.json()["reward_fulfillment"]
    assert (row["fulfillment_status"], row["status"], row["code"]) == ("issued", "cancelling", None)
    assert balance(customer) == 150
    assert ids(api.get(PATH, status="cancelling")) == [bought["id"]]
    marked = api.post(f"{PATH}/{bought['id']}/mark_unused")
    assert shown(marked)["status"] == "cancelling"  # 200: what was asked is so; only of a cancellation 202 tells


def test_what_was_used_is_not_canceled(api, bought, customer, shop):
    shop.checkout(customer.email, code=bought["code"])

    answer = api.post(f"{PATH}/{bought['id']}/cancel")

    assert refusal(answer) == (422, "used_meanwhile")
    assert shown(api.get(f"{PATH}/{bought['id']}"))["status"] == "used"
    assert balance(customer) == 150


def test_marks_used_and_unused_again(api, mug):
    used = shown(api.post(f"{PATH}/{mug['id']}/mark_used", {"order_id": "1042"}))
    assert (used["usage_status"], used["status"], used["delivery_status"]) == ("used", "used", "ordered")
    assert used["used_order_id"] == "1042"
    assert used["used_at"].endswith("Z")

    unused = shown(api.post(f"{PATH}/{mug['id']}/mark_unused/"))
    assert (unused["usage_status"], unused["status"], unused["delivery_status"]) == ("unused", "issued", None)
    assert (unused["used_at"], unused["used_order_id"]) == (None, None)


def test_marking_twice_is_harmless(api, mug):
    first = shown(api.post(f"{PATH}/{mug['id']}/mark_used"))

    assert shown(api.post(f"{PATH}/{mug['id']}/mark_used")) == first


def test_what_is_canceled_is_not_marked(api, mug):
    api.post(f"{PATH}/{mug['id']}/cancel")

    assert refusal(api.post(f"{PATH}/{mug['id']}/mark_used")) == (422, "usage_refused")
    assert refusal(api.post(f"{PATH}/{mug['id']}/mark_unused")) == (422, "usage_refused")


def test_a_failed_reward_is_reissued_once_and_both_are_linked(api, customer):
    failed = failed_row(customer=customer, fulfillment_status="failed")

    first = api.post(f"{PATH}/{failed.pk}/reissue")
    second = api.post(f"{PATH}/{failed.pk}/reissue")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["reward_fulfillment"]["id"] == second.json()["reward_fulfillment"]["id"] != failed.pk
    assert first.json()["reward_fulfillment"]["reissue_of_id"] == failed.pk


def test_what_has_not_failed_is_not_reissued(api, mug):
    assert refusal(api.post(f"{PATH}/{mug['id']}/reissue")) == (422, "reissue_refused")


def test_an_act_takes_no_body_at_all(api, mug):
    assert shown(api.post(f"{PATH}/{mug['id']}/mark_used", b"", content_type=""))["status"] == "used"


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("cancel", {"return_points": "perhaps"}),
        ("cancel", {"return_points": None}),
        ("cancel", {"internal_note": "x" * 1001}),
        ("mark_used", {"order_id": "x" * 121}),
        ("mark_used", {"order_id": ["1"]}),
        ("mark_used", {"order_id": "a\x00"}),
        ("mark_unused", []),
    ],
)
def test_an_act_with_a_body_that_makes_no_sense_is_refused(api, mug, act, body):
    assert refusal(api.post(f"{PATH}/{mug['id']}/{act}", body))[0] == 400
    assert shown(api.get(f"{PATH}/{mug['id']}")) == mug


def test_a_list_costs_the_same_few_queries_however_long(api, gift, django_assert_num_queries):
    for many in (1, 9):
        for _ in range(many):
            customer = ShippingAddressFactory().customer
            give(customer, 100, now=timezone.now())
            buy(api, gift, customer)
        with django_assert_num_queries(2):
            assert api.get(PATH).status_code == 200


@pytest.fixture
def money(api, customer):
    """5 back, to be paid by hand."""
    return buy(api, PointsProductFactory(reward=CashbackFactory()), customer)


def told(status):
    payout = Payout.objects.get()
    payouts.record(
        redeemed_reward_id=payout.redeemed_reward_id,
        report=PayoutReport(reference=payout.reference, status=status, code="R1", message="No account"),
        kind=PayoutEvidenceKind.CALLBACK,
        now=timezone.now(),
    )


def test_shows_the_money_of_a_cashback(api, money, mug):
    row = shown(api.get(f"{PATH}/{money['id']}"))

    payout = Payout.objects.get()
    assert (row["fulfillment_status"], row["usage_status"], row["code"]) == ("issued", "untracked", None)
    assert row["cashback_status"] == "0: INIT: INIT"
    assert row["payout"] == {
        "state": "init",
        "amount": "5.00",
        "currency": "USD",
        "provider": "by_hand",
        "reference": payout.reference,
        "remote_id": None,
        "settled_at": None,
    }
    assert (mug["cashback_status"], mug["payout"]) == (None, None)


def test_lists_by_where_the_money_stands(api, money, mug):
    assert ids(api.get(PATH, payout_state="init")) == [money["id"]]
    assert ids(api.get(PATH, payout_state="paid")) == []
    assert refusal(api.get(PATH, payout_state="lost"))[0] == 400


def test_a_cashback_that_failed_says_so_and_why(api, money, customer):
    told(PayoutStatus.FAILED)

    row = shown(api.get(f"{PATH}/{money['id']}"))
    assert (row["fulfillment_status"], row["status"]) == ("failed", "failed")
    assert row["cashback_status"] == "2: R1: No account"
    assert balance(customer) == 250


def test_money_that_was_paid_is_not_cancelled(api, money, customer):
    told(PayoutStatus.PAID)

    assert refusal(api.post(f"{PATH}/{money['id']}/cancel")) == (422, "cancellation_refused")
    assert balance(customer) == 150


def test_money_that_was_not_sent_is_cancelled(api, money, customer):
    row = shown(api.post(f"{PATH}/{money['id']}/cancel"))

    assert (row["fulfillment_status"], row["payout"]["state"], balance(customer)) == ("cancelled", "cancelled", 250)
