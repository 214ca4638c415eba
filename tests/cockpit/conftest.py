"""A customer who signed in, rewards to look at, and a shop that really makes the codes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from loyalty.accounts.models import User
from loyalty.customers.models import Customer
from platforms.models import StoreConnection
from rewards.models import PointsProduct, Reward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop


@pytest.fixture(autouse=True)
def own_limits(settings: Any) -> Iterator[None]:
    """Tries are counted anew for each test, and not in the cache that real processes share."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def signed_up() -> Callable[..., User]:
    """A user who proved their address; they may sign in with a password."""

    def make(email: str = "anna@example.com", *, verified: bool = True, **fields: Any) -> User:
        user = User.objects.create_user(email, "a password for tests", **fields)
        EmailAddress.objects.create(user=user, email=email.lower(), verified=verified, primary=True)
        return user

    return make


@pytest.fixture
def customer(db: None, signed_up: Callable[..., User]) -> Customer:
    """Anna, with 1,000 points that never expire."""
    anna: Customer = CustomerFactory(email="anna@example.com", user=signed_up())
    give(anna, 1000, now=timezone.now())
    return anna


@pytest.fixture
def visitor(client: Client, customer: Customer) -> Client:
    """Anna's browser, signed in."""
    assert customer.user is not None
    client.force_login(customer.user)
    return client


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    with running_sandbox_shop(tmp_path_factory.mktemp("cockpit")) as running:
        yield running


@pytest.fixture
def connection(db: None, shop: SandboxShop) -> StoreConnection:
    """The shop, connected."""
    shop.clear_faults()
    return connect(shop)


@pytest.fixture
def on_offer(db: None) -> Callable[..., PointsProduct]:
    """Puts a reward on offer, with an English text."""

    def make(reward: Reward, *, price: int, name: str, **texts: Any) -> PointsProduct:
        RewardTextFactory(reward=reward, name=name, **texts)
        product: PointsProduct = PointsProductFactory(reward=reward, points_price=price)
        return product

    return make


@pytest.fixture
def gift(on_offer: Callable[..., PointsProduct]) -> PointsProduct:
    """A mug for 400 points: no shop is asked for it."""
    return on_offer(GiftFactory(), price=400, name="A stoneware mug")


@pytest.fixture
def discount(on_offer: Callable[..., PointsProduct], connection: StoreConnection) -> PointsProduct:
    """$5 off for 300 points: the shop makes the code."""
    return on_offer(RewardFactory(connection=connection), price=300, name="$5 off")
