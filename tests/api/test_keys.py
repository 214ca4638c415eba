from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.api import keys
from loyalty.api.keys import InvalidApiKey, Scope
from loyalty.api.models import ApiKey

pytestmark = pytest.mark.django_db


def make(**changes):
    wanted = {"name": "Webshop", "scopes": [Scope.CUSTOMER_READ], "created_by_id": None, "now": timezone.now()}
    return keys.create(**(wanted | changes))


def test_keeps_a_digest_and_never_the_key():
    key, secret = make()

    assert secret.startswith("api_")
    assert len(secret) == 47
    assert key.prefix == secret[:12]
    assert secret not in str(ApiKey.objects.filter(pk=key.pk).values().get())


def test_makes_a_different_key_each_time():
    assert make()[1] != make()[1]


def test_finds_a_key_by_its_secret_and_no_other():
    key, secret = make()

    assert keys.find(secret=secret, now=timezone.now()) == key
    assert keys.find(secret=secret + "x", now=timezone.now()) is None
    assert keys.find(secret="", now=timezone.now()) is None


def test_does_not_find_a_revoked_key():
    key, secret = make()

    keys.revoke(key_id=key.pk, now=timezone.now())

    assert keys.find(secret=secret, now=timezone.now()) is None


def test_revoking_twice_keeps_the_first_time():
    key, _ = make()
    first = timezone.now()

    keys.revoke(key_id=key.pk, now=first)
    keys.revoke(key_id=key.pk, now=first + timedelta(days=1))

    key.refresh_from_db()
    assert key.revoked_at == first


def test_does_not_find_a_key_from_the_instant_it_expires():
    now = timezone.now()
    key, secret = make(now=now, expires_at=now + timedelta(days=1))

    assert keys.find(secret=secret, now=now + timedelta(days=1, microseconds=-1)) == key
    assert keys.find(secret=secret, now=now + timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": " "}, "1 to 80 characters"),
        ({"name": "x" * 81}, "1 to 80 characters"),
        ({"scopes": []}, "without a scope"),
        ({"scopes": ["customer:read", "everything"]}, "no scope everything"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expired already"),
    ],
)
def test_refuses_a_key_that_makes_no_sense(wrong, sentence):
    with pytest.raises(InvalidApiKey, match=sentence):
        make(**wrong)

    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("held", "asked", "allowed"),
    [
        ("customer:read", "customer:read", True),
        ("customer:write", "customer:read", True),
        ("customer:read", "customer:write", False),
        ("points_transaction:write", "customer:read", False),
        ("points_purchase:write", "points_product:read", False),
    ],
)
def test_lets_a_key_that_may_write_read_the_same_thing_and_nothing_else(held, asked, allowed):
    assert keys.allows(key=ApiKey(scopes=[held]), scope=asked) is allowed


def test_notes_its_use_at_most_once_a_minute():
    key, secret = make()
    now = timezone.now()

    for seconds in (0, 30, 59, 60, 90):
        at = now + timedelta(seconds=seconds)
        keys.note_use(key=keys.find(secret=secret, now=at), now=at)
        key.refresh_from_db()
        assert key.last_used_at == (now if seconds < 60 else now + timedelta(seconds=60))
