"""The Vendure adapter against a real Vendure shop: run by `make e2e-shop`, or with `-m shop`."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from platforms.adapter import (
    Access,
    CodeSpec,
    DiscountKind,
    OrderStatus,
    Outcome,
    PlatformCode,
    Refusal,
    ShopOrder,
    WebhookMessage,
)
from platforms.vendure import adapter as vendure
from platforms.vendure.adapter import VendureAdapter
from tests.journeys import vendure_shop
from tests.journeys.vendure_shop import VendureShop

pytestmark = pytest.mark.shop

SECRET = "a-secret-of-the-test"


@dataclass(slots=True)
class Listener:
    """Keeps what the shop posts to us."""

    url: str
    received: list[tuple[dict[str, str], bytes]]

    def messages(self, adapter: VendureAdapter) -> list[WebhookMessage]:
        now = datetime.now(UTC)
        return [adapter.parse_webhook(headers=headers, body=body, now=now) for headers, body in list(self.received)]

    def wait_for(self, adapter: VendureAdapter, *, topic: str, order_id: str) -> WebhookMessage:
        """The verified webhook of this topic and order, within ten seconds."""
        ends_at = time.monotonic() + 10
        while time.monotonic() < ends_at:
            for message in self.messages(adapter):
                if (message.topic, message.order_external_id) == (topic, order_id):
                    return message
            time.sleep(0.05)
        topics = [(message.topic, message.order_external_id) for message in self.messages(adapter)]
        pytest.fail(f"No webhook {topic} of order {order_id} came, only {topics}.")


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield Listener(url=f"http://127.0.0.1:{server.server_port}/hooks", received=received)
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(scope="module")
def shop(listener: Listener) -> Iterator[VendureShop]:
    try:
        with vendure_shop.running_vendure(webhook_url=listener.url, webhook_secret=SECRET) as running:
            yield running
    except vendure_shop.ShopNotRunning as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="module")
def access(shop: VendureShop) -> Access:
    return Access(
        base_url=shop.base_url,
        credentials={"api_key": shop.api_key},
        webhook_secrets=(SECRET,),
        currency="USD",
        allow_private_addresses=True,
    )


@pytest.fixture
def adapter(access: Access) -> VendureAdapter:
    return VendureAdapter(access)


def spec_for(code: str, **changes: Any) -> CodeSpec:
    plain = CodeSpec(
        code=code,
        kind=DiscountKind.PERCENTAGE,
        title="10% off (Loyalty Desk)",
        reference=f"rr-{code}",
        currency="USD",
        percent=Decimal(10),
    )
    return replace(plain, **changes)


def made(adapter: VendureAdapter, code: str, **changes: Any) -> PlatformCode:
    answer = adapter.create_code(spec_for(code, **changes))
    assert answer.value is not None, answer
    return answer.value


def read(adapter: VendureAdapter, order_id: str) -> ShopOrder:
    order = adapter.read_order(order_id).value
    assert order is not None
    return order


def polled(adapter: VendureAdapter, order_id: str, *, cursor: str = "") -> tuple[list[ShopOrder], str]:
    """Every sighting of one order from a cursor to the end, and the cursor there."""
    seen: list[ShopOrder] = []
    for _page in range(1000):
        page = adapter.orders_since(cursor).value
        assert page is not None
        seen += [order for order in page.orders if order.external_id == order_id]
        cursor = page.cursor
        if not page.more:
            return seen, cursor
    pytest.fail("The poll does not come to an end.")


def test_names_the_shop(adapter: VendureAdapter):
    answer = adapter.test_connection()

    assert answer.ok
    assert answer.value is not None
    assert (answer.value.name, answer.value.currency) == ("__default_channel__", "USD")


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        (["ReadPromotion", "ReadOrder"], "CreatePromotion, UpdatePromotion, DeletePromotion"),
        (["CreatePromotion", "UpdatePromotion", "DeletePromotion"], "ReadPromotion, ReadOrder"),
    ],
)
def test_names_the_permissions_that_are_missing(
    shop: VendureShop, access: Access, permissions: list[str], missing: str
):
    key = shop.make_api_key(permissions)

    answer = VendureAdapter(replace(access, credentials={"api_key": key})).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert f"lacks {missing}." in answer.reason


def test_tests_the_connection_without_leaving_anything_in_the_shop(shop: VendureShop, adapter: VendureAdapter):
    before = shop.promotion_ids("")

    adapter.test_connection()

    assert shop.promotion_ids("") == before


def test_says_that_the_key_is_wrong(access: Access):
    answer = VendureAdapter(replace(access, credentials={"api_key": "no:such-key"})).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.UNAUTHORIZED)
    assert answer.reason.startswith("The shop refused the API key.")


def test_says_that_the_channel_is_wrong(access: Access):
    credentials = {**access.credentials, "channel_token": "elsewhere"}

    answer = VendureAdapter(replace(access, credentials=credentials)).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert answer.reason.startswith("The shop has no channel with this token.")


def test_says_that_the_currency_is_another(access: Access):
    answer = VendureAdapter(replace(access, currency="EUR")).test_connection()

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert "is set to EUR, but the shop's channel __default_channel__ sells in USD" in answer.reason


def test_says_that_nothing_like_vendure_is_there(access: Access):
    answer = VendureAdapter(replace(access, base_url=f"{access.base_url}/shop")).test_connection()

    assert answer.outcome is Outcome.REJECTED
    assert answer.reason.startswith("This address answers, but not as a Vendure shop does")


def test_takes_the_address_of_the_admin_api_as_well(access: Access):
    assert VendureAdapter(replace(access, base_url=f"{access.base_url}/admin-api/")).test_connection().ok


@pytest.mark.parametrize(
    ("code", "changes", "total"),
    [
        ("LOY-PERCENT", {"percent": Decimal("12.5")}, 2250),
        ("LOY-FIXED", {"kind": DiscountKind.FIXED_AMOUNT, "percent": None, "amount": Decimal("4.50")}, 2050),
        ("LOY-FREE", {"kind": DiscountKind.FREE_DELIVERY, "percent": None}, 2000),
    ],
)
def test_makes_each_kind_so_that_it_works_at_the_checkout(
    shop: VendureShop, adapter: VendureAdapter, code: str, changes: dict[str, Any], total: int
):
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)

    code_made = made(adapter, code, minimum_order=Decimal(15), expires_at=expires_at, **changes)

    assert code_made == adapter.find_code(code.lower()).value
    assert code_made == PlatformCode(
        code=code,
        remote_id=code_made.remote_id,
        alive=True,
        reference=f"rr-{code}",
        percent=changes.get("percent"),
        amount=changes.get("amount"),
        minimum_order=Decimal(15),
        expires_at=expires_at,
    )
    shopper = shop.shopper()
    shopper.add("MUG")
    assert shopper.apply(code) == "Order"
    placed = shopper.check_out(email=f"{code}@example.com")
    assert placed.total == total
    told = read(adapter, placed.id)
    assert told.items is not None
    assert None not in (told.tax, told.shipping)
    [mug] = told.items
    assert (mug.quantity, mug.categories is not None) == (1, True)
    assert mug.amount - (mug.tax or 0) + (told.shipping or 0) + (told.tax or 0) == told.total
    assert told.total + (told.discounts or 0) == Decimal(25)


def test_refuses_a_code_that_the_shop_has_in_any_case(shop: VendureShop, adapter: VendureAdapter):
    shop.make_promotion(code="by-hand")

    answer = adapter.create_code(spec_for("BY-HAND"))

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.DUPLICATE_CODE)
    assert len(shop.promotion_ids("BY-HAND")) == 1


def test_leaves_one_promotion_when_several_make_the_same_code_at_once(shop: VendureShop, adapter: VendureAdapter):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _n: adapter.create_code(spec_for("LOY-RACE")), range(4)))

    assert len(shop.promotion_ids("LOY-RACE")) == 1
    assert {answer.outcome for answer in answers} <= {Outcome.OK, Outcome.REJECTED}
    assert {answer.refusal for answer in answers if not answer.ok} <= {Refusal.DUPLICATE_CODE}
    found = adapter.find_code("LOY-RACE").value
    assert found is not None
    assert (found.reference, found.alive) == ("rr-LOY-RACE", True)


def test_proves_that_a_code_is_absent(adapter: VendureAdapter):
    made(adapter, "LOY-LONGER")

    answer = adapter.find_code("LOY-LONGE")

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_refuses_another_currency_than_the_shops(shop: VendureShop, adapter: VendureAdapter):
    euros = spec_for("LOY-EURO", kind=DiscountKind.FIXED_AMOUNT, percent=None, amount=Decimal(5), currency="EUR")

    answer = adapter.create_code(euros)

    assert (answer.outcome, answer.refusal) == (Outcome.REJECTED, Refusal.INVALID)
    assert "in EUR, but the shop's channel __default_channel__ sells in USD" in answer.reason
    assert shop.promotion_ids("LOY-EURO") == []


def test_sees_a_use_once_by_webhook_and_by_poll_and_the_shop_refuses_a_second(
    shop: VendureShop, adapter: VendureAdapter, listener: Listener
):
    code = made(adapter, "LOY-USE")
    shopper = shop.shopper()
    shopper.add("MUG")
    shopper.apply("loy-use")

    placed = shopper.check_out(email="Ann@example.com")

    listener.wait_for(adapter, topic="order.placed", order_id=placed.id)
    order = read(adapter, placed.id)
    assert (order.number, order.status, order.total, order.currency) == (
        placed.code,
        OrderStatus.COMPLETED,
        Decimal("23.00"),
        "USD",
    )
    assert order.customer_email.casefold() == "ann@example.com"
    assert [(entry.code, entry.remote_id, entry.discount) for entry in order.codes] == [
        ("LOY-USE", code.remote_id, Decimal("2.00"))
    ]
    assert polled(adapter, placed.id)[0] == [order]
    second = shop.shopper()
    second.add("TEA")
    assert second.apply("LOY-USE") == "COUPON_CODE_LIMIT_ERROR"


def test_sees_a_change_again_after_the_cursor_has_caught_up(shop: VendureShop, adapter: VendureAdapter):
    shopper = shop.shopper()
    shopper.add("TEA")
    placed = shopper.check_out(email="late@example.com")
    _seen, cursor = polled(adapter, placed.id)

    shop.cancel_order(placed.id)

    seen, _cursor = polled(adapter, placed.id, cursor=cursor)
    assert [order.status for order in seen] == [OrderStatus.CANCELLED]


def test_pages_through_every_order_when_they_share_a_second(
    shop: VendureShop, adapter: VendureAdapter, monkeypatch: pytest.MonkeyPatch
):
    placed = []
    for number in range(5):
        shopper = shop.shopper()
        shopper.add("TEA")
        placed.append(shopper.check_out(email=f"page-{number}@example.com").id)
        if number == 1:
            time.sleep(1.1)
    monkeypatch.setattr(vendure, "PAGE_SIZE", 2)

    cursor, seen, more = "", list[str](), True
    while more:
        page = adapter.orders_since(cursor).value
        assert page is not None
        seen += [order.external_id for order in page.orders if order.external_id not in seen]
        cursor, more = page.cursor, page.more

    assert [order_id for order_id in seen if order_id in placed] == placed


def test_lists_an_old_order_by_its_last_change(
    shop: VendureShop, adapter: VendureAdapter, monkeypatch: pytest.MonkeyPatch
):
    placed = []
    for number in range(3):
        shopper = shop.shopper()
        shopper.add("TEA")
        placed.append(shopper.check_out(email=f"old-{number}@example.com").id)
    time.sleep(1.1)
    shop.cancel_order(placed[0])
    monkeypatch.setattr(vendure, "PAGE_SIZE", 1)

    cursor, seen, more = "", list[tuple[str, OrderStatus]](), True
    while more:
        page = adapter.orders_since(cursor).value
        assert page is not None
        seen += [(order.external_id, order.status) for order in page.orders if order.external_id in placed]
        cursor, more = page.cursor, page.more

    assert seen[-1] == (placed[0], OrderStatus.CANCELLED)
    assert {order_id for order_id, _status in seen} == set(placed)


def test_does_not_count_a_code_whose_minimum_was_not_met(shop: VendureShop, adapter: VendureAdapter):
    made(adapter, "LOY-MINIMUM", minimum_order=Decimal(15))
    shopper = shop.shopper()
    shopper.add("TEA")
    assert shopper.apply("LOY-MINIMUM") == "Order"

    placed = shopper.check_out(email="small@example.com")

    assert placed.codes == ("LOY-MINIMUM",)
    assert read(adapter, placed.id).codes == ()
    later = shop.shopper()
    later.add("MUG")
    assert later.apply("LOY-MINIMUM") == "Order"
    assert later.check_out(email="small@example.com").total == 2300


def test_does_not_list_a_cart(shop: VendureShop, adapter: VendureAdapter):
    made(adapter, "LOY-CART")
    shopper = shop.shopper()
    shopper.add("MUG")
    shopper.apply("LOY-CART")
    shopper.start_payment(email="undecided@example.com")
    cart = shopper.session.call("{ activeOrder { id } }")["activeOrder"]["id"]

    assert polled(adapter, cart)[0] == []
    answer = adapter.read_order(cart)
    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_completes_an_order_only_when_its_money_has_arrived(
    shop: VendureShop, adapter: VendureAdapter, listener: Listener
):
    made(adapter, "LOY-LATER")
    shopper = shop.shopper()
    shopper.add("MUG")
    shopper.apply("LOY-LATER")

    placed = shopper.check_out(email="later@example.com", later=True)

    before = read(adapter, placed.id)
    shop.settle_payment(placed.id)
    listener.wait_for(adapter, topic="order.updated", order_id=placed.id)
    after = read(adapter, placed.id)
    assert (before.status, after.status) == (OrderStatus.PLACED, OrderStatus.COMPLETED)
    assert [entry.code for entry in after.codes] == ["LOY-LATER"]


def test_disables_a_code_so_that_the_checkout_refuses_it(shop: VendureShop, adapter: VendureAdapter):
    code = made(adapter, "LOY-DEAD")
    waiting = shop.shopper()
    waiting.add("MUG")
    waiting.apply("LOY-DEAD")

    answer = adapter.disable_code("LOY-DEAD", code.remote_id)
    again = adapter.disable_code("LOY-DEAD", code.remote_id)

    assert answer.value == replace(code, alive=False)
    assert again.value == answer.value
    assert adapter.find_code("LOY-DEAD").value == answer.value
    fresh = shop.shopper()
    fresh.add("MUG")
    assert fresh.apply("LOY-DEAD") == "COUPON_CODE_INVALID_ERROR"
    assert waiting.check_out(email="waiting@example.com").total == 2500


def test_lets_an_expired_code_live_longer(shop: VendureShop, adapter: VendureAdapter):
    code = made(adapter, "LOY-RENEWED", expires_at=datetime.now(UTC) - timedelta(hours=1))
    until = datetime(2031, 5, 17, 21, 59, 59, tzinfo=UTC)
    shopper = shop.shopper()
    shopper.add("MUG")
    assert shopper.apply("LOY-RENEWED") == "COUPON_CODE_EXPIRED_ERROR"

    answer = adapter.extend_code("LOY-RENEWED", code.remote_id, until)

    assert answer.value == replace(code, alive=True, expires_at=until)
    assert shopper.apply("LOY-RENEWED") == "Order"


def test_disables_a_double_of_ours_as_well(shop: VendureShop, adapter: VendureAdapter):
    code = made(adapter, "LOY-TWICE")
    shop.make_promotion(code="LOY-TWICE", description="Made by Loyalty Desk, reference rr-LOY-TWICE")

    answer = adapter.disable_code("LOY-TWICE", code.remote_id)

    assert answer.value is not None
    assert answer.value.alive is False


def test_admits_that_a_code_lives_on_in_a_promotion_of_the_shops_own(shop: VendureShop, adapter: VendureAdapter):
    code = made(adapter, "LOY-COPIED")
    theirs = shop.make_promotion(code="loy-copied")

    answer = adapter.disable_code("LOY-COPIED", code.remote_id)

    assert answer.value is not None
    assert (answer.value.remote_id, answer.value.alive) == (theirs, True)


def test_takes_a_deleted_code_for_disabled(shop: VendureShop, adapter: VendureAdapter):
    code = made(adapter, "LOY-GONE")
    shop.delete_promotion(code.remote_id)

    answer = adapter.disable_code("LOY-GONE", code.remote_id)

    assert (answer.outcome, answer.value) == (Outcome.OK, None)


def test_gives_the_use_back_when_the_order_is_cancelled(shop: VendureShop, adapter: VendureAdapter, listener: Listener):
    made(adapter, "LOY-BACK")
    shopper = shop.shopper()
    shopper.add("MUG")
    shopper.apply("LOY-BACK")
    placed = shopper.check_out(email="back@example.com")

    shop.cancel_order(placed.id)

    listener.wait_for(adapter, topic="order.cancelled", order_id=placed.id)
    order = read(adapter, placed.id)
    assert (order.status, [entry.code for entry in order.codes]) == (OrderStatus.CANCELLED, ["LOY-BACK"])
    again = shop.shopper()
    again.add("MUG")
    assert again.apply("LOY-BACK") == "Order"


def test_sees_a_settled_refund_by_webhook_and_by_poll(shop: VendureShop, adapter: VendureAdapter, listener: Listener):
    made(adapter, "LOY-REFUND")
    shopper = shop.shopper()
    shopper.add("MUG")
    shopper.apply("LOY-REFUND")
    placed = shopper.check_out(email="refund@example.com")
    announced = shop.refund_order(placed.id, minor_units=300, settle=False)
    before = read(adapter, placed.id)
    _seen, cursor = polled(adapter, placed.id)
    time.sleep(2.1)  # the shop's time stamps have whole seconds

    settled = shop.refund_order(placed.id, minor_units=450)

    listener.wait_for(adapter, topic="order.refunded", order_id=placed.id)
    order = read(adapter, placed.id)
    assert before.refunds == ()
    assert [(refund.external_id, refund.amount) for refund in order.refunds] == [(settled, Decimal("4.50"))]
    assert settled != announced
    assert order.updated_at > before.updated_at
    assert order.status is OrderStatus.COMPLETED
    moved_on = cursor.replace(cursor.split()[1], (before.updated_at + timedelta(seconds=61)).isoformat())
    assert polled(adapter, placed.id, cursor=moved_on)[0] == [order]
