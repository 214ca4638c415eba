"""Referrals: a friend comes by a link, buys, and both sides get something, once; what looks wrong waits for a person."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from threading import Barrier, Thread

import pytest
from django.db import connection as database
from django.db import transaction

from loyalty.common import actors
from loyalty.customers import enrollment
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.merchant import queries as merchant
from loyalty.program import imports
from loyalty.program.models import Order, Referral, ReferralSettings
from loyalty.program.purchases import Purchase
from loyalty.program.referrals import claiming, judging, links, settling, suspicion
from loyalty.program.referrals.models import BlockReason, CancelReason
from rewards import usage
from rewards.models import FulfillmentStatus, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory
from tests.factories.points import NOW
from tests.program.test_orders import CANCELLED, HOUR, record, told

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
FRIEND = "ben@example.org"
SOON, LATER = NOW + HOUR, NOW + 2 * HOUR


@pytest.fixture
def rules():
    return ReferralSettings.objects.create(
        pk=1,
        active=True,
        friend_reward=RewardFactory(
            connection=None, type="custom", amount=None, action_url="https://shop.example/x", name="Welcome"
        ),
        sender_reward=RewardFactory(
            connection=None, type="custom", amount=None, action_url="https://shop.example/x", name="Thank you"
        ),
    )


@pytest.fixture
def anna(rules):
    return CustomerFactory(email="anna@example.com", first_name="Anna", last_name="Nowak")


@pytest.fixture
def shop():
    return ConnectionFactory()


def come(sender, email=FRIEND, *, address="198.51.100.7", now=NOW):
    code = links.codes_of(customer_ids=[sender.pk], now=NOW)[sender.pk]
    return claiming.claim(code=code, email=email, internet_address=address, now=now)


def work(now=LATER):
    """What a worker does that hears every ring."""
    for pk in Referral.objects.filter(due_at__isnull=False).order_by("pk").values_list("pk", flat=True):
        settling.settle(referral_id=pk, now=now)


def buys(shop, **changes):
    return record(shop, told(customer_email=FRIEND, placed_at=SOON, updated_at=SOON, **changes), now=LATER)


def state():
    referral = Referral.objects.get()
    return referral.state, referral.block_reason or referral.cancel_reason


def alive():
    """Who has which reward, of those that were not canceled."""
    given = RedeemedReward.objects.exclude(fulfillment_status=FulfillmentStatus.CANCELLED)
    return sorted(given.values_list("customer__email", "name"))


BOTH = [("anna@example.com", "Thank you"), (FRIEND, "Welcome")]


def test_a_friend_gets_the_reward_on_coming_and_the_sender_once_the_friend_has_bought(anna, shop):
    come(anna)
    work()
    assert (state(), alive()) == (("pending", ""), [(FRIEND, "Welcome")])

    buys(shop)
    work()
    assert (state(), alive()) == (("completed", ""), BOTH)


def test_an_imported_purchase_completes_it_and_its_refund_cancels_it_as_a_shops_order_would(anna):
    referral = come(anna)
    CustomerIdentity.objects.create(customer=referral.friend, connection=None, external_id="cdnow:00007")
    day = (NOW + timedelta(days=1)).date()
    bought = Purchase(line=1, customer="00007", day=day, pieces=1, amount=Decimal("9.00"))

    for _ in range(2):
        imports.begin()
        imports.take(purchases=[bought], programme=merchant.programme(), now=LATER)
    work()
    assert (state(), alive()) == (("completed", ""), BOTH)

    imports.refund(order_ids=Order.objects.values_list("pk", flat=True), now=LATER)
    work()
    assert (state(), alive()) == (("cancelled", "order_refunded"), [])


def test_nothing_repeated_gives_anything_twice(anna, shop):
    for _ in range(2):
        come(anna)
        work()
        buys(shop)
        buys(shop, external_id="1002")
        work()

    assert (Referral.objects.count(), alive()) == (1, BOTH)


def test_a_worker_that_died_is_made_up_for_by_the_sweep(anna):
    come(anna)

    assert settling.sweep(now=LATER) == 1
    work()
    assert settling.sweep(now=LATER) == 0


def test_a_friend_counts_for_whoever_brought_them_first(anna):
    other = CustomerFactory(email="carl@example.net", first_name="Carl")
    come(anna)

    assert come(other).sender == anna


def test_whoever_is_excluded_has_a_link_that_leads_nowhere(anna):
    Customer.objects.filter(pk=anna.pk).update(state=CustomerState.DISABLED)

    assert come(anna) is None


def test_no_link_leads_anywhere_while_referrals_are_off(anna, rules):
    ReferralSettings.objects.update(active=False)

    assert come(anna) is None
    assert links.urls_of(customer_ids=[anna.pk], now=NOW) == {}


def test_a_link_stays_the_same_and_is_nobody_elses(anna):
    other = CustomerFactory()
    first = links.codes_of(customer_ids=[anna.pk], now=NOW)

    assert links.codes_of(customer_ids=[anna.pk, other.pk], now=LATER)[anna.pk] == first[anna.pk]
    assert len(set(links.codes_of(customer_ids=[anna.pk, other.pk], now=LATER).values())) == 2


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("anna+friend@example.com", BlockReason.SAME_PERSON),
        ("anna2@other.example", BlockReason.SIMILAR_EMAIL),
        ("a.n.n.a@example.net", BlockReason.SIMILAR_EMAIL),
        ("joanna@example.com", ""),
    ],
)
def test_addresses_that_are_the_senders_own_or_like_it_are_blocked(anna, email, reason):
    assert come(anna, email).block_reason == reason


def test_the_senders_own_address_is_no_friend_at_all(anna):
    assert come(anna, "Anna@example.com") is None


def test_mail_to_google_ends_up_in_one_box_however_it_is_dotted():
    assert suspicion.mailbox("a.nna.x+1@googlemail.com") == suspicion.mailbox("annax@gmail.com")


def test_whoever_bought_before_is_no_new_friend(anna, shop):
    record(shop, told(customer_email=FRIEND), now=NOW)

    assert come(anna, now=SOON).block_reason == BlockReason.NOT_FIRST_ORDER


def test_many_friends_from_one_internet_address_are_blocked_and_counted_for_a_week(anna, rules):
    ReferralSettings.objects.update(most_from_one_address=2)
    names = ["ben", "cleo", "dora", "emil"]
    for name in names[:3]:
        come(anna, f"{name}@example.org", address="2001:db8:1:2::1")
    come(anna, "emil@example.org", address="2001:db8:1:2:ffff::9", now=NOW + timedelta(days=8))

    blocked = Referral.objects.filter(block_reason=BlockReason.MANY_FROM_ONE_ADDRESS)
    assert [each.friend.email for each in blocked] == ["dora@example.org"]
    assert "2001" not in Referral.objects.first().source


def test_the_same_name_on_the_order_blocks_and_a_release_gives_both_their_rewards(anna, shop):
    come(anna)
    Customer.objects.filter(email=FRIEND).update(first_name="ANNA", last_name=" nowak")
    work()

    buys(shop)
    work()
    assert (state(), alive()) == (("blocked", "same_name"), [])

    judging.release(referral_id=Referral.objects.get().pk, actor=STAFF, now=LATER)
    work()
    assert (state(), alive()) == (("completed", ""), BOTH)


def test_the_same_shipping_address_or_phone_blocks(anna, shop):
    friend = come(anna).friend
    ShippingAddressFactory(customer=anna, line_1="ul. Prosta 1", postal_code="00-001")
    ShippingAddressFactory(customer=friend, line_1="UL PROSTA 1 ", postal_code="00001")

    buys(shop)
    assert state() == ("blocked", "same_address")


def test_an_order_refunded_in_full_cancels_and_undoes_what_was_not_used(anna, shop):
    come(anna)
    buys(shop)
    work()

    buys(shop, status=CANCELLED)
    work()
    assert (state(), alive()) == (("cancelled", "order_refunded"), [])


def test_what_was_used_stays_and_a_person_is_told(anna, shop):
    come(anna)
    buys(shop)
    work()
    usage.mark_used(redeemed_reward_id=RedeemedReward.objects.get(customer=anna).pk, actor=STAFF, now=LATER)

    judging.cancel(referral_id=Referral.objects.get().pk, actor=STAFF, now=LATER)
    work(LATER + HOUR)

    assert alive() == [("anna@example.com", "Thank you")]
    assert "The sender used “Thank you” already" in Referral.objects.get().trouble


def test_a_reward_that_cannot_be_given_is_said_and_given_later(anna, rules):
    rules.friend_reward.enabled = False
    rules.friend_reward.save()
    come(anna)
    work()
    referral = Referral.objects.get()
    assert referral.trouble.startswith("The friend did not get “Welcome”: ")

    rules.friend_reward.enabled = True
    rules.friend_reward.save()
    judging.try_again(referral_id=referral.pk, actor=STAFF, now=LATER)
    work(LATER + HOUR)
    referral.refresh_from_db()
    assert (referral.trouble, alive()) == ("", [(FRIEND, "Welcome")])


def test_a_sender_who_was_excluded_meanwhile_gets_nothing(anna, shop):
    come(anna)
    Customer.objects.filter(pk=anna.pk).update(state=CustomerState.DISABLED)

    buys(shop)
    assert state() == ("cancelled", CancelReason.SENDER_EXCLUDED)


def test_only_a_blocked_referral_is_released(anna):
    come(anna)

    with pytest.raises(judging.ReferralRefused, match="is not blocked"):
        judging.release(referral_id=Referral.objects.get().pk, actor=STAFF, now=LATER)


def test_orders_that_arrive_in_any_order_end_in_one_state(anna, shop):
    before = told(customer_email=FRIEND, external_id="1", placed_at=NOW - HOUR)
    first = told(customer_email=FRIEND, external_id="2", placed_at=SOON)
    second = told(customer_email=FRIEND, external_id="3", placed_at=LATER, total=Decimal("9.00"))
    come(anna)
    ends = set()
    for messages in permutations([before, first, second]):
        with transaction.atomic():
            for message in messages:
                record(shop, message, now=LATER)
            ends.add(state())
            transaction.set_rollback(True)

    assert ends == {("blocked", "not_first_order")}


@pytest.mark.django_db(transaction=True)
def test_a_friend_who_clicks_twice_at_once_is_one_referral(anna):
    enrollment.enroll(email=FRIEND, now=NOW, actor=actors.SYSTEM)
    both = Barrier(2)

    def click():
        both.wait()
        come(anna)
        database.close()

    threads = [Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Referral.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_give_each_side_one_reward(anna, shop):
    come(anna)
    buys(shop)
    both = Barrier(2)

    def settle():
        both.wait()
        settling.settle(referral_id=Referral.objects.get().pk, now=LATER)
        database.close()

    threads = [Thread(target=settle) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert alive() == BOTH
