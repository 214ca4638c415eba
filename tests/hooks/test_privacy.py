"""What people ask about their data: noted once, emptied at once where it can be, and open until a person settles it."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers.models import CustomerIdentity
from loyalty.events.models import Event
from loyalty.hooks import privacy, processing, retention
from loyalty.hooks.models import InboundWebhook, InboxState, PrivacyRequest
from loyalty.program.models import Order
from platforms import credentials
from platforms.models import Platform
from tests.accounts.conftest import signed_in
from tests.concurrency.races import race, succeeded
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.fakes.shopify.shop import CLIENT_SECRET, Shop

__all__ = ["signed_in"]

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PAGES = "/admin/hooks/privacyrequest/"
PERSON = {"id": 191167, "email": "jo@example.com"}


@pytest.fixture
def fake():
    return Shop()


@pytest.fixture
def shop(fake):
    sealed = credentials.seal({"client_id": "a", "client_secret": CLIENT_SECRET})
    return ConnectionFactory(platform=Platform.SHOPIFY, base_url=f"https://{fake.host}", credentials=sealed)


@pytest.fixture
def jo(shop):
    """A customer the shop knows, with an order."""
    customer = CustomerFactory(email="jo@example.com", first_name="Jo", last_name="Doe")
    CustomerIdentity.objects.create(customer=customer, connection=shop, external_id="191167")
    order(shop, "7", customer=customer)
    return customer


def order(shop, external_id, **facts):
    return Order.objects.create(
        connection=shop, external_id=external_id, number=f"#{external_id}", status="completed", total=1, refunded=0,
        currency="USD", placed_at=NOW, changed_at=NOW, recorded_at=NOW, **facts,
    )  # fmt: skip


def raw(shop, event_id, subject_id, state=InboxState.PROCESSED):
    """A webhook that came before, about some order."""
    return InboundWebhook.objects.create(
        connection=shop, event_id=event_id, topic="orders/paid", subject_id=subject_id, body=b"jo@example.com",
        headers={"x": "y"}, state=state, received_at=NOW, due_at=NOW if state == InboxState.RECEIVED else None,
    )  # fmt: skip


def ask(client, fake, shop, topic, **body):
    """The shop passes it on, and a worker has its turn."""
    headers, raw_body = fake.delivery(topic, **body)
    path = f"/hooks/{shop.webhook_key}/"
    answer = client.post(path, raw_body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    webhook = InboundWebhook.objects.get(topic=topic)
    processing.process(webhook_id=webhook.pk, now=timezone.now())
    webhook.refresh_from_db()
    return webhook


def asked_of(shop, kind="erase_customer", at=NOW, **facts):
    webhook = raw(shop, f"{kind}-{at}", "")
    return PrivacyRequest.objects.create(
        webhook=webhook, connection=shop, kind=kind, asked_at=at, due_at=at + 30 * DAY, **facts
    )


def full(*webhooks):
    """Which of them still have a body."""
    return [bool(bytes(InboundWebhook.objects.get(pk=webhook.pk).body)) for webhook in webhooks]


def test_asking_for_data_is_noted_with_its_last_day_and_the_body_is_emptied(client, fake, shop, jo):
    paid = raw(shop, "e-1", "7")

    webhook = ask(client, fake, shop, "customers/data_request", customer=PERSON, orders_requested=[7])

    request = PrivacyRequest.objects.get()
    assert (request.kind, request.customer, request.customer_external_id) == ("data_request", jo, "191167")
    assert (request.orders, request.due_at - request.asked_at) == (["7"], 30 * DAY)
    assert (webhook.state, webhook.result) == (InboxState.PROCESSED, privacy.NOTED)
    assert (bytes(webhook.body), webhook.headers) == (b"", {})
    assert full(paid) == [True]
    event = Event.objects.get(kind=privacy.ASKED)
    assert (event.customer_id, event.actor_kind, event.data) == (jo.pk, "shop", {"asked": "data_request"})


def test_erasing_somebody_empties_the_webhooks_about_their_orders_and_no_others(client, fake, shop, jo):
    order(shop, "8")
    theirs, named = raw(shop, "e-1", "7"), raw(shop, "e-2", "9")
    waiting = raw(shop, "e-3", "7", InboxState.RECEIVED)
    others, elsewhere = raw(shop, "e-4", "8"), raw(ConnectionFactory(), "e-5", "7")

    ask(client, fake, shop, "customers/redact", customer=PERSON, orders_to_redact=[9])

    assert full(theirs, named, waiting, others, elsewhere) == [False, False, True, True, True]
    assert PrivacyRequest.objects.get().bodies_emptied == 3


def test_somebody_is_found_by_their_address_where_the_shop_number_is_new(client, fake, shop):
    jo = CustomerFactory(email="jo@example.com")

    ask(client, fake, shop, "customers/redact", customer={"id": 5, "email": "Jo@Example.com"}, orders_to_redact=[])

    assert PrivacyRequest.objects.get().customer == jo


def test_somebody_we_do_not_know_is_a_request_all_the_same(client, fake, shop):
    ask(client, fake, shop, "customers/redact", customer=PERSON, orders_to_redact=[])

    request = PrivacyRequest.objects.get()
    assert (request.customer, request.customer_external_id) == (None, "191167")
    assert "jo@example.com" not in str(PrivacyRequest.objects.values().get())


def test_a_worker_that_is_rung_twice_notes_it_once(client, fake, shop):
    webhook = ask(client, fake, shop, "customers/redact", customer=PERSON)

    processing.process(webhook_id=webhook.pk, now=timezone.now())

    assert PrivacyRequest.objects.count() == 1
    assert InboundWebhook.objects.get().state == InboxState.PROCESSED


def test_a_shop_that_leaves_has_its_webhooks_emptied_by_the_sweep_in_batches(client, fake, shop, settings):
    settings.WEBHOOK_BODIES_KEPT_DAYS = 3650
    old = [raw(shop, f"e-{number}", "7") for number in range(3)]
    elsewhere = raw(ConnectionFactory(), "e-9", "7")
    ask(client, fake, shop, "shop/redact")

    first = retention.forget(now=timezone.now(), limit=2)
    second = retention.forget(now=timezone.now(), limit=2)

    assert (first, second) == (2, 1)
    assert full(*old, elsewhere) == [False, False, False, True]


def test_settling_says_who_when_and_what(shop, jo):
    request = asked_of(shop, customer=jo)

    settled = privacy.settle(request_id=request.pk, note=" Name taken out. ", actor=actors.staff(7), now=NOW + DAY)

    assert (settled.settled_by, settled.settled_at, settled.note) == (7, NOW + DAY, "Name taken out.")
    event = Event.objects.get(kind=privacy.SETTLED)
    assert (event.subject_id, event.customer_id, event.actor_id) == (request.pk, jo.pk, 7)


@pytest.mark.parametrize(
    ("actor", "note", "sentence"),
    [(actors.staff(7), "  ", "Say what was done"), (actors.SYSTEM, "Done.", "Only a person can say")],
)
def test_settling_without_words_or_a_person_is_refused(shop, actor, note, sentence):
    request = asked_of(shop)

    with pytest.raises(privacy.NotToBeSettled, match=sentence):
        privacy.settle(request_id=request.pk, note=note, actor=actor, now=NOW)

    assert PrivacyRequest.objects.get().settled_at is None
    with pytest.raises(IntegrityError), transaction.atomic():
        PrivacyRequest.objects.update(settled_at=NOW)


@pytest.mark.django_db(transaction=True)
def test_two_who_settle_at_the_same_moment_leave_one_name(shop):
    request = asked_of(shop)
    settles = [
        partial(privacy.settle, request_id=request.pk, note=f"By {who}.", actor=actors.staff(who), now=NOW)
        for who in range(1, 7)
    ]

    results = race(*settles)

    assert len(succeeded(results)) == 1
    assert Event.objects.filter(kind=privacy.SETTLED).count() == 1
    stands = PrivacyRequest.objects.get()
    assert stands.note == f"By {stands.settled_by}."


def test_the_page_says_what_we_hold_and_where_a_person_is_forgotten(shop, jo, signed_in):
    give(jo, 50, now=NOW)
    raw(shop, "e-1", "7")
    request = asked_of(shop, customer=jo)

    text = signed_in("manager").get(f"{PAGES}{request.pk}/change/").content.decode()

    assert "choose “Forget this person”" in text
    assert f"/admin/customers/customer/{jo.pk}/change/" in text
    assert "<dt>Orders</dt><dd>1</dd>" in text
    assert "<dt>Points transactions</dt><dd>1</dd>" in text
    assert "<dt>Webhooks whose body is kept</dt><dd>1</dd>" in text
    assert "act/settle/" in text
    assert "act/settle/" not in signed_in("support").get(f"{PAGES}{request.pk}/change/").content.decode()


def test_a_manager_settles_it_on_its_page(shop, signed_in):
    request = asked_of(shop)
    page = f"{PAGES}{request.pk}/act/settle/"

    answer = signed_in("manager").post(page, {"confirmed": "yes", "shown": "", "note": "Name taken out."}, follow=True)

    assert "settled." in answer.content.decode()
    assert PrivacyRequest.objects.get().note == "Name taken out."
