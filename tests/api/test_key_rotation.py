"""Keys that take each other's place, and keys that are taken from some addresses alone."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from loyalty.api import keys, rate_limit
from loyalty.api.keys import InvalidApiKey, Scope
from loyalty.api.models import ApiKey
from loyalty.events.models import Event
from loyalty.points.models import PointsTransaction
from tests.api.conftest import Integrator, refusal
from tests.concurrency.races import race
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def make(**changes):
    wanted = {"name": "Till", "scopes": Scope.values, "created_by_id": None, "now": timezone.now()}
    return keys.create(**(wanted | changes))


def rotate(key, *, overlap=HOUR, now=None):
    return keys.rotate(key_id=key.pk, overlap=overlap, created_by_id=None, now=now or timezone.now())


def test_both_keys_work_until_the_overlap_is_over_and_then_the_new_one_alone():
    now = timezone.now()
    old, first = make(networks=["192.0.2.0/24"], scopes=[Scope.CODE_READ])
    new, second = rotate(old, now=now)

    assert keys.find(secret=first, now=now + HOUR - timedelta(seconds=1)) == old
    assert keys.find(secret=first, now=now + HOUR) is None
    assert keys.find(secret=second, now=now + HOUR) == new
    assert (new.name, new.scopes, new.networks) == (old.name, old.scopes, old.networks)


def test_without_an_overlap_the_old_key_ends_at_once():
    now = timezone.now()
    old, first = make()
    rotate(old, overlap=timedelta(0), now=now)

    assert keys.find(secret=first, now=now) is None


def test_a_rotation_never_gives_a_key_a_longer_life():
    now = timezone.now()
    old, _ = make(expires_at=now + HOUR, now=now)
    new, _ = rotate(old, overlap=timedelta(days=3), now=now)

    old.refresh_from_db()
    assert old.expires_at == new.expires_at == now + HOUR


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [("revoked", "has ended already"), ("expired", "has ended already"), ("twice", "was replaced before")],
)
def test_what_has_ended_or_was_replaced_is_not_rotated(ended, sentence):
    now = timezone.now()
    old, _ = make(now=now, expires_at=now + HOUR if ended == "expired" else None)
    if ended == "revoked":
        keys.revoke(key_id=old.pk, now=now)
    if ended == "twice":
        rotate(old, now=now)

    with pytest.raises(InvalidApiKey, match=sentence):
        rotate(old, now=now + HOUR if ended == "expired" else now)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_rotate_one_key_at_once_one_gets_a_new_one():
    old, _ = make()

    outcomes = race(*[lambda: rotate(old)] * 8)

    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert ApiKey.objects.count() == 2


def test_a_request_repeated_under_the_new_key_is_the_same_request(customer):
    old, first = make()
    body = {"points_transaction": {"customer_id": customer.pk, "points_change": 50}}
    told = Integrator(first).post("/points_transactions", body, key="one")
    rotate(old)
    newest, third = rotate(ApiKey.objects.get(replaces=old))

    again = Integrator(third).post("/points_transactions", body, key="one")

    assert (told.status_code, again.status_code, again["Idempotent-Replayed"]) == (201, 201, "true")
    assert again.json() == told.json()
    assert PointsTransaction.objects.filter(points_change=50).count() == 1
    assert newest.identity == old.pk


def test_the_rate_of_a_system_is_one_however_many_keys_it_has(settings, monkeypatch):
    monkeypatch.setattr(rate_limit.time, "time", lambda: 4_000_000_000.0)  # all within one second
    settings.API_RATE_LIMIT = 1_000
    old, first = make()
    _, second = rotate(old)

    left = [Integrator(secret).get("/customers")["RateLimit"] for secret in (first, second)]

    assert left == ['"second";r=999;t=1', '"second";r=998;t=1']


def test_every_answer_says_what_is_left_of_the_rate(api, settings):
    settings.API_RATE_LIMIT = 5

    answer = api.get("/customers/999999999")

    assert answer.status_code == 404
    assert answer["RateLimit-Policy"] == '"second";q=5;w=1'
    assert answer["RateLimit"].startswith('"second";r=')


@pytest.mark.parametrize(
    ("networks", "address", "taken"),
    [
        ([], "203.0.113.9", True),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db8::5", True),
        (["192.0.2.0/24"], "::ffff:192.0.2.9", True),
        (["192.0.2.0/24"], "", False),
    ],
)
def test_a_key_is_taken_from_its_addresses_alone(networks, address, taken):
    key, _ = make(networks=networks)

    assert keys.taken_from(key=key, address=address) is taken


def test_a_caller_from_elsewhere_is_refused_and_not_noted_as_a_use():
    key, secret = make(networks=["192.0.2.7"])

    answer = Integrator(secret).get("/customers")

    assert refusal(answer) == (403, "address_not_allowed")
    assert ApiKey.objects.get(pk=key.pk).last_used_at is None


def test_behind_a_proxy_what_the_proxy_saw_counts_and_not_what_the_caller_says(settings):
    settings.BEHIND_PROXY = True
    _, secret = make(networks=["192.0.2.7"])
    client, headers = Client(), {"Authorization": f"Bearer {secret}"}

    told = [
        client.get("/api/v1/customers", headers=headers | {"X-Forwarded-For": seen}).status_code
        for seen in ("192.0.2.7", "203.0.113.9, 192.0.2.7", "192.0.2.7, 203.0.113.9")
    ]

    assert told == [200, 200, 403]


@pytest.mark.parametrize("wrong", ["everywhere", "192.0.2.300", "192.0.2.7/24", "192.0.2.7,192.0.2.8"])
def test_refuses_what_is_no_address(wrong):
    with pytest.raises(InvalidApiKey, match="is no address and no network"):
        make(networks=[wrong])


def test_staff_rotate_a_key_on_its_page_and_see_the_new_one_once():
    old, _ = make()
    client = staff("api.view_apikey", "api.add_apikey", "api.change_apikey")
    url = f"/admin/api/apikey/{old.pk}/rotate/"

    assert url in client.get(f"/admin/api/apikey/{old.pk}/change/").content.decode()
    assert "nothing is done twice" in words(client.get(url))
    page = client.post(url, {"hours": "2"})

    new = ApiKey.objects.get(replaces=old)
    assert new.prefix in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert Event.objects.get(kind="api_key.rotated").data == {"replaces": old.pk, "hours": 2}
    assert "was replaced before" in words(client.get(url))
    assert f"replaced by {new}" in words(client.get(f"/admin/api/apikey/{old.pk}/change/"))


def test_who_may_not_make_keys_may_not_rotate_one():
    old, _ = make()

    assert (
        staff("api.view_apikey", "api.change_apikey")
        .post(f"/admin/api/apikey/{old.pk}/rotate/", {"hours": "2"})
        .status_code
        == 403
    )
    assert ApiKey.objects.count() == 1


def test_staff_name_the_addresses_one_in_a_line():
    client = staff("api.view_apikey", "api.add_apikey")

    client.post(
        "/admin/api/apikey/add/",
        {"name": "Till", "scopes": ["code:read"], "networks": "192.0.2.7\n\n 198.51.100.0/24 "},
    )

    assert ApiKey.objects.get().networks == ["192.0.2.7/32", "198.51.100.0/24"]
