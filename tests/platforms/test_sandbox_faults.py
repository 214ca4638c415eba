"""What an adapter sees of the sandbox shop's faults, and what the shop has really done."""

import time

import pytest

from platforms.adapter import CodeSpec, DiscountKind, Outcome, Refusal
from tests.fakes.contract import SandboxHarness
from tests.fakes.sandbox import SandboxShop, ShopRefused


@pytest.fixture(autouse=True)
def well_again(shop: SandboxShop) -> None:
    shop.clear_faults()


def spec(shop: SandboxShop) -> CodeSpec:
    return SandboxHarness(shop).spec(DiscountKind.PERCENTAGE)


@pytest.mark.parametrize(
    ("kind", "outcome", "made"),
    [
        ("refuse", Outcome.REJECTED, False),
        ("server_error", Outcome.UNKNOWN, False),
        ("server_error_after_accepting", Outcome.UNKNOWN, True),
        ("garbage", Outcome.UNKNOWN, False),
        ("garbage_after_accepting", Outcome.UNKNOWN, True),
        ("timeout_before_accepting", Outcome.UNKNOWN, False),
        ("timeout_after_accepting", Outcome.UNKNOWN, True),
        ("throttle", Outcome.THROTTLED, False),
        ("drop", Outcome.UNKNOWN, False),
        ("drop_after_accepting", Outcome.UNKNOWN, True),
        ("slow", Outcome.OK, True),
    ],
)
def test_creating_under_each_fault(shop: SandboxShop, kind: str, outcome: Outcome, made: bool) -> None:
    wanted = spec(shop)
    shop.fault("create", kind, seconds=0.2 if kind == "slow" else 7 if kind == "throttle" else None)

    answer = shop.adapter(timeout=0.8).create_code(wanted)

    assert answer.outcome is outcome
    assert (answer.value is not None) == (outcome is Outcome.OK)
    assert [code["code"] for code in shop.codes(wanted.code)] == ([wanted.code] if made else [])
    if kind == "throttle":
        assert answer.retry_after == 7.0
    if kind == "refuse":
        assert (answer.refusal, answer.reason) == (
            Refusal.INVALID,
            "The shop refused: The shop refuses this, as it was told to.",
        )


def test_finding_the_code_again_after_a_lost_answer(shop: SandboxShop) -> None:
    wanted = spec(shop)
    shop.fault("create", "timeout_after_accepting")
    shop.adapter(timeout=0.5).create_code(wanted)

    found = shop.adapter().find_code(wanted.code).value
    again = shop.adapter().create_code(wanted)

    assert found is not None
    assert found.reference == wanted.reference
    assert again.refusal is Refusal.DUPLICATE_CODE
    assert len(shop.codes(wanted.code)) == 1


@pytest.mark.parametrize("operation", ["find", "disable", "orders", "connection", "all"])
def test_striking_each_operation(shop: SandboxShop, operation: str) -> None:
    wanted = spec(shop)
    made = shop.adapter().create_code(wanted).value
    assert made is not None
    adapter = shop.adapter()
    calls = {
        "find": lambda: adapter.find_code(wanted.code),
        "disable": lambda: adapter.disable_code(wanted.code, made.remote_id),
        "orders": lambda: adapter.orders_since(""),
        "connection": adapter.test_connection,
        "all": lambda: adapter.create_code(spec(shop)),
    }
    shop.fault(operation, "server_error")

    first, second = calls[operation](), calls[operation]()

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.OK)


def test_striking_as_often_as_it_was_told(shop: SandboxShop) -> None:
    shop.fault("find", "refuse", times=3)

    outcomes = [shop.adapter().find_code("ANY").outcome for _ in range(4)]

    assert outcomes == [Outcome.REJECTED] * 3 + [Outcome.OK]
    assert shop.call("GET", "/api/faults") == {"faults": []}


def test_leaving_shoppers_and_staff_alone(shop: SandboxShop) -> None:
    shop.fault("all", "server_error")

    assert shop.checkout()["status"] == "completed"
    assert [fault["remaining"] for fault in shop.call("GET", "/api/faults")["faults"]] == [1]


def test_stopping_at_once_while_a_call_waits(own_shop: SandboxShop) -> None:
    own_shop.fault("find", "timeout_before_accepting", seconds=60)
    own_shop.adapter(timeout=0.2).find_code("ANY")
    started = time.monotonic()

    own_shop.stop()

    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("operation", "kind", "code"),
    [("create", "lost", "invalid_kind"), ("webhook", "drop", "invalid_kind"), ("pay", "drop", "invalid_operation")],
)
def test_refusing_a_fault_that_does_not_exist(shop: SandboxShop, operation: str, kind: str, code: str) -> None:
    with pytest.raises(ShopRefused) as caught:
        shop.fault(operation, kind)

    assert caught.value.code == code
