"""What the table of writes is made of: one request, and what there must be before it can be sent."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.utils import timezone

from loyalty.api import customer_tokens
from loyalty.api.models import ApiKey
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer
from loyalty.points import imports
from loyalty.webhooks.models import WebhookEndpoint
from rewards import cancellation, granting, usage
from rewards.campaigns import steps
from rewards.models import Campaign, RedeemedReward
from tests.api.conftest import Integrator
from tests.factories.catalogue import GiftFactory, InvitationFactory, PointsProductFactory, ValueCodeFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory
from tests.factories.points import give
from tests.rewards.admin_rows import gift_row
from tests.webhooks.conftest import waiting

NUMBERS = count(1)
ADDRESS = {
    "recipient": "Anna Nowak",
    "line_1": "ul. Długa 2",
    "city": "Gdańsk",
    "postal_code": "80-001",
    "country": "PL",
}
ENDPOINT = {"name": "Till", "url": "https://till.example.com/hook", "topics": ["customer/updated"]}
TIMES = {"occurred_after": "2026-11-26T00:00:00Z", "occurred_before": "2026-11-27T00:00:00Z"}


@dataclass(frozen=True)
class Write:
    """One request. `of`: the customer whose own browser sends it; None: a system with a key."""

    path: str
    body: Any = None
    of: Customer | None = None

    def by(self, system: Integrator, *, key: str) -> Any:
        """The answer. A new client each time, as threads share none."""
        secret = system.headers["Authorization"].removeprefix("Bearer ")
        if self.of is not None:
            secret, _ = customer_tokens.mint(key=ApiKey.objects.get(), customer_id=self.of.pk, now=timezone.now())
        return Integrator(secret).post(self.path, self.body, key=key)

    def sent(self, api: Integrator) -> str:
        """Send it without a key; the path of what it made."""
        answer = api.post(self.path, self.body)
        assert answer.status_code < 300, answer.json()
        (made,) = answer.json().values()
        return f"{self.path}/{made['id']}"


def member(points: int) -> Customer:
    customer: Customer = CustomerFactory()
    ShippingAddressFactory(customer=customer)
    give(customer, points, now=timezone.now())
    return customer


def offer() -> int:
    """The id of what a gift costs that no shop knows: 100 points."""
    product: int = PointsProductFactory(reward=GiftFactory()).pk
    return product


def merge() -> Write:
    return Write(f"/customers/{member(40).pk}/merge", {"into_customer_id": CustomerFactory().pk})


def undo_of_merge(api: Integrator) -> Write:
    return Write(f"/customer_merges/{merge().sent(api).rpartition('/')[2]}/undo")


def identity() -> Write:
    number = next(NUMBERS)
    told = {"email": f"known{number}@example.com", "distinct_id": f"own-{number}"}
    return Write("/customer_identities/create_or_update", told)


def hold(points: int = 100) -> Write:
    return Write("/points_holds", {"customer_id": member(250).pk, "points": points})


def closed_hold(api: Integrator, act: str) -> str:
    path = hold().sent(api)
    api.post(f"{path}/{act}")
    return path


def campaign(*customer_ids: int, dry_run: bool = False) -> Write:
    """For those, and for one more."""
    audience = {"by": "customer_ids", "customer_ids": [CustomerFactory().pk, *customer_ids]}
    reward_id = InvitationFactory().pk
    body = {"name": f"Spring {next(NUMBERS)}", "reward_id": reward_id, "audience": audience, "dry_run": dry_run}
    return Write("/campaigns", body)


def worked_campaign(api: Integrator, *, dry_run: bool = False) -> str:
    """The path of one whose workers have done what there was to do."""
    path = campaign(dry_run=dry_run).sent(api)
    job = Campaign.objects.get(pk=number_of(path)).job
    while job.due_at is not None:
        steps.work_on(job_id=job.pk, now=timezone.now(), patience=60)
        job.refresh_from_db()
    return path


def granted(*, used: bool = False, cancelled: bool = False) -> str:
    """The path of what a customer got."""
    act: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    redeemed = granting.grant(customer_id=CustomerFactory().pk, reward_id=InvitationFactory().pk, **act)
    if used:
        usage.mark_used(redeemed_reward_id=redeemed.pk, **act)
    if cancelled:
        cancellation.cancel(redeemed_reward_id=redeemed.pk, return_points=True, **act)
    return f"/reward_fulfillments/{redeemed.pk}"


def parcel(*done: Callable[..., RedeemedReward]) -> str:
    """The path of one that was ordered, and what was done with it since."""
    redeemed = gift_row(usage_status="used", shipping_address=ADDRESS | {"line_2": "", "region": ""})
    for step in done:
        step(redeemed_reward_id=redeemed.pk, actor=SYSTEM, now=timezone.now())
    return f"/reward_fulfillments/{redeemed.pk}/delivery"


def value_code() -> RedeemedReward:
    """20 USD."""
    act: dict[str, Any] = {"actor": SYSTEM, "now": timezone.now()}
    return granting.grant(customer_id=CustomerFactory().pk, reward_id=ValueCodeFactory().pk, **act)


def spent(amount: str = "7.50") -> Write:
    path = f"/reward_fulfillments/{value_code().pk}/redeem"
    return Write(path, {"amount": amount, "currency": "USD"})


def given_back(api: Integrator) -> Write:
    return Write(f"/value_code_redemptions/{spent().sent(api).rpartition('/')[2]}/reverse")


def spelled() -> str:
    code = value_code().code
    assert code is not None
    return str(code.code)


def order(topic: str = "order/updated") -> Write:
    number = next(NUMBERS)
    customer = {"external_id": f"c-{number}", "email": f"buyer{number}@example.com"}
    data = {"external_id": f"o-{number}", "grand_total": "20.00", "payment_status": "paid", "customer": customer}
    return Write("/events", {"event": {"topic": topic, "data": data}})


def points_import() -> Write:
    return Write("/jobs/points_import", {"mode": "add", "by": "email", "csv": f"email,points\n{member(1).email},40\n"})


def job(api: Integrator, *acts: str, checked: bool = True) -> str:
    """The path of an import; `checked`, and then asked to do these, which a worker does."""
    path = f"/jobs/{number_of(points_import().sent(api))}"
    for act in ("", *acts) if checked else ():
        if act:
            api.post(f"{path}/{act}")
        imports.work_on(job_id=number_of(path), now=timezone.now(), patience=30)
    return path


def endpoint(api: Integrator, *, off: bool = False) -> str:
    path = Write("/webhook_endpoints", ENDPOINT).sent(api)
    if off:
        api.post(path, {"enabled": False})
    return path


def told(path: str) -> str:
    """An endpoint's path again, once a message was sent there."""
    message(path)
    return path


def message(path: str) -> str:
    """The path of one that was sent to the endpoint of that path."""
    found, now = WebhookEndpoint.objects.get(pk=number_of(path)), timezone.now()
    row = waiting(found, event_id=next(NUMBERS), state="delivered", due_at=None, closed_at=now)
    return f"/webhook_deliveries/{row.pk}"


def number_of(path: str) -> int:
    return int(path.rpartition("/")[2])
