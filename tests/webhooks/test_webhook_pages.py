"""Pages of webhooks: a secret is seen once, whoever may not sees no button, and what was sent is found and sent again."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts import roles
from loyalty.common import actors
from loyalty.events import log
from loyalty.events.models import Event
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind
from loyalty.messages import letters, occasions
from loyalty.messages.models import Mail
from loyalty.webhooks import endpoints
from loyalty.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.factories.people import StaffFactory
from tests.webhooks.conftest import EVERYTHING, NOW, listening, send, waiting

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "admin:webhooks_webhookendpoint_add"
GIVEN = {"name": "Till", "url": "https://till.example.com/hook", "body": "thin", "topics": EVERYTHING[:2]}


@pytest.fixture
def signed_in(db: None):
    roles.sync()

    def sign_in(role: str) -> Client:
        user = StaffFactory()
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def manager(signed_in) -> Client:
    return signed_in("manager")


def page(endpoint: WebhookEndpoint) -> str:
    return reverse("admin:webhooks_webhookendpoint_change", args=(endpoint.pk,))


def act(row, slug: str) -> str:
    return reverse(f"admin:webhooks_{row._meta.model_name}_act", args=(row.pk, slug))


def secrets_in(response) -> list[str]:
    return sorted(set(re.findall(r"whsec_[A-Za-z0-9+/=]+", response.content.decode())))


def test_an_endpoint_is_added_and_its_secret_shown_once(manager):
    made = manager.post(reverse(ADD), GIVEN)
    endpoint = WebhookEndpoint.objects.get()

    assert secrets_in(made) == endpoints.secrets(endpoint=endpoint, now=timezone.now())
    assert "no-store" in made["Cache-Control"]
    assert secrets_in(manager.get(page(endpoint))) == []
    assert endpoint.topics == EVERYTHING[:2]
    assert Event.objects.get(kind="webhook_endpoint.made").actor_kind == "staff"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"url": "ftp://till.example.com"}, "must start with https://"),
        ({"topics": []}, "This field is required"),
        ({"topics": ["everything"]}, "is not one of the available choices"),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused_at_its_field(manager, wrong, sentence):
    answer = manager.post(reverse(ADD), GIVEN | wrong)

    assert sentence in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed(manager):
    endpoint = listening("https://old.example.com/")

    manager.post(reverse("admin:webhooks_webhookendpoint_edit", args=(endpoint.pk,)), GIVEN | {"body": "full"})

    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.body) == (GIVEN["url"], "full")


def test_a_new_secret_is_asked_for_by_post_and_shown_once(manager):
    endpoint = listening("https://till.example.com/")
    address = reverse("admin:webhooks_webhookendpoint_secret", args=(endpoint.pk,))

    asked, made = manager.get(address), manager.post(address)

    endpoint.refresh_from_db()
    assert secrets_in(asked) == []
    assert secrets_in(made) == endpoints.secrets(endpoint=endpoint, now=timezone.now())[:1]


@pytest.mark.parametrize("slug", ["test", "switch-off", "remove", "resend"])
def test_acts_of_an_endpoint_are_confirmed_and_done(manager, slug):
    endpoint = listening("https://till.example.com/")
    waiting(endpoint, state="delivered", due_at=None, closed_at=NOW)
    times = {"since_date": "2026-11-26", "until_date": "2026-11-26"} if slug == "resend" else {}

    asked = manager.get(act(endpoint, slug))
    done = manager.post(act(endpoint, slug), {"confirmed": "yes", "shown": "", **times}, follow=True)

    assert asked.status_code == done.status_code == 200
    endpoint.refresh_from_db()
    states = {"test": "active", "switch-off": "off", "remove": "removed", "resend": "active"}
    assert endpoint.state == states[slug]
    assert WebhookDelivery.objects.filter(state="waiting").count() == (1 if slug in {"test", "resend"} else 0)


def test_a_paused_endpoint_says_why_and_is_switched_on(manager):
    endpoint = listening("https://till.example.com/")
    endpoints.pause(endpoint=endpoint, reason="The endpoint answered 410: it wants no more messages.", now=NOW)

    shown = manager.get(page(endpoint)).content.decode()
    manager.post(act(endpoint, "switch-on"), {"confirmed": "yes", "shown": ""})

    assert "it wants no more messages" in shown
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.pause_reason) == ("active", "")


def test_what_was_sent_is_found_read_and_sent_again(manager, endpoint, receiver):
    receiver.answers[:] = [500]
    delivery = waiting(endpoint)
    send()
    listed = reverse("admin:webhooks_webhookdelivery_changelist")

    assert manager.get(listed, {"endpoint": endpoint.pk, "state": "waiting"}).context["cl"].result_count == 1
    assert manager.get(listed, {"state": "delivered"}).context["cl"].result_count == 0
    shown = manager.get(reverse("admin:webhooks_webhookdelivery_change", args=(delivery.pk,))).content.decode()
    assert "Only 200 to 299 means that it took the message." in shown
    assert "msg_1_customer_updated" in shown
    manager.post(act(delivery, "resend"), {"confirmed": "yes", "shown": ""})
    send(timezone.now() + timedelta(seconds=1))
    assert len(receiver.deliveries) == 2


def test_whoever_may_only_look_has_no_button_and_is_refused(signed_in):
    endpoint = listening("https://till.example.com/")
    viewer = signed_in("viewer")

    shown = viewer.get(page(endpoint)).content.decode()

    assert act(endpoint, "remove") not in shown
    assert viewer.post(act(endpoint, "remove"), {"confirmed": "yes"}).status_code == 403
    for name in ("edit", "secret"):
        address = reverse(f"admin:webhooks_webhookendpoint_{name}", args=(endpoint.pk,))
        assert address not in shown
        assert viewer.post(address).status_code == 403
    assert viewer.post(reverse(ADD), GIVEN).status_code == 403


def test_lists_take_the_same_queries_however_many_rows_they_have(manager, django_assert_max_num_queries):
    for number in range(12):
        waiting(listening("https://till.example.com/"), event_id=number)

    for name in ("webhookendpoint", "webhookdelivery"):
        with django_assert_max_num_queries(10):
            manager.get(reverse(f"admin:webhooks_{name}_changelist"))


def test_a_pause_is_told_to_the_back_office():
    programme = merchant.programme()
    programme.office_emails = ["office@example.com"]
    programme.save()
    endpoint = listening("https://till.example.com/", name="Till 7")
    event = log.record(
        kind="webhook_endpoint.paused", subject_type="webhook_endpoint", subject_id=endpoint.pk,
        actor=actors.SYSTEM, now=NOW,
    )  # fmt: skip

    (wanted,) = occasions.wanted_for(events=[event], now=NOW)
    mail = Mail(kind=MailKind.ALERT, recipient=wanted.recipient, about_type=wanted.about_type, about_id=wanted.about_id)
    mail.event_id = event.pk
    letter = letters.compose(mail=mail, now=NOW)

    assert wanted.recipient == "office@example.com"
    assert letter.subject == f"Please look at: Till 7 ({endpoint.pk})"
    assert page(endpoint) in letter.text
