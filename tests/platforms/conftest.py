from collections.abc import Iterator

import pytest

from tests.fakes.sandbox import SandboxShop, running_sandbox_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    """A sandbox shop for the tests of one file; each test uses codes of its own."""
    with running_sandbox_shop(tmp_path_factory.mktemp("shop")) as running:
        yield running


@pytest.fixture
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxShop]:
    """A sandbox shop that the test has to itself."""
    with running_sandbox_shop(tmp_path_factory.mktemp("shop")) as running:
        yield running
