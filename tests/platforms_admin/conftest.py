"""Staff in every role, and the sandbox shop."""

from collections.abc import Iterator

import pytest

from tests.accounts.conftest import signed_in
from tests.fakes.sandbox import SandboxShop, running_sandbox_shop

__all__ = ["shop_process", "signed_in"]


@pytest.fixture(scope="session")
def shop_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    with running_sandbox_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop
