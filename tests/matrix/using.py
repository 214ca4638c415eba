"""Scenarios 7 to 12: a code is used, and the shop tells of it, or a reward is canceled meanwhile."""

from uuid import uuid4

from django.test import override_settings

from loyalty.hooks import registration
from loyalty.hooks.models import InboundWebhook
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order
from platforms import credentials, registry
from rewards.models import CancellationState
from tests.matrix.stage import GIVEN, PRICE, Stage
from tests.matrix.table import Parts

PARTS = Parts()

DAY = 86_400.0
BEFORE = "the-secret-before"  # with which the shop signed until a while ago


@PARTS.of(7, "unused")
def _(stage: Stage) -> None:
    row = stage.issued()
    code = stage.code(row)
    stage.expect("a cancellation ends", stage.cancel(row).state, CancellationState.PROVED)
    stage.expect("canceled twice it ends", stage.cancel(row).state, CancellationState.PROVED)
    stage.expect("the points are", stage.balance(row), GIVEN)
    stage.expect("a checkout refuses the code:", stage.shop.harness.refuses(code), True)


@PARTS.of(7, "used")
def _(stage: Stage) -> None:
    row = stage.issued()
    stage.shop.buy(email=row.customer_email, code=stage.code(row))
    stage.expect("a cancellation of a used code ends", stage.cancel(row).state, CancellationState.USED_MEANWHILE)
    stage.expect("the reward is", stage.status(row), "used")
    stage.poll()
    stage.expect("after the poll the reward is", stage.status(row), "used")


@PARTS.of(7, "a count that lags")
def _(stage: Stage) -> None:
    row = stage.issued()
    with stage.shop.count_late():
        stage.shop.buy(email=row.customer_email, code=stage.code(row))
        stage.begin_canceling(row)
        stage.work()
    stage.settle()
    stage.expect("a reward whose use came to light late is", stage.status(row), "used")
    stage.expect("the points are", stage.balance(row) >= GIVEN, False)


@PARTS.of(7, "at a checkout")
def _(stage: Stage) -> None:
    """The checkout is faster than the request that kills the code."""
    row = stage.issued()
    code = stage.code(row)
    with stage.right_before("disable_code", lambda: stage.shop.buy(email=row.customer_email, code=code)):
        stage.cancel(row)
    stage.expect("a reward used while it was canceled is", stage.status(row), "used")
    stage.poll()
    stage.expect("after the poll it is", stage.status(row), "used")


@PARTS.of(8, "good, and again")
def _(stage: Stage) -> None:
    row = stage.issued()
    order_id = stage.shop.buy(email=row.customer_email, code=stage.code(row))
    body = stage.shop.news(order_id)
    headers = stage.signed(body)
    stage.expect("the door answers", [stage.post(body, headers) for _ in range(3)], [200] * 3)
    stage.settle()
    stage.expect("a webhook three times makes it", stage.status(row), "used")
    stage.expect("it earned points so often", earned(stage, order_id), 1)
    kept = InboundWebhook.objects.filter(connection=stage.connection, body=body).count()
    stage.expect("it is kept so often", kept, 1)


@PARTS.of(8, "out of order")
def _(stage: Stage) -> None:
    row = stage.issued()
    order_id = stage.shop.harness.buy(email=row.customer_email, code=stage.code(row), pay=False)
    first = stage.shop.news(order_id)
    stage.shop.pay(order_id)
    second = stage.shop.news(order_id)
    for body in (second, first):
        stage.expect("the door answers", stage.post(body, stage.signed(body)), 200)
        stage.settle()
    stage.expect("after news in the wrong order it is", stage.status(row), "used")
    stage.expect(
        "the order is", Order.objects.get(connection=stage.connection, external_id=order_id).status, "completed"
    )


@PARTS.of(8, "forged")
def _(stage: Stage) -> None:
    row = stage.issued()
    body = stage.shop.news(stage.shop.buy(email=row.customer_email, code=stage.code(row)))
    good, before = stage.signed(body), InboundWebhook.objects.count()
    refused = {
        "signed with another secret": stage.post(body, stage.shop.headers(body, secret="guessed")),
        "without its header": stage.post(body, {}),
        "to no shop": stage.post(body, good, key=uuid4()),
        "of 5 MB": stage.post(body + b" " * 5_000_000, good),
        "signed with a secret that is no longer good": stage.post(body, stage.shop.headers(body, secret=BEFORE)),
    }
    if stage.shop.signs_the_body:
        refused["of which a byte was changed"] = stage.post(body.replace(b'"id"', b'"iD"', 1), good)
    stage.expect(
        "the door answers",
        {what: 400 <= status < 500 for what, status in refused.items()},
        dict.fromkeys(refused, True),
    )
    nonsense = b"no JSON"
    stage.expect("nonsense gets", stage.post(nonsense, stage.signed(nonsense)), 400)
    stage.expect("nothing of it is kept:", InboundWebhook.objects.count(), before)
    stage.expect("nothing happened to the reward:", stage.status(row), "issued")
    stage.poll()


@PARTS.of(8, "the secret before")
def _(stage: Stage) -> None:
    """While a secret is changed, what is signed with the one before counts."""
    row = stage.issued()
    body = stage.shop.news(stage.shop.buy(email=row.customer_email, code=stage.code(row)))
    usual = stage.connection.credentials
    stage.connection.credentials = credentials.seal(stage.shop.credentials(previous=BEFORE))
    stage.connection.save()
    stage.expect("the door answers", stage.post(body, stage.shop.headers(body, secret=BEFORE)), 200)
    stage.settle()
    stage.connection.credentials = usual
    stage.connection.save()
    stage.expect("signed with the secret before it makes it", stage.status(row), "used")


@PARTS.of(9, "two codes")
def _(stage: Stage) -> None:
    first, second = stage.issued(), stage.issued()
    order_id = stage.shop.buy_with_two(email=second.customer_email, first=stage.code(first), second=stage.code(second))
    stage.hear(order_id)
    stage.expect("of two codes on one order", (stage.status(first), stage.status(second)), ("used", "used"))
    stage.expect("the order earned so often", earned(stage, order_id), 1)


@PARTS.of(9, "a guest with another address")
def _(stage: Stage) -> None:
    """Guests with their own address are everywhere here: few of the fakes know accounts."""
    row = stage.issued()
    stage.hear(stage.shop.buy(email="somebody.else@example.com", code=stage.code(row)))
    stage.expect("a code that a guest used is", stage.status(row), "used")


@PARTS.of(9, "a test order")
def _(stage: Stage) -> None:
    """What was bought for a test counts for nothing: no use, no points."""
    row = stage.issued()
    order_id = stage.shop.buy_as_test(email=row.customer_email, code=stage.code(row))
    stage.hear(order_id)
    stage.poll()
    stage.expect("a test order makes it", stage.status(row), "issued")
    stage.expect("a test order earns so often", earned(stage, order_id), 0)
    stage.gone.add(row.pk)  # the shop has counted it


@PARTS.of(9, "for nothing")
def _(stage: Stage) -> None:
    row = stage.issued()
    order_id = stage.shop.buy(email=row.customer_email, code=stage.code(row))
    stage.shop.make_free(order_id)
    stage.hear(order_id)
    stage.expect("an order for nothing makes it", stage.status(row), "used")
    stage.expect("an order for nothing earns so often", earned(stage, order_id), 0)


@PARTS.of(9, "other letters")
def _(stage: Stage) -> None:
    row = stage.issued()
    stage.hear(stage.shop.buy(email=row.customer_email, code=stage.code(row).lower()))
    stage.expect("a code typed in small letters is", stage.status(row), "used")


@PARTS.of(10, "canceled")
def _(stage: Stage) -> None:
    row, order_id = stage.used()
    stage.shop.harness.cancel(order_id)
    for _ in range(2):
        stage.hear(order_id)
        stage.poll()
    returns = registry.adapter_class(stage.shop.platform).capabilities.returns_use_on_cancel
    stage.expect("after its order was canceled it is", stage.status(row), "issued" if returns else "used")
    stage.expect("the order's points are gone, and nothing else:", stage.balance(row), GIVEN - PRICE)


@PARTS.of(10, "refunded in part")
def _(stage: Stage) -> None:
    row, order_id = stage.used()
    before = stage.balance(row)
    stage.shop.harness.refund(order_id, "3.00")
    for _ in range(2):
        stage.hear(order_id)
        stage.poll()
    stage.expect("after a refund it is", stage.status(row), "used")
    stage.expect("a refund of 3.00 took points, and once:", before - stage.balance(row) in {2, 3}, True)


@PARTS.of(10, "refunded after 70 days")
def _(stage: Stage) -> None:
    row, order_id = stage.used()
    before = stage.balance(row)
    stage.leap(70 * DAY)
    stage.shop.harness.refund(order_id, "3.00")
    stage.poll()
    stage.poll()
    stage.expect("after a late refund it is", stage.status(row), "used")
    stage.expect("a late refund of 3.00 took points, and once:", before - stage.balance(row) in {2, 3}, True)


@PARTS.of(11, "polled alone")
def _(stage: Stage) -> None:
    _, order_id = stage.used()
    stage.expect("the order earned so often", earned(stage, order_id), 1)


@PARTS.of(11, "told and polled")
def _(stage: Stage) -> None:
    for ways in ((stage.hear, lambda _: stage.poll()), (lambda _: stage.poll(), stage.hear)):
        row = stage.issued()
        order_id = stage.shop.buy(email=row.customer_email, code=stage.code(row))
        for way in ways:
            way(order_id)
        stage.expect("told both ways it is", stage.status(row), "used")
        stage.expect("the order earned so often", earned(stage, order_id), 1)


@PARTS.of(12, "a lost subscription")
def _(stage: Stage) -> None:
    with override_settings(PUBLIC_URL="https://127.0.0.1"):
        registration.register(connection_id=stage.connection.pk, now=stage.now())
        before = stage.shop.subscriptions()
        stage.shop.lose_subscriptions()
        stage.expect("fewer are left", stage.shop.subscriptions() < before, True)
        for _ in range(2):
            registration.register(connection_id=stage.connection.pk, now=stage.now())
            stage.expect("after the daily look the shop serves", stage.shop.subscriptions(), before)
    stage.expect("it served some", before > 0, True)


def earned(stage: Stage, order_id: str) -> int:
    """How often an order earned points."""
    order = Order.objects.filter(connection=stage.connection, external_id=order_id).first()
    rows = PointsTransaction.objects.filter(kind="earning", cause_type="order", cause_id=order.pk if order else 0)
    return rows.count()
