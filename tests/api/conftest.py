"""An integrator with a key, who speaks JSON over HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from loyalty.api import keys
from loyalty.customers.models import Customer
from rewards.models import PointsProduct
from tests.api import contract
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardTextFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop

BASE = "/api/v1"


class Integrator:
    """One system with one key. Paths are below /api/v1; answers have `.status_code`, `.json()` and headers.

    Every exchange is held against the OpenAPI document.
    """

    def __init__(self, secret: str | None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}

    def get(self, path: str, **query: Any) -> HttpResponse:
        answer = self.client.get(f"{BASE}{path}", query, headers=self.headers)
        contract.check("get", path, answer)
        return answer

    def post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> HttpResponse:
        """A body that is bytes or text is sent as it is; `key` is the Idempotency-Key."""
        content = body if isinstance(body, bytes | str) else json.dumps({} if body is None else body)
        headers = self.headers | ({"Idempotency-Key": key} if key is not None else {})
        options.setdefault("content_type", "application/json")
        answer = self.client.post(f"{BASE}{path}", content, headers=headers, **options)
        contract.check("post", path, answer)
        return answer


@pytest.fixture(autouse=True)
def generous_rate(settings: Any) -> None:
    """Tests that are not about the rate limit are not stopped by it."""
    settings.API_RATE_LIMIT = 10_000


@pytest.fixture
def integrator(db: None) -> Callable[..., Integrator]:
    """`integrator("customer:read")`: with these scopes; with all of them when none is named."""

    def connect(*scopes: str) -> Integrator:
        _, secret = keys.create(
            name="Webshop", scopes=scopes or keys.Scope.values, created_by_id=None, now=timezone.now()
        )
        return Integrator(secret)

    return connect


@pytest.fixture
def api(integrator: Callable[..., Integrator]) -> Integrator:
    """An integrator who may do everything."""
    return integrator()


@pytest.fixture
def stranger(db: None) -> Integrator:
    """Somebody without a key."""
    return Integrator(None)


def refusal(answer: HttpResponse) -> tuple[int, str]:
    """Status and code of a refusal, after checking that it has the one shape all refusals have."""
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() - {"pointer"} == {"code", "message", "request_id"}
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"]


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    with running_sandbox_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def shop(shop_process: SandboxShop) -> Iterator[SandboxShop]:
    """The sandbox shop, running and without faults."""
    yield shop_process
    shop_process.clear_faults()


@pytest.fixture
def product(shop: SandboxShop, db: None) -> PointsProduct:
    """5 off in the shop, for 100 points."""
    made = PointsProductFactory(reward__connection=connect(shop), reward__action_url="https://shop.example/")
    RewardTextFactory(reward=made.reward, name="$5 off", usage_instructions="Type it in.", terms="Once per order.")
    return made


@pytest.fixture
def gift(db: None) -> PointsProduct:
    """A mug for 100 points, which no shop knows."""
    made = PointsProductFactory(reward=GiftFactory(limit_per_customer=3))
    RewardTextFactory(reward=made.reward, name="A mug", short_description="Blue.")
    return made


@pytest.fixture
def customer(db: None) -> Customer:
    """A member with 250 points."""
    member = CustomerFactory()
    ShippingAddressFactory(customer=member)
    give(member, 250, now=timezone.now())
    return member
