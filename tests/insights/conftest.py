"""Staff in every role, and a customer whose points have a long story."""

import pytest

from tests.accounts.conftest import signed_in
from tests.factories.people import CustomerFactory

__all__ = ["signed_in"]


@pytest.fixture
def customer(db: None):
    return CustomerFactory()
