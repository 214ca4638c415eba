"""What payout providers tell: stored once, answered at once, and believed in any order."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import queries as points
from platforms import credentials
from rewards import cashback, granting
from rewards.models import Payout, RedeemedReward
from rewards.redemption import redeem
from tests.factories.catalogue import CashbackFactory, PointsProductFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, PayoutAccountFactory
from tests.factories.points import give
from tests.factories.shop import pay_by, pay_through
from tests.fakes.paying import running
from tests.fakes.paypal import PayPal
from tests.fakes.sandbox import running_sandbox_shop
from tests.journeys.worker import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "a webhook secret"


@pytest.fixture
def account():
    sealed = credentials.seal({"token": "t", "webhook_secret": SECRET})
    return PayoutAccountFactory(provider="sandbox", base_url="http://127.0.0.1:9", credentials=sealed)


@pytest.fixture
def payout(account):
    """One that the provider has taken on, as far as we know."""
    customer = CustomerFactory()
    reward = CashbackFactory(payout_account=account)
    granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now())
    Payout.objects.update(state="pending", attempts=1)
    return Payout.objects.get()


def body_of(payout, status, *, event_id="event-1", at=None, **said):
    told = {
        "id": "payout_1",
        "reference": payout.reference,
        "status": status,
        "code": "C1",
        "message": "Said so",
        "amount": "5.00",
        "currency": "USD",
        "updated_at": (at or datetime(2026, 11, 21, 10, tzinfo=UTC)).isoformat(),
    } | said
    data = {"event_id": event_id, "topic": "payout.updated", "occurred_at": told["updated_at"], "payout": told}
    return json.dumps(data).encode()


def signed(body, *, secret=SECRET):
    timestamp = str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Sandbox-Timestamp": timestamp, "X-Sandbox-Signature": f"v1={digest}"}


def knock(account, body, *, secret=SECRET, slash="/"):
    client = Client(enforce_csrf_checks=True)
    return client.post(
        f"/hooks/payouts/{account.webhook_key}{slash}",
        body,
        content_type="application/json",
        headers=signed(body, secret=secret),
    )


def work_off():
    for webhook in InboundWebhook.objects.order_by("id"):
        processing.process(webhook_id=webhook.pk, now=timezone.now())


@pytest.mark.parametrize("slash", ["/", ""])
def test_a_callback_is_stored_raw_once_and_settles_the_payout(account, payout, slash):
    body = body_of(payout, 1)

    answers = [knock(account, body, slash=slash) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    stored = InboundWebhook.objects.get()
    assert (stored.payout_account, stored.connection, bytes(stored.body)) == (account, None, body)
    work_off()
    payout.refresh_from_db()
    stored.refresh_from_db()
    assert (payout.state, stored.state) == ("paid", InboxState.PROCESSED)
    assert stored.result == f"Payout {payout.reference}: paid out."
    assert RedeemedReward.objects.get().cashback_status == "1: SUCCESS"


def test_a_forged_callback_is_refused_and_not_stored(account, payout):
    answer = knock(account, body_of(payout, 1), secret="another secret")

    assert (answer.status_code, answer.json()) == (401, {"error": {"code": "bad_signature"}})
    assert not InboundWebhook.objects.exists()


def test_the_addresses_of_shops_and_of_payout_accounts_are_apart(account, payout):
    body = body_of(payout, 1)
    shop = ConnectionFactory(credentials=credentials.seal({"webhook_secret": SECRET}))

    assert knock(shop, body).status_code == 404
    crossed = Client().post(
        f"/hooks/{account.webhook_key}/", body, content_type="application/json", headers=signed(body)
    )
    assert crossed.status_code == 404


def test_callbacks_out_of_order_leave_the_last_word(account, payout):
    at = datetime(2026, 11, 21, 10, tzinfo=UTC)
    knock(account, body_of(payout, 2, event_id="later", at=at + timedelta(minutes=2), code="R1", message="No account"))
    knock(account, body_of(payout, 3, event_id="earlier", at=at))

    work_off()

    payout.refresh_from_db()
    assert payout.state == "failed"
    assert RedeemedReward.objects.get().cashback_status == "2: R1: No account"


def test_a_callback_about_somebody_elses_payout_changes_nothing(account, payout):
    other = PayoutAccountFactory(provider="sandbox", base_url="http://127.0.0.1:9", credentials=account.credentials)
    knock(other, body_of(payout, 1))

    work_off()

    payout.refresh_from_db()
    assert payout.state == "pending"
    assert InboundWebhook.objects.get().result == "It names no payout of ours: nothing to do."


def test_a_webhook_has_one_sender(account, payout):
    knock(account, body_of(payout, 1))

    with pytest.raises(IntegrityError), transaction.atomic():
        InboundWebhook.objects.update(connection=ConnectionFactory())


def test_the_sandbox_tells_over_http_twice_and_late_and_the_points_go_back_once(live_server, tmp_path):
    with running_sandbox_shop(tmp_path) as shop:
        account = pay_through(shop)
        shop.set_payout_webhook(f"{live_server.url}/hooks/payouts/{account.webhook_key}/")
        customer = CustomerFactory()
        give(customer, 250)
        price = PointsProductFactory(reward=CashbackFactory(payout_account=account))
        shop.fault("payout_outcome", "accept")
        shop.fault("webhook", "out_of_order")
        shop.fault("webhook", "duplicate")
        redeem(
            customer_id=customer.pk,
            points_product_id=price.pk,
            actor=actors.customer(customer.pk),
            now=timezone.now(),
            deadline=6.0,
        )
        reference = Payout.objects.get().reference

        shop.settle_payout(reference, "failed")
        wait_for(lambda: InboundWebhook.objects.count() == 2, what="both events")

    work_off()
    work_off()
    assert Payout.objects.get().state == "failed"
    assert points.balance(customer_id=customer.pk, now=timezone.now()).balance == 250
    assert Event.objects.filter(kind="payout.failed").count() == 1


@pytest.fixture
def paypal():
    with running(PayPal()) as fake:
        yield fake


def taken_on_by(paypal):
    """A payout that PayPal has, as a worker left it."""
    reward = CashbackFactory(payout_account=pay_by(paypal))
    granted = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.staff(1), now=timezone.now()
    )
    claim = cashback.take(redeemed_reward_id=granted.pk, now=timezone.now())
    cashback.work(claim=claim, now=timezone.now(), patience=2.0)
    return Payout.objects.get()


def hint(payout, body):
    path = f"/hooks/payouts/{payout.account.webhook_key}/"
    return Client(enforce_csrf_checks=True).post(path, body, content_type="application/json")


def test_a_hint_of_paypals_makes_us_ask_and_what_it_answers_counts(paypal):
    payout = taken_on_by(paypal)
    paypal.settle(payout.reference, "SUCCESS")

    assert hint(payout, paypal.event(payout.reference)).status_code == 200
    work_off()

    assert Payout.objects.get().state == "paid"
    assert InboundWebhook.objects.get().result == f"Payout {payout.reference}: paid out."


def test_a_forged_hint_changes_nothing(paypal):
    payout = taken_on_by(paypal)
    forged = json.loads(paypal.event(payout.reference))
    forged["event_type"] = "PAYMENT.PAYOUTS-ITEM.SUCCEEDED"
    forged["resource"] |= {"transaction_status": "SUCCESS", "payout_batch_id": "BATCH-OF-A-STRANGER"}

    assert hint(payout, json.dumps(forged)).status_code == 200
    work_off()

    assert Payout.objects.get().state == "pending"


def test_a_hint_of_a_payout_whose_number_we_never_got_leads_to_it(paypal):
    payout = taken_on_by(paypal)
    paypal.settle(payout.reference, "SUCCESS")
    Payout.objects.update(state="unknown", remote_id="", unknown_since=timezone.now())

    hint(payout, paypal.event(payout.reference))
    work_off()

    payout = Payout.objects.get()
    assert (payout.state, payout.remote_id) == ("paid", "BATCH1")


def test_a_hint_that_leads_nowhere_is_done_with(paypal):
    payout = taken_on_by(paypal)
    stray = json.loads(paypal.event(payout.reference))
    stray["resource"]["payout_batch_id"] = "NO-SUCH-BATCH"
    Payout.objects.update(state="unknown", remote_id="", unknown_since=timezone.now())

    hint(payout, json.dumps(stray).encode())
    work_off()

    assert Payout.objects.get().state == "unknown"
    webhook = InboundWebhook.objects.get()
    assert (webhook.state, webhook.result[:33]) == (InboxState.PROCESSED, "PayPal knows no such payout. The ")
