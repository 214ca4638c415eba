import time

import pytest

from loyalty.api import rate_limit
from loyalty.api.models import ApiKey, RateWindow
from tests.api.conftest import refusal

pytestmark = pytest.mark.django_db

NOBODY = "redis://127.0.0.1:9/0"  # nothing listens there


@pytest.fixture
def one_second(monkeypatch):
    """The clock of the limit stands still until it is told to go on."""
    clock = {"now": float(int(time.time()) + 100_000)}
    monkeypatch.setattr(rate_limit.time, "time", lambda: clock["now"])
    return clock


@pytest.fixture(params=["valkey", "postgresql"])
def counting(request, settings):
    settings.API_RATE_LIMIT = 10
    if request.param == "postgresql":
        settings.REDIS_URL = NOBODY
    return request.param


def test_lets_ten_requests_through_in_a_second_and_refuses_the_next(api, one_second, counting):
    answers = [api.get("/customers") for _ in range(12)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert refusal(answers[-1]) == (429, "rate_limited")
    assert answers[-1]["Retry-After"] == "1"
    assert RateWindow.objects.exists() is (counting == "postgresql")


def test_starts_afresh_in_the_next_second(api, one_second, counting):
    for _ in range(11):
        api.get("/customers")

    one_second["now"] += 1

    assert api.get("/customers").status_code == 200


def test_counts_each_key_on_its_own(integrator, one_second, counting):
    first, second = integrator(), integrator()
    for _ in range(11):
        first.get("/customers")

    assert first.get("/customers").status_code == 429
    assert second.get("/customers").status_code == 200


def test_counts_writes_as_well_and_does_nothing_for_those_it_refuses(api, one_second, counting):
    answers = [api.post("/customers", {"email": f"a{n}@example.com"}) for n in range(11)]

    assert [answer.status_code for answer in answers] == [201] * 10 + [429]


def test_counts_what_is_refused_for_its_scope_as_well(integrator, one_second, counting):
    narrow = integrator("customer:read")

    answers = [narrow.get("/points_products") for _ in range(11)]

    assert [answer.status_code for answer in answers] == [403] * 10 + [429]


def test_counts_in_postgresql_when_no_valkey_is_set(api, one_second, settings):
    settings.API_RATE_LIMIT, settings.REDIS_URL = 1, ""

    assert [api.get("/customers").status_code for _ in range(2)] == [200, 429]
    assert RateWindow.objects.get().requests == 2


def test_does_not_ask_a_valkey_that_is_down_each_time():
    server = rate_limit.Valkey(NOBODY)
    assert server.count(1, 1) is None

    server._client = None  # asking it now would break

    assert server.count(1, 1) is None


def test_asks_it_again_after_a_while():
    server = rate_limit.Valkey(NOBODY)
    server.count(1, 1)
    server._ask_from = 0.0
    server._client = None

    with pytest.raises(AttributeError):
        server.count(1, 1)


def test_leaves_nothing_behind_in_valkey_for_long(settings, api):
    api.get("/customers")
    client = rate_limit.valkey(settings.REDIS_URL)._client
    names = client.keys(f"api:rate:{ApiKey.objects.get().pk}:*")

    assert len(names) == 1
    assert 0 < client.ttl(names[0]) <= 5
