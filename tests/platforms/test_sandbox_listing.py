"""The list of all codes of a sandbox shop: whole, page by page, whatever happens there meanwhile."""

from collections.abc import Callable

import pytest

from platforms.adapter import Outcome
from platforms.sandbox import adapter as sandbox
from tests.fakes.sandbox import SandboxShop


@pytest.fixture(autouse=True)
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "CODES_PER_PAGE", 3)


def read(shop: SandboxShop, *, between: Callable[[str], None] = lambda cursor: None) -> list[str]:
    codes: list[str] = []
    cursor, more = "", True
    while more:
        page = shop.adapter().list_codes(cursor).value
        assert page is not None
        codes += [found.code for found in page.codes]
        cursor, more = page.cursor, page.more
        between(cursor)
    return codes


def test_shows_every_code_once(own_shop: SandboxShop) -> None:
    names = [f"CODE-{number:02}" for number in range(10)]
    for name in reversed(names):
        own_shop.create_code(name)

    assert read(own_shop) == names


def test_misses_none_while_others_are_made_and_switched_off(own_shop: SandboxShop) -> None:
    names = [f"CODE-{number:02}" for number in range(9)]
    for name in names:
        own_shop.create_code(name)
    fresh = iter(range(100))

    def meanwhile(cursor: str) -> None:
        own_shop.create_code(f"A-NEW-{next(fresh):02}")  # before the place that was reached
        own_shop.disable_code(names[4])

    assert read(own_shop, between=meanwhile) == names


@pytest.mark.parametrize("fault", ["server_error", "garbage", "drop", "throttle", "refuse"])
def test_never_takes_trouble_for_the_end_of_the_list(own_shop: SandboxShop, fault: str) -> None:
    own_shop.fault("list", fault)

    answer = own_shop.adapter().list_codes("")

    assert answer.outcome in {Outcome.UNKNOWN, Outcome.THROTTLED, Outcome.REJECTED}
    assert answer.value is None
