from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.api import keys
from loyalty.api.models import ApiKey
from tests.api.conftest import Integrator, refusal

pytestmark = pytest.mark.django_db

READS = [
    ("customer:read", "/customers"),
    ("points_product:read", "/points_products/1"),
]
WRITES = [
    ("customer:write", "/customers"),
    ("reward_fulfillment:write", "/reward_fulfillments/1/cancel"),
]  # of every address: see test_every_address


def everything_but(scope):
    """All scopes that do not bring this one with them."""
    return [each for each in keys.Scope.values if not keys.allows(key=ApiKey(scopes=[each]), scope=scope)]


@pytest.mark.parametrize(("scope", "path"), READS)
def test_reading_needs_its_scope_and_no_other(integrator, scope, path):
    assert refusal(integrator(*everything_but(scope)).get(path)) == (403, "missing_scope")
    assert integrator(scope).get(path).status_code in {200, 404}


@pytest.mark.parametrize(("scope", "path"), WRITES)
def test_writing_needs_its_scope_and_no_other(integrator, scope, path):
    assert refusal(integrator(*everything_but(scope)).post(path)) == (403, "missing_scope")
    assert integrator(scope).post(path).status_code in {400, 404, 422}


def test_names_the_scope_that_is_missing(integrator):
    answer = integrator("customer:read").get("/points_transactions")

    assert "lacks the scope points_transaction:read" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("_", "path"), READS)
def test_reading_without_a_key_is_refused(stranger, _, path):
    answer = stranger.get(path)

    assert refusal(answer) == (401, "missing_api_key")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("_", "path"), WRITES)
def test_writing_without_a_key_is_refused(stranger, _, path):
    assert refusal(stranger.post(path)) == (401, "missing_api_key")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "api_x", "Token api_x"])
def test_another_kind_of_credentials_counts_as_none(stranger, header):
    stranger.headers = {"Authorization": header}

    assert refusal(stranger.get("/customers")) == (401, "missing_api_key")


@pytest.mark.parametrize("secret", ["api_unknown", "żółw", "x" * 5000, "a b c"])
def test_an_unknown_key_is_refused(secret):
    assert refusal(Integrator(secret).get("/customers")) == (401, "invalid_api_key")


def test_the_word_bearer_is_read_in_any_case(api):
    api.headers = {"Authorization": api.headers["Authorization"].replace("Bearer", "bearer ")}

    assert api.get("/customers").status_code == 200


def test_a_revoked_key_is_refused_at_once():
    key, secret = keys.create(name="Old", scopes=["customer:read"], created_by_id=None, now=timezone.now())
    caller = Integrator(secret)
    assert caller.get("/customers").status_code == 200

    keys.revoke(key_id=key.pk, now=timezone.now())

    assert refusal(caller.get("/customers")) == (401, "invalid_api_key")


def test_an_expired_key_is_refused():
    long_ago = timezone.now() - timedelta(days=9)
    _, secret = keys.create(
        name="Old", scopes=["customer:read"], created_by_id=None, now=long_ago, expires_at=long_ago + timedelta(days=1)
    )

    assert refusal(Integrator(secret).get("/customers")) == (401, "invalid_api_key")


def test_a_call_is_noted_on_the_key(api):
    api.get("/customers")

    assert ApiKey.objects.get().last_used_at is not None


def test_a_signed_in_member_of_staff_is_nobody_here(admin_client):
    assert admin_client.get("/api/v1/customers").status_code == 401
