"""One connection of the matrix, its clock, and what is done on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client, override_settings

from loyalty.common import actors
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer, CustomerState
from loyalty.hooks import processing
from loyalty.hooks.models import InboundWebhook, InboxState
from loyalty.points import ledger
from loyalty.points.models import TransactionKind
from loyalty.points.queries import balance
from platforms import credentials, registry
from platforms.adapter import PlatformCode
from platforms.models import PayoutAccount, StoreConnection
from rewards import bulk_codes, cancellation, cashback, granting, issuing, mass_granting, queries, redemption
from rewards.models import (
    Cancellation,
    CancellationState,
    IssueAttempt,
    IssueWork,
    Payout,
    PointsProduct,
    RedeemedReward,
    Reward,
    RewardType,
)
from tests.fakes import pacing
from tests.matrix.levers import FaultyShop

STAFF = actors.staff(1)
PRICE, GIVEN = 100, 500
PATIENCE = 0.3  # seconds a customer waits here: no question is asked twice while they do; a worker goes on
MOST_ROUNDS = 30
people = count(1)


@dataclass(slots=True)
class Cell:
    """What came of one scenario in one shop. `lost` and `double` are sentences; empty: all is well."""

    rewards: int = 0  # that customers have, used ones too
    codes: int = 0  # of them that work in the shop
    points: int = 0  # that customers paid in all, refunds taken off
    refunds: int = 0
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # parts that do not exist there, and why
    ran: int = 0  # parts that do

    @property
    def broken(self) -> list[str]:
        return [*(f"lost: {one}" for one in self.lost), *(f"double: {one}" for one in self.double)]


class Stage:
    """A merchant's desk and one shop."""

    def __init__(self, shop: FaultyShop) -> None:
        self.shop = shop
        self._ahead = timedelta()
        self.cell, self.part = Cell(), ""
        self.connection = StoreConnection.objects.create(
            name=f"Matrix {shop.platform} {next(people)}",
            platform=shop.platform,
            base_url=shop.base_url,
            currency="USD",
            credentials=credentials.seal(shop.credentials()),
        )
        self.product = PointsProduct.objects.create(
            points_price=PRICE,
            reward=Reward.objects.create(
                name="5 off", type=RewardType.DISCOUNT_CODE, amount=5, currency="USD", enabled=True,
                connection=self.connection, active_from=self.now() - timedelta(days=1000),
            ),
        )  # fmt: skip

    def begin(self) -> None:
        """A cell begins."""
        self.cell, self.part = Cell(), ""
        self.rows: list[int] = []  # of the cell
        self.gone: set[int] = set()  # rewards whose code somebody at the shop took away
        self.kept_points: set[int] = set()  # rewards that were canceled without their points
        self.before = {code.remote_id for code in self.codes()}

    # The clock.

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def leap(self, seconds: float) -> None:
        """Let time pass for the desk."""
        self._ahead += timedelta(seconds=seconds)
        pacing.forget(self.connection.pk)

    # What people do.

    def member(self) -> Customer:
        """Somebody with points."""
        customer = Customer.objects.create(
            email=f"matrix{next(people)}@example.com", first_name="Jo", last_name="Doe", state=CustomerState.MEMBER
        )
        ledger.credit(
            customer_id=customer.pk,
            points=GIVEN,
            kind=TransactionKind.EARNING,
            cause=Cause(CauseType.IMPORT, 1),
            actor=actors.SYSTEM,
            now=self.now(),
        )
        return customer

    def redeem(self, *, patience: float = PATIENCE) -> RedeemedReward:
        """A new member redeems; what became of it by the end of their patience."""
        customer = self.member()
        with suppress(redemption.RedemptionFailed, redemption.RedemptionUnresolved):
            redemption.redeem(
                customer_id=customer.pk,
                points_product_id=self.product.pk,
                actor=actors.SYSTEM,
                now=self.now(),
                deadline=patience,
            )
        return self._kept(RedeemedReward.objects.get(customer=customer))

    def grant(self) -> RedeemedReward:
        """Staff grant it: pending, until a worker comes."""
        granted = granting.grant(
            customer_id=self.member().pk, reward_id=self.product.reward_id, actor=STAFF, now=self.now()
        )
        return self._kept(granted)

    def campaign(self, size: int) -> list[RedeemedReward]:
        """So many new members are given one each, with codes that share a discount; the shop is not asked yet."""
        customers = [self.member().pk for _ in range(size)]
        mark = bulk_codes.reference(campaign_id=self.connection.pk, batch=next(people))
        given = mass_granting.grant(
            reward_id=self.product.reward_id, customer_ids=customers, actor=STAFF, now=self.now(), turn=1,
            bulk_reference=mark,
        )  # fmt: skip
        return [self._kept(given.granted[pk]) for pk in customers]

    @contextmanager
    def lanes(self, workers: int) -> Iterator[None]:
        """So many workers may be at the shop at the same time."""
        with override_settings(ISSUE_WORKERS_PER_SHOP=workers):
            yield

    def issued(self) -> RedeemedReward:
        """A reward that was redeemed, its code alive."""
        row = self.redeem(patience=20.0)
        self.expect("a redemption without a fault is", self.status(row), "issued")
        return row

    def used(self) -> tuple[RedeemedReward, str]:
        """A reward and the order that used it, which the desk knows of."""
        row = self.issued()
        order_id = self.shop.buy(email=row.customer_email, code=self.code(row))
        self.poll()
        self.expect("a polled use makes it", self.status(row), "used")
        self.leap(60)  # the clocks of some fakes run ahead, and what an order earns counts from its own instant on
        return row, order_id

    def begin_canceling(self, row: RedeemedReward) -> None:
        cancellation.cancel(redeemed_reward_id=row.pk, actor=STAFF, now=self.now())

    def cancel(self, row: RedeemedReward) -> Cancellation:
        self.begin_canceling(row)
        self.settle()
        return Cancellation.objects.filter(redeemed_reward=row).latest("pk")

    def pay(self, *, lose_answer: bool) -> RedeemedReward:
        """Staff grant money that the shop's payouts pay."""
        account, _ = PayoutAccount.objects.get_or_create(
            name=f"Payouts {self.connection.name}",
            defaults={
                "provider": self.shop.platform,
                "base_url": self.connection.base_url,
                "currency": "USD",
                "credentials": self.connection.credentials,
            },
        )
        reward = Reward.objects.create(
            name="5 back", type=RewardType.CASHBACK, amount=5, currency="USD", enabled=True, payout_account=account,
            active_from=self.now() - timedelta(days=1000),
        )  # fmt: skip
        if lose_answer:
            self.shop.lose_payment_answer()
        customer = self.member()
        return self._kept(granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=self.now()))

    def move_shop(self, base_url: str) -> None:
        """The shop is at another address, or nowhere."""
        self.connection.base_url = base_url
        self.connection.save(update_fields=["base_url"])

    # What the shop tells.

    def poll(self) -> None:
        processing.poll(connection_id=self.connection.pk, now=self.now())
        self.connection.refresh_from_db()
        self.expect("a poll ends with", self.connection.poll_error, "")

    def post(self, body: bytes, headers: dict[str, str], *, key: object = None) -> int:
        """The shop knocks at the door; gives back the status."""
        client = Client(headers={"host": urlsplit(settings.PUBLIC_URL).netloc} | headers)
        path = f"/hooks/{key or self.connection.webhook_key}/"
        status: int = client.post(path, body, content_type="application/json", secure=True).status_code
        return status

    def hear(self, order_id: str) -> None:
        """A webhook about the order comes, and a worker lets it take effect; a shop without webhooks is polled."""
        if not self.shop.adapter().capabilities.webhooks:
            self.poll()
            return
        body = self.shop.news(order_id)
        self.expect("a genuine webhook gets", self.post(body, self.signed(body)), 200)
        self.settle()

    def signed(self, body: bytes) -> dict[str, str]:
        return self.shop.headers(body, secret=self.shop.secret)

    @contextmanager
    def right_before(self, method: str, act: Callable[[], object]) -> Iterator[None]:
        """Let something happen right before the desk's next call of that method reaches the shop."""
        adapter = registry.adapter_class(self.shop.platform)
        usual, waiting = getattr(adapter, method), [act]

        def late(*args: Any, **more: Any) -> Any:
            if waiting:
                waiting.pop()()
            return usual(*args, **more)

        setattr(adapter, method, late)
        try:
            yield
        finally:
            setattr(adapter, method, usual)

    # What workers and sweeps do.

    def settle(self) -> None:
        """Let the clock run to whatever is due next, and workers do it, until nothing is under way."""
        for _ in range(MOST_ROUNDS):
            due = self.next_due()
            if due is None:
                return
            self.leap(max((due - self.now()).total_seconds(), 0.0) + 0.001)
            self.work()

    def work(self) -> None:
        """Everything that is due now, once."""
        mine = {"redeemed_reward__connection": self.connection}
        due = IssueWork.objects.filter(due_at__lte=self.now(), **mine)
        if due.exclude(redeemed_reward__code__bulk_reference="").exists():
            issuing.work_for(connection_id=self.connection.pk, now=self.now(), patience=5.0)
        for pk in due.values_list("pk", flat=True):
            if claim := issuing.take(redeemed_reward_id=pk, now=self.now()):
                issuing.work(claim=claim, now=self.now(), patience=PATIENCE)
        for pk in Payout.objects.filter(next_attempt_at__lte=self.now()).values_list("redeemed_reward_id", flat=True):
            if claim := cashback.take(redeemed_reward_id=pk, now=self.now()):
                cashback.work(claim=claim, now=self.now(), patience=PATIENCE)
        for pk in Cancellation.objects.filter(due_at__lte=self.now(), **mine).values_list("pk", flat=True):
            cancellation.proceed(cancellation_id=pk, now=self.now())
        for pk in InboundWebhook.objects.filter(due_at__lte=self.now(), connection=self.connection).values_list("pk"):
            processing.process(webhook_id=pk[0], now=self.now())

    def next_due(self) -> datetime | None:
        mine = {"redeemed_reward__connection": self.connection}
        waiting = [
            *IssueWork.objects.filter(**mine).values_list("due_at", flat=True),
            *Cancellation.objects.filter(state=CancellationState.CANCELLING, **mine).values_list("due_at", flat=True),
            *Payout.objects.filter(next_attempt_at__isnull=False).values_list("next_attempt_at", flat=True),
            *InboundWebhook.objects.filter(state=InboxState.RECEIVED, connection=self.connection).values_list(
                "due_at", flat=True
            ),
        ]
        return min(waiting, default=None)

    # What can be seen.

    def status(self, row: RedeemedReward) -> str:
        row.refresh_from_db()
        return str(queries.status_of(redeemed=row, now=self.now()))

    def code(self, row: RedeemedReward) -> str:
        row = RedeemedReward.objects.select_related("code").get(pk=row.pk)
        return row.code.code if row.code is not None else ""

    def balance(self, row: RedeemedReward) -> int:
        return balance(customer_id=row.customer_id, now=self.now()).balance

    def codes(self) -> list[PlatformCode]:
        """All codes of the shop."""
        found: list[PlatformCode] = []
        cursor, more = "", True
        while more:
            answer = self.shop.adapter().list_codes(cursor)
            if answer.value is None:
                raise AssertionError(answer.reason)
            found += answer.value.codes
            cursor, more = answer.value.cursor, answer.value.more
        return found

    def attempts(self, row: RedeemedReward) -> list[IssueAttempt]:
        return list(IssueAttempt.objects.filter(redeemed_reward=row))

    def expect(self, what: str, seen: object, wanted: object) -> None:
        if seen != wanted:
            self.cell.lost.append(f"{self.part}: {what} {seen!r}, and not {wanted!r}")

    def _kept(self, row: RedeemedReward) -> RedeemedReward:
        self.rows.append(row.pk)
        return row
