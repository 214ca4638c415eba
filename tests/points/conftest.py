from collections.abc import Iterator

import pytest

from loyalty.points import audit
from tests.factories.people import CustomerFactory


@pytest.fixture
def customer(db: None):
    return CustomerFactory()


@pytest.fixture(autouse=True)
def _ledger_stays_proved(db: None) -> Iterator[None]:
    """Whatever a test did, every figure follows from the rows."""
    yield
    assert list(audit.differences()) == []
