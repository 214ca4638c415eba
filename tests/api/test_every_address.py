"""Every address of the API, taken from its own list, so that none is left out: no key, a wrong scope, a key used twice."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.urls import resolve
from django.utils import timezone

from loyalty.api import idempotency, keys, storefront
from loyalty.api.models import ApiKey, IdempotencyRecord
from loyalty.api.v1 import schema, urls
from tests.api.conftest import Integrator, refusal

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    scope: str  # empty where a customer token stands in for it

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def by(self, system: Integrator, **options):
        return getattr(system, self.method)(self.path, **options)


def calls():
    """Each method of each address, with an id that nothing has; the document of the API alone is for everybody."""
    for route, view, _ in urls.ADDRESSES:
        for method in ("get", "post"):
            if view is not schema.Schema and hasattr(view, method):
                path = f"/{route.replace('<str:pk>', '999999')}"
                yield Call(method, path, getattr(view, "scopes", {}).get(method.upper(), "") or "")


CALLS = list(calls())
WITH_KEY = [call for call in CALLS if not call.path.startswith("/storefront/")]


def everything_but(scope):
    """All scopes that do not bring this one with them."""
    return [each for each in keys.Scope.values if not keys.allows(key=ApiKey(scopes=[each]), scope=scope)]


def odd(answers):
    """What was not answered as all are."""
    return {str(call): found for call, found, wanted in answers if found != wanted}


def test_every_address_is_among_them_and_all_but_those_of_customers_name_a_scope():
    assert len(CALLS) >= len(urls.ADDRESSES) - 1
    assert [str(call) for call in WITH_KEY if call.scope not in keys.Scope.values] == []
    for call in CALLS:
        view = resolve(f"/api/v1{call.path}").func.view_class
        assert issubclass(view, storefront.StorefrontView) == (call not in WITH_KEY)


def test_without_a_key_none_answers(stranger):
    missing = {True: (401, "missing_api_key"), False: (401, "missing_customer_token")}

    answers = [(call, refusal(call.by(stranger)), missing[call in WITH_KEY]) for call in CALLS]

    assert odd(answers) == {}


def test_without_its_scope_none_answers_though_the_key_has_all_others(integrator):
    systems = {call.scope: integrator(*everything_but(call.scope)) for call in WITH_KEY}

    answers = [(call, refusal(call.by(systems[call.scope])), (403, "missing_scope")) for call in WITH_KEY]

    assert odd(answers) == {}


def test_an_idempotency_key_is_looked_up_before_anything_is_judged(api):
    IdempotencyRecord.objects.create(
        api_key_id=ApiKey.objects.get().pk,
        key="taken",
        request_digest="of another request",
        created_at=timezone.now(),
        status=200,
        body={},
    )
    writes = [call for call in WITH_KEY if call.method == "post"]

    answers = [(call, refusal(call.by(api, key="taken")), (422, "idempotency_conflict")) for call in writes]

    assert len(writes) >= 35
    assert odd(answers) == {}


def test_a_write_that_is_under_way_is_not_begun_again(api, monkeypatch):
    digest = "the same request"
    monkeypatch.setattr(idempotency, "digest_of", lambda request: digest)
    IdempotencyRecord.objects.create(
        api_key_id=ApiKey.objects.get().pk,
        key="under way",
        request_digest=digest,
        created_at=timezone.now(),
        locked_until=timezone.now() + timedelta(minutes=1),
    )
    writes = [call for call in WITH_KEY if call.method == "post"]

    answers = [(call, refusal(call.by(api, key="under way")), (409, "request_in_progress")) for call in writes]

    assert odd(answers) == {}
