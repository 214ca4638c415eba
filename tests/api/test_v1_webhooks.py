"""Webhook endpoints in the API: made, changed, and ended by a key that may, with a secret that no answer repeats."""

import pytest

from loyalty.api.keys import Scope
from loyalty.api.models import IdempotencyRecord
from loyalty.api.v1 import webhook_bodies
from loyalty.webhooks import endpoints, topics
from loyalty.webhooks.models import WebhookDelivery, WebhookEndpoint
from tests.api import contract
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory
from tests.webhooks.conftest import NOW, waiting

pytestmark = pytest.mark.django_db
GIVEN = {"name": "Till", "url": "https://till.example.com/hook", "topics": ["customer/updated"]}
READ, WRITE = Scope.WEBHOOK_ENDPOINT_READ, Scope.WEBHOOK_ENDPOINT_WRITE


@pytest.fixture
def made(api) -> dict:
    return api.post("/webhook_endpoints", GIVEN).json()["webhook_endpoint"]


def test_creates_one_and_tells_its_secret_once(api, made):
    endpoint = WebhookEndpoint.objects.get()

    assert made["secret"] == endpoints.secrets(endpoint=endpoint, now=NOW)[0]
    assert (made["body"], made["state"], made["topics"]) == ("thin", "active", ["customer/updated"])
    assert api.get(f"/webhook_endpoints/{made['id']}").json()["webhook_endpoint"]["secret"] is None
    assert [each["secret"] for each in api.get("/webhook_endpoints").json()["webhook_endpoints"]] == [None]


def test_a_repeated_creation_makes_no_second_one_and_no_secret_is_stored(api):
    first = api.post("/webhook_endpoints", GIVEN, key="k").json()["webhook_endpoint"]
    again = api.post("/webhook_endpoints", GIVEN, key="k")

    assert again["Idempotent-Replayed"] == "true"
    assert again.json()["webhook_endpoint"] == first | {"secret": None}
    assert WebhookEndpoint.objects.count() == 1
    assert first["secret"] not in str(IdempotencyRecord.objects.values().get())


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"url": "ftp://till.example.com/"}, 422, "/url"),
        ({"topics": []}, 422, "/topics"),
        ({"topics": ["everything"]}, 400, "/topics/0"),
        ({"body": "fat"}, 400, "/body"),
        ({"name": ""}, 400, "/name"),
    ],
)
def test_refuses_one_that_makes_no_sense_at_its_field(api, wrong, status, pointer):
    answer = api.post("/webhook_endpoints", GIVEN | wrong)

    assert refusal(answer)[0] == status
    assert answer.json()["error"]["pointer"].startswith(pointer.removesuffix("/0"))
    assert not WebhookEndpoint.objects.exists()


def test_sends_whole_objects_only_to_a_key_that_may_read_them(integrator):
    full = GIVEN | {"body": "full"}

    assert refusal(integrator(WRITE).post("/webhook_endpoints", full)) == (403, "missing_scope")
    assert integrator(WRITE).post("/webhook_endpoints", GIVEN).status_code == 201
    assert integrator(WRITE, Scope.CUSTOMER_READ).post("/webhook_endpoints", full).status_code == 201
    thin = WebhookEndpoint.objects.filter(body="thin").get()
    changed = integrator(WRITE).post(f"/webhook_endpoints/{thin.pk}", {"body": "full"})
    assert refusal(changed) == (403, "missing_scope")


def test_a_key_without_the_scope_sees_and_does_nothing(integrator, made):
    path = f"/webhook_endpoints/{made['id']}"

    assert refusal(integrator(Scope.CUSTOMER_WRITE).get("/webhook_endpoints")) == (403, "missing_scope")
    for act in ("", "/test", "/rotate_secret", "/remove", "/resend"):
        assert refusal(integrator(READ).post(path + act)) == (403, "missing_scope")
    assert integrator(READ).get(path).status_code == 200


def test_changes_what_is_given_and_switches_off_and_on(api, made):
    path = f"/webhook_endpoints/{made['id']}"

    changed = api.post(path, {"webhook_endpoint": {"name": "Till 2", "enabled": False}}).json()["webhook_endpoint"]
    on = api.post(path, {"enabled": True}).json()["webhook_endpoint"]

    assert (changed["name"], changed["url"], changed["state"]) == ("Till 2", GIVEN["url"], "off")
    assert on["state"] == "active"


def test_rotates_its_secret(api, made):
    rotated = api.post(f"/webhook_endpoints/{made['id']}/rotate_secret").json()["webhook_endpoint"]

    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]


def test_removes_it_for_good(api, made):
    path = f"/webhook_endpoints/{made['id']}"

    assert api.post(f"{path}/remove").status_code == 200
    assert refusal(api.get(path)) == (404, "not_found")
    assert WebhookEndpoint.objects.get().secret == ""


def test_sends_a_test_that_is_seen_among_the_deliveries(api, made):
    assert api.post(f"/webhook_endpoints/{made['id']}/test").status_code == 202

    (row,) = api.get("/webhook_deliveries", webhook_endpoint_id=made["id"]).json()["webhook_deliveries"]
    one = api.get(f"/webhook_deliveries/{row['id']}").json()["webhook_delivery"]
    assert (one["topic"], one["state"], one["attempts"]) == ("ping", "waiting", [])
    assert one["webhook_id"] == f"msg_test_{row['id']}"


def test_sends_one_or_a_range_again(api, made):
    endpoint = WebhookEndpoint.objects.get()
    row = waiting(endpoint, state="delivered", due_at=None, closed_at=NOW)
    times = {"occurred_after": "2026-11-26T00:00:00Z", "occurred_before": "2026-11-27T00:00:00Z"}

    one = api.post(f"/webhook_deliveries/{row.pk}/resend").json()["webhook_delivery"]
    WebhookDelivery.objects.update(state="delivered", due_at=None, closed_at=NOW)
    several = api.post(f"/webhook_endpoints/{endpoint.pk}/resend", times)

    assert one["state"] == "waiting"
    assert several.status_code == 202
    row.refresh_from_db()
    assert row.state == "waiting"
    backwards = {"occurred_after": times["occurred_before"], "occurred_before": times["occurred_after"]}
    assert refusal(api.post(f"/webhook_endpoints/{endpoint.pk}/resend", backwards)) == (422, "resend_refused")


def test_what_is_not_there_is_not_found(api):
    for path in ("/webhook_endpoints/7", "/webhook_deliveries/7"):
        assert refusal(api.get(path)) == (404, "not_found")
        act = "/remove" if "endpoints" in path else "/resend"
        assert refusal(api.post(path + act)) == (404, "not_found")


def test_the_document_describes_every_topic_and_a_full_message_fits_it():
    anna = CustomerFactory()
    described = contract.document()["webhooks"]
    shape = described["customer/updated"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    said = {"account_id": 1, "topic": "customer/updated", "ordering_key": "customer:1", "sequence": 1}
    said["occurred_at"] = "2026-11-26T12:00:00.000Z"

    assert set(described) == {*topics.BY_NAME, topics.PING}
    for style in ("thin", "full"):
        told = said | {"data": webhook_bodies.data("customer/updated", anna.pk, style, NOW)}
        assert contract.differences(shape, told, whole=False) == []
    assert contract.differences(shape, said | {"data": {}}, whole=False) != []
