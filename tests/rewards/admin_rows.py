"""Rows and signed-in staff for the tests of the admin's pages."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from loyalty.merchant.models import Programme
from platforms.models import StoreConnection
from rewards.models import RedeemedReward, Reward, RewardCode
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import CustomerFactory, StaffFactory

GRID = "/admin/rewards/redeemedreward/"
FAILED = f"{GRID}failed/"
EXPORT = f"{GRID}export/csv/"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VIEW = "rewards.view_redeemedreward"


def staff(*permissions: str) -> Client:
    """The browser of a member of staff who may do exactly this."""
    user = StaffFactory()
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def set_zone(name: str) -> None:
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": name})


def code(text: str, connection: StoreConnection | None = None) -> RewardCode:
    return RewardCode.objects.create(connection=connection, code=text, canonical=text.upper(), created_at=AT)


def row(*, at: datetime = AT, customer: Any = None, reward: Reward | None = None, **fields: Any) -> RedeemedReward:
    """One redeemed reward as staff would find it: granted, issued and unused unless the fields say more."""
    customer = customer or CustomerFactory()
    reward = reward or RewardFactory()
    if isinstance(fields.get("code"), str):
        fields["code"] = code(fields["code"], fields.get("connection"))
    pending = fields.get("fulfillment_status") in ("pending", "failed")
    values: dict[str, Any] = {
        "customer": customer,
        "reward": reward,
        "origin": "staff",
        "on_profile": True,
        "takes_place": fields.get("fulfillment_status", "issued") in ("pending", "issued"),
        "actor_kind": "system",
        "fulfillment_status": "issued",
        "usage_status": "unused",
        "redeemed_at": at,
        "issued_at": None if pending else at,
        "updated_at": at,
        "name": reward.name,
        "type": reward.type,
        "cost_in_points": 0,
        "currency": reward.currency,
        "amount": reward.amount,
        "percent": reward.percent,
        "balance_after": 150,
        "customer_email": customer.email or "",
        "customer_phone": customer.phone or "",
        "customer_first_name": customer.first_name,
        "customer_last_name": customer.last_name,
    }
    if fields.get("fulfillment_status") == "cancelled":
        values["cancelled_at"] = at
    if fields.get("usage_status") == "used":
        values |= {"used_at": at + timedelta(hours=1), "delivery_status": "ordered"}
    return RedeemedReward.objects.create(**(values | fields))


def gift_row(**fields: Any) -> RedeemedReward:
    return row(reward=GiftFactory(), **fields)


def attempt(**fields: Any) -> RedeemedReward:
    """A redemption that came to nothing."""
    values = {"origin": "redemption", "on_profile": False, "fulfillment_status": "failed"}
    return row(**(values | {"failure_reason": "The shop refused the code."} | fields))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(response: Any) -> str:
    """What a page says, without its markup."""
    parser = _Words()
    parser.feed(response.content.decode())
    return " ".join(" ".join(parser.words).split())


def sorted_by(client: Client, column: str, *, down: bool = False) -> list[int]:
    """The grid's ids, sorted by a click on the heading of that column."""
    return listed(client.get(GRID, {"o": f"{'-' if down else ''}{column}"}))


def listed(response: Any) -> list[int]:
    """The ids of a list's rows, in order."""
    return [each.pk for each in response.context["cl"].result_list]
