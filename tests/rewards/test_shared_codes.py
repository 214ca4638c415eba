"""A shared code is one code for many: handed out as it is in the shop, matched by the customer, and never killed."""

import itertools
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from loyalty.common import actors
from loyalty.merchant.models import Programme
from loyalty.points import queries as points
from loyalty.program import orders
from platforms.adapter import AppliedCode, OrderStatus, ShopOrder
from rewards import (
    cancellation,
    claim,
    code_check,
    granting,
    issuing,
    offering,
    pools,
    redemption,
    self_cancellation,
    shared_codes,
    usage,
)
from rewards import unmatched_uses as unmatched
from rewards.models import IssueAttempt, RedeemedReward, Reward, RewardCode
from rewards.usage import OrderUse
from tests.factories.catalogue import GiftCardFactory, PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.rewards.admin_rows import GRID, VIEW, staff, words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
DAY = timedelta(days=1)
NUMBERS = itertools.count(1)  # the shop outlives a test


@pytest.fixture
def code(shop):
    """A code the merchant made in the shop, for any number of orders."""
    text = f"EVERYBODY{next(NUMBERS)}"
    shop.create_code(text, kind="fixed_amount", amount="5.00", usage_limit=None)
    return text


@pytest.fixture
def shared(product, code):
    """The reward of the shop, which gives everybody that code."""
    share(product, code)
    return product


@pytest.fixture
def other(db):
    member = CustomerFactory()
    give(member, 250)
    return member


def share(product, code):
    return shared_codes.share(reward_id=product.reward_id, code=code, actor=STAFF, now=NOW)


def redeem(customer, product, **more):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW, deadline=5.0, **more
    )


def use(redeemed, customer, *, order_id="1001", at=NOW):
    told = OrderUse(
        connection_id=redeemed.connection_id,
        order_id=order_id,
        code=redeemed.code.code,
        used_at=at,
        customer_id=customer.pk if customer is not None else None,
    )
    return usage.record_order_use(use=told, actor=STAFF, now=NOW)


def balance(customer):
    return points.balance(customer_id=customer.pk, now=NOW).balance


def state(redeemed):
    row = RedeemedReward.objects.get(pk=redeemed.pk)
    return row.fulfillment_status, row.usage_status, row.used_order_id


def test_is_looked_up_in_the_shop_and_kept_as_one_row(product, code):
    made = share(product, f" {code.lower()} ")

    assert (made.code, made.is_shared, made.remote_id != "") == (code, True, True)
    assert Reward.objects.get(pk=product.reward_id).shared_code == made
    assert [row.alive for row in made.evidence.all()] == [True]


def test_that_the_shop_does_not_have_is_refused(product):
    with pytest.raises(shared_codes.SharedCodeRefused, match=r"has no code NOWHERE. Make it there first"):
        share(product, "NOWHERE")

    assert (RewardCode.objects.count(), Reward.objects.get().shared_code) == (0, None)


def test_that_is_switched_off_in_the_shop_is_refused(product, code, shop):
    shop.disable_code(code)

    with pytest.raises(shared_codes.SharedCodeRefused, match="does not take the code"):
        share(product, code)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": "fixed_amount", "amount": "7.00"}, r"takes off 7(\.00)? USD, and this reward says 5.00 USD"),
        ({"kind": "percentage", "percent": "10"}, "takes off no amount, and this reward says 5.00 USD"),
        ({"kind": "fixed_amount", "amount": "5.00", "minimum_order": "30.00"}, "a minimum order of 30"),
    ],
)
def test_that_is_worth_something_else_is_refused(product, shop, fields, sentence):
    text = f"ODD{fields.get('amount', '')[:1]}{len(fields)}"
    shop.create_code(text, usage_limit=None, **fields)

    with pytest.raises(shared_codes.SharedCodeRefused, match=sentence):
        share(product, text)


def test_is_not_looked_up_when_the_shop_is_away(product, code, shop):
    shop.fault("find", "server_error")

    with pytest.raises(shared_codes.SharedCodeRefused, match=r"could not be asked .* so nothing was changed"):
        share(product, code)

    assert Reward.objects.get().shared_code is None


def test_cannot_be_what_one_customer_has(customer, product, shop):
    own = redeem(customer, product).code

    with pytest.raises(shared_codes.SharedCodeRefused, match="is one customer's own code"):
        share(product, own.code)


def test_is_refused_for_what_is_money(db):
    with pytest.raises(shared_codes.SharedCodeRefused, match="is money: everybody needs one of their own"):
        shared_codes.share(reward_id=GiftCardFactory().pk, code="RICH", actor=STAFF, now=NOW)

    code = RewardCode.objects.create(code="RICH", canonical="RICH", created_at=NOW, is_shared=True)
    with pytest.raises(IntegrityError, match="reward_shares_no_code_that_is_money"), transaction.atomic():
        GiftCardFactory(shared_code=code)


def test_goes_to_everybody_and_the_shop_is_only_asked(customer, other, shared, code):
    first, second = redeem(customer, shared), redeem(other, shared)

    assert (first.code.code, second.code_id) == (code, first.code_id)
    assert (balance(customer), balance(other)) == (150, 150)
    assert set(IssueAttempt.objects.values_list("call", "outcome")) == {("find", "ok")}


def test_counts_in_the_limits_as_any_other(customer, shared):
    Reward.objects.update(limit_per_customer=1)
    redeem(customer, shared)

    with pytest.raises(redemption.limits.RewardNotAvailable, match="once per customer"):
        redeem(customer, shared)


def test_that_died_in_the_shop_is_not_handed_out_and_costs_nothing(customer, shared, code, shop):
    shop.disable_code(code)

    with pytest.raises(redemption.RedemptionFailed):
        redeem(customer, shared)

    attempt = RedeemedReward.objects.get()
    assert (attempt.failure_code, balance(customer)) == ("shared_code_unfit", 250)
    assert attempt.failure_reason == f"The shop does not take the shared code {code} any more, or not yet."


def test_leaves_no_redemption_in_doubt_when_the_shop_does_not_answer(customer, shared, shop):
    shop.fault("find", "server_error", times=9)

    with pytest.raises(redemption.RedemptionFailed):
        redeem(customer, shared)

    assert balance(customer) == 250


def test_is_granted_as_well_and_a_killed_worker_changes_nothing(customer, shared):
    granted = granting.grant(customer_id=customer.pk, reward_id=shared.reward_id, actor=STAFF, now=NOW)
    dead = issuing.take(redeemed_reward_id=granted.pk, now=NOW)
    later = NOW + DAY

    ours = issuing.take(redeemed_reward_id=granted.pk, now=later)

    assert dead is not None
    assert issuing.work(claim=ours, now=later, patience=5.0) == issuing.Verdict.ISSUED


def test_of_no_shop_is_given_at_once(customer):
    product = PointsProductFactory(reward=RewardFactory())
    share(product, "SUMMER")

    assert redeem(customer, product).code.code == "SUMMER"


def test_ends_for_those_who_come_later_alone(customer, other, shared, code):
    before = redeem(customer, shared)

    shared_codes.end(reward_id=shared.reward_id, actor=STAFF, now=NOW)

    assert redeem(other, shared).code.code != code
    assert RedeemedReward.objects.get(pk=before.pk).code.code == code


def test_of_another_shop_is_not_handed_out(customer, shared):
    Reward.objects.update(connection=ConnectionFactory())

    with pytest.raises(claim.RewardIncomplete, match="which is of another shop than the reward's"):
        redeem(customer, shared)


def test_keeps_the_reward_with_its_shop_and_its_type(shared):
    reward = Reward.objects.get()

    reward.connection = ConnectionFactory()
    assert "Give each a code of their own first" in offering.problems(reward=reward)["connection"]
    reward.type = "gift_card"
    assert "Give each a code of their own first" in offering.problems(reward=reward)["type"]


def test_and_a_pool_exclude_each_other(shared, product):
    with pytest.raises(pools.NoPool, match="has one shared code: it needs no pool"):
        pools.require_codes(reward_id=shared.reward_id)


# Undo


def test_survives_a_cancellation_and_the_points_return(customer, shared, code, shop):
    redeemed = redeem(customer, shared)

    plan = cancellation.plan(redeemed_reward_id=redeemed.pk, now=NOW)
    row = cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW, fingerprint=plan.fingerprint)

    assert (row.state, balance(customer)) == ("shared", 250)
    assert shop.codes(code)[0]["enabled"] is True
    assert plan.effects[0].sentence == (
        f"The code {code} keeps working, for this customer too: it is one code for many, and nothing is disabled in the "
        "shop."
    )


def test_is_not_given_back_by_the_customer_who_would_keep_it(customer, shared):
    Programme.objects.update_or_create(pk=1, defaults={"self_cancel_minutes": 30})
    redeemed = redeem(customer, shared)

    with pytest.raises(self_cancellation.SelfCancellationRefused):
        self_cancellation.plan(redeemed_reward_id=redeemed.pk, customer_id=customer.pk, now=NOW)


def test_says_on_the_reward_s_page_that_it_keeps_working(customer, shared):
    redeemed = redeem(customer, shared)
    page = words(staff(VIEW).get(f"{GRID}{redeemed.pk}/change/"))
    assert "One code for many: others have it too, and canceling never disables it" in page

    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    assert "Canceled, the code keeps working for others" in words(staff(VIEW).get(f"{GRID}{redeemed.pk}/change/"))


# Use


def test_is_used_by_the_customer_who_bought(customer, other, shared):
    first, second = redeem(customer, shared), redeem(other, shared)

    assert use(first, other) == usage.OrderVerdict.USED
    assert use(first, other) == usage.OrderVerdict.KNOWN

    assert (state(first), state(second)) == (("issued", "unused", ""), ("issued", "used", "1001"))


def test_two_orders_of_one_customer_use_two_rewards_and_a_third_is_looked_at(customer, shared):
    first, second = redeem(customer, shared), redeem(customer, shared)

    verdicts = [use(first, customer, order_id=number) for number in ("1", "2", "1", "3")]

    assert verdicts == ["used", "used", "known", "other_order"]
    assert (state(first)[2], state(second)[2]) == ("1", "2")


def test_a_reward_that_was_good_is_used_before_one_that_had_expired(customer, shared):
    first, second = redeem(customer, shared), redeem(customer, shared)
    RedeemedReward.objects.filter(pk=first.pk).update(expires_at=NOW + DAY)

    use(first, customer, at=NOW + 2 * DAY)

    assert (state(first)[1], state(second)[1]) == ("unused", "used")


def test_after_a_cancellation_a_use_is_told(customer, shared):
    redeemed = redeem(customer, shared)
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)

    assert use(redeemed, customer) == usage.OrderVerdict.USED_AFTER_CANCEL


@pytest.mark.parametrize("buyer", ["a guest", "a customer without the reward", "the customer, before they had it"])
def test_a_use_that_belongs_to_nobody_is_listed_and_not_guessed(customer, other, shared, buyer):
    redeemed = redeem(customer, shared)
    who = {"a guest": None, "a customer without the reward": other}.get(buyer, customer)
    at = NOW - DAY if who == customer else NOW

    verdicts = [use(redeemed, who, at=at), use(redeemed, who, at=at)]

    assert verdicts == ["unmatched", "unmatched"]
    assert state(redeemed)[1] == "unused"
    assert [(each.order_id, each.used_at) for each in unmatched.waiting(code=redeemed.code)] == [("1001", at)]


def test_a_person_says_whose_use_it_was(customer, shared):
    redeemed = redeem(customer, shared)
    use(redeemed, None)
    use(redeemed, None, order_id="1002")

    settle(redeemed, customer, "1001")
    settle(redeemed, None, "1002")

    assert state(redeemed) == ("issued", "used", "1001")
    assert unmatched.waiting(code=redeemed.code) == []
    with pytest.raises(unmatched.UseRefused, match="was settled before"):
        settle(redeemed, customer, "1001")


def test_a_use_is_given_to_nobody_who_has_no_such_reward(customer, other, shared):
    redeemed = redeem(customer, shared)
    use(redeemed, None)

    with pytest.raises(unmatched.UseRefused, match="This customer has no reward with the code"):
        settle(redeemed, other, "1001")

    assert len(unmatched.waiting(code=redeemed.code)) == 1


def settle(redeemed, customer, order_id):
    unmatched.settle(
        code_id=redeemed.code_id,
        order_id=order_id,
        customer_id=customer.pk if customer else None,
        actor=STAFF,
        now=NOW,
    )


def test_an_order_from_the_shop_brings_its_buyer_along(customer, shared, connection):
    redeemed = redeem(customer, shared)
    told = ShopOrder(
        external_id="77",
        number="77",
        status=OrderStatus.COMPLETED,
        placed_at=NOW,
        updated_at=NOW,
        total=20,
        currency="USD",
        customer_email=customer.email,
        codes=(AppliedCode(code=redeemed.code.code),),
    )

    orders.record(connection_id=connection.pk, order=told, returns_use_on_cancel=True, actor=STAFF, now=NOW)

    assert state(redeemed) == ("issued", "used", "77")


# Looking at it


def test_a_check_says_that_it_is_shared_whoever_has_it(customer, shared, code):
    (nobody,) = code_check.check(code=code, now=NOW)
    redeem(customer, shared)
    (one,) = code_check.check(code=code, now=NOW)

    for found in (nobody, one):
        assert (found.state, found.holder, found.is_usable, found.reward_id) == ("shared", None, True, shared.reward_id)
        assert found.sentence == "It is one code for many: everybody who gets the reward has the same one."


def page_of(shared):
    return f"/admin/rewards/reward/{shared.reward_id}/shared-code/"


def test_staff_share_a_code_and_end_it_on_its_page(product, code):
    manager = staff("rewards.view_reward", "rewards.change_reward")

    refused = words(manager.post(page_of(product), {"act": "share", "code": "NOWHERE"}))
    assert "has no code NOWHERE" in refused
    manager.post(page_of(product), {"act": "share", "code": code})
    assert f"One code for everybody: {code}" in words(manager.get(page_of(product)))
    assert f"Shared code: {code}" in words(manager.get(f"/admin/rewards/reward/{product.reward_id}/change/"))
    manager.post(page_of(product), {"act": "end"})

    assert Reward.objects.get().shared_code is None


def test_staff_settle_uses_on_its_page(customer, shared):
    redeemed = redeem(customer, shared)
    use(redeemed, None)
    person = staff("rewards.view_reward", "rewards.mark_used")
    assert "1001" in words(person.get(page_of(shared)))

    person.post(page_of(shared), {"act": "settle", "order_id": "1001", "email": customer.email})

    assert state(redeemed) == ("issued", "used", "1001")
    assert "None. Every order with the code was of a customer who has the reward." in words(person.get(page_of(shared)))


@pytest.mark.parametrize(
    ("act", "right"),
    [("share", "rewards.mark_used"), ("end", "rewards.mark_used"), ("settle", "rewards.change_reward")],
)
def test_each_act_of_its_page_needs_its_own_right(shared, act, right):
    person = staff("rewards.view_reward", right)

    assert person.post(page_of(shared), {"act": act, "code": "X", "order_id": "1"}).status_code == 403
