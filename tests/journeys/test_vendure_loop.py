"""The whole job against a real Vendure shop: redeem, shop, used, refused, canceled, points back."""

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook
from loyalty.points import audit, queries
from platforms import credentials
from rewards import cancellation, redemption
from rewards.queries import grid, status_of
from tests.factories.catalogue import PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give
from tests.journeys.vendure_shop import running_vendure
from tests.journeys.worker import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.shop]

SECRET = "a-webhook-secret-for-the-real-shop"


def status(redeemed):
    redeemed.refresh_from_db()
    return status_of(redeemed=redeemed, now=timezone.now())


def test_redeem_shop_use_refuse_cancel_and_points_back(live_server):
    connection = ConnectionFactory(platform="vendure", base_url="http://127.0.0.1:1", currency="USD")
    with running_vendure(
        webhook_url=f"{live_server.url}/hooks/{connection.webhook_key}/", webhook_secret=SECRET
    ) as shop:
        connection.base_url = shop.base_url
        connection.credentials = credentials.seal({"api_key": shop.api_key, "webhook_secret": SECRET})
        connection.save()
        customer = CustomerFactory(email="jo@example.com")
        give(customer, 250, now=timezone.now())
        product = PointsProductFactory(reward=RewardFactory(connection=connection))
        ask = {"customer_id": customer.pk, "points_product_id": product.pk, "actor": actors.SYSTEM}
        first = redemption.redeem(**ask, now=timezone.now(), deadline=30)
        second = redemption.redeem(**ask, now=timezone.now(), deadline=30)

        buyer = shop.shopper()
        buyer.add("MUG")
        assert buyer.apply(first.code.code) == "Order"
        order = buyer.check_out(email="jo@example.com")
        assert order.discounts == (-500,)
        wait_for(InboundWebhook.objects.exists, what="the shop's webhook")
        for webhook in InboundWebhook.objects.all():
            processing.process(webhook_id=webhook.pk, now=timezone.now())

        assert status(first) == "used"
        assert list(grid(now=timezone.now()).filter(status="used")) == [first]
        again = shop.shopper()
        again.add("MUG")
        assert again.apply(first.code.code) == "COUPON_CODE_LIMIT_ERROR"

        balance = queries.balance(customer_id=customer.pk, now=timezone.now()).balance
        row = cancellation.cancel(redeemed_reward_id=second.pk, actor=actors.staff(1), now=timezone.now())

        assert (row.state, status(second)) == ("proved", "cancelled")
        late = shop.shopper()
        late.add("MUG")
        assert late.apply(second.code.code) == "COUPON_CODE_INVALID_ERROR"
        after = queries.balance(customer_id=customer.pk, now=timezone.now()).balance
        assert after == balance + 100
        assert list(audit.differences()) == []
