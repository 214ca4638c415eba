"""API keys: made, shown once, revoked."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty.api import keys
from loyalty.api.models import ApiKey
from loyalty.events.models import Event

pytestmark = pytest.mark.django_db
ADD = "/admin/api/apikey/add/"
FORM = {"name": "Till", "scopes": ["customer:read", "points_purchase:write"]}


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


def test_shows_a_new_key_once_and_nowhere_again(manager):
    answer = manager.post(ADD, FORM)

    (secret,) = set(re.findall(r"api_[\w-]{30,}", answer.content.decode()))
    key = keys.find(secret=secret, now=timezone.now())
    assert key is not None
    assert (key.name, key.scopes) == ("Till", ["customer:read", "points_purchase:write"])
    assert key.created_by.email.startswith("staff")
    assert "no-store" in answer["Cache-Control"]
    for page in (reverse("admin:api_apikey_changelist"), reverse("admin:api_apikey_change", args=(key.pk,))):
        shown = manager.get(page).content.decode()
        assert secret not in shown
        assert key.digest not in shown
        assert key.prefix in shown
    assert secret not in str(list(Event.objects.values_list("data", flat=True)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": "2020-01-01"}, "__all__"),
    ],
)
def test_refuses_what_makes_no_key(manager, change, field):
    answer = manager.post(ADD, {**FORM, **change})

    assert answer.context["form"].errors[field]
    assert not ApiKey.objects.exists()


def test_revokes_a_key_after_asking(manager):
    key, secret = keys.create(name="Till", scopes=["customer:read"], created_by_id=None, now=timezone.now())
    url = reverse("admin:api_apikey_act", args=(key.pk, "revoke"))

    assert b"loses access at once" in manager.get(url).content
    assert keys.find(secret=secret, now=timezone.now()) == key
    manager.post(url, {"confirmed": "yes"})

    assert keys.find(secret=secret, now=timezone.now()) is None
    assert b"Revoked" in manager.get(reverse("admin:api_apikey_changelist")).content
    assert Event.objects.filter(kind="api_key.revoked", subject_id=key.pk).exists()


def test_offers_no_form_to_change_a_key(manager):
    key, _ = keys.create(name="Till", scopes=["customer:read"], created_by_id=None, now=timezone.now())

    assert manager.post(reverse("admin:api_apikey_change", args=(key.pk,)), {"name": "Other"}).status_code == 403
    key.refresh_from_db()
    assert key.name == "Till"


@pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
def test_is_for_managers(signed_in, role):
    key, _ = keys.create(name="Till", scopes=["customer:read"], created_by_id=None, now=timezone.now())
    person = signed_in(role)

    assert person.post(ADD, FORM).status_code == 403
    assert person.post(reverse("admin:api_apikey_act", args=(key.pk, "revoke")), {"confirmed": "y"}).status_code == 403
    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.count() == 1
