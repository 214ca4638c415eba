"""Telling follows from what happened: once to each who listens, and never of what the API does not know."""

import pytest

from loyalty.common import actors
from loyalty.events.models import EventReader
from loyalty.webhooks import endpoints, telling, topics
from loyalty.webhooks.models import WebhookDelivery
from rewards import granting
from rewards.models import RedeemedReward
from rewards.redemption import redeem
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardTextFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.webhooks.conftest import NOW, happened, listening

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESS = "https://till.example.com/hook"


def test_tells_each_who_listens_to_the_topic_and_nobody_else(read):
    customers = listening(ADDRESS, chosen=["customer/updated"])
    listening(ADDRESS, chosen=["points/changed"])
    event = happened("customer.updated")

    read()

    told = WebhookDelivery.objects.get()
    assert (told.endpoint, told.event_id, told.topic, told.subject_id) == (
        customers,
        event.pk,
        "customer/updated",
        event.customer_id,
    )
    assert told.occurred_at == NOW


def test_makes_a_message_of_each_topic_an_event_belongs_to(read):
    listening(ADDRESS)
    happened("customer.enrolled")

    assert read() == ["customer/created", "customer/updated"]


def test_tells_an_event_once_however_often_it_is_read(read):
    listening(ADDRESS)
    happened()

    read()
    EventReader.objects.all().delete()

    assert read() == ["customer/updated"]


def test_moves_its_place_with_what_it_wrote_or_not_at_all(read, monkeypatch):
    listening(ADDRESS)
    happened()

    def dies(*args, **kwargs):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(telling, "_rows", dies)
        with pytest.raises(ConnectionError):
            read()

    assert read() == ["customer/updated"]


def test_keeps_for_a_paused_endpoint_what_happens_and_not_for_one_that_is_off(read):
    paused, off = listening(ADDRESS), listening(ADDRESS)
    endpoints.pause(endpoint=paused, reason="It was gone.", now=NOW)
    endpoints.switch_off(endpoint_id=off.pk, actor=actors.staff(1), now=NOW)
    happened()

    read()

    assert WebhookDelivery.objects.get().endpoint == paused


def test_passes_over_what_happened_while_nobody_listened(read):
    happened()
    read()
    listening(ADDRESS)

    assert read() == []


def test_follows_a_gift_from_its_redemption_to_its_cancellation(read):
    listening(ADDRESS)
    anna = CustomerFactory()
    ShippingAddressFactory(customer=anna)
    give(anna, 100, now=NOW)
    product = PointsProductFactory(reward=GiftFactory())
    RewardTextFactory(reward=product.reward, name="A mug")
    read()
    WebhookDelivery.objects.all().delete()

    redeemed = redeem(customer_id=anna.pk, points_product_id=product.pk, actor=actors.customer(anna.pk), now=NOW)

    assert read() == ["points/changed", "reward_fulfillment/issued"]
    assert set(WebhookDelivery.objects.values_list("topic", "subject_id")) == {
        ("points/changed", anna.pk),
        ("reward_fulfillment/issued", redeemed.pk),
    }


def test_says_nothing_of_a_redemption_the_api_does_not_show(read):
    listening(ADDRESS, chosen=["reward_fulfillment/failed"])
    reward = GiftFactory()
    RewardTextFactory(reward=reward, name="A mug")
    shown, hidden = (
        granting.grant(customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.SYSTEM, now=NOW)
        for _ in range(2)
    )
    RedeemedReward.objects.filter(pk=hidden.pk).update(
        on_profile=False, takes_place=False, origin="redemption", fulfillment_status="failed"
    )
    for each in (shown, hidden):
        happened("reward.failed", subject_type="redeemed_reward", subject_id=each.pk)

    read()

    assert WebhookDelivery.objects.get().subject_id == shown.pk


def test_puts_messages_of_one_subject_in_the_order_in_which_it_changed(read):
    listening(ADDRESS, chosen=["customer/updated"])
    anna = CustomerFactory()
    events = [happened(subject_id=anna.pk) for _ in range(3)]

    read()

    assert list(WebhookDelivery.objects.order_by("pk").values_list("event_id", flat=True)) == [e.pk for e in events]
    assert WebhookDelivery.objects.values("lane").distinct().count() == 1


def test_every_topic_is_a_line_with_a_name_a_meaning_and_events():
    assert len({topic.name for topic in topics.ALL}) == len(topics.ALL)
    for topic in topics.ALL:
        assert topic.meaning.endswith("."), topic.name
        assert topic.kinds, topic.name
        assert len(topic.name) <= 60
