from collections.abc import Iterator

import pytest

from loyalty.points import audit
from platforms.models import StoreConnection
from rewards.models import PointsProduct, RedeemedReward
from tests.factories.catalogue import PointsProductFactory, RewardTextFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.shop import connect
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop


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
def connection(shop: SandboxShop, db: None) -> StoreConnection:
    return connect(shop)


@pytest.fixture
def product(connection: StoreConnection) -> PointsProduct:
    """5 off in the shop, for 100 points."""
    made = PointsProductFactory(reward__connection=connection)
    RewardTextFactory(reward=made.reward, name="$5 off your next order", terms="Once per order.")
    return made


@pytest.fixture
def customer(db: None):
    """A member with 250 points."""
    member = CustomerFactory()
    give(member, 250)
    return member


@pytest.fixture
def ledger_stays_proved(db: None) -> Iterator[None]:
    yield
    assert list(audit.differences()) == []


@pytest.fixture
def rows(db: None):
    """How many redeemed rewards there are, whatever their state."""
    return RedeemedReward.objects.count
