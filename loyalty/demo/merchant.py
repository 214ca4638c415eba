"""Load the whole demo merchant. Again, it only mends what the outside changed: addresses, tokens, lost passwords."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import CustomerIdentity
from loyalty.demo import catalogue, friends, history, logins, people, segments, shops, texts, tiers, today, ways
from loyalty.demo.acts import World
from loyalty.events import log, reading
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode
from loyalty.messages import occasions, sending
from loyalty.points import audit
from platforms.models import PayoutAccount, StoreConnection
from rewards.models import PointsProduct

HISTORY, TODAY = "demo.history_loaded", "demo.today_loaded"
MAIL_PATIENCE = 20.0
PROGRAMME = {
    "name": "Fern & Field Rewards",
    "support_email": "rewards@example.com",
    "office_emails": ["packing@example.com"],
    "time_zone": "Europe/Warsaw",
    "currency": shops.CURRENCY,
    "point_value": Decimal("0.01"),
    "language": "en",
    "expiry_mode": ExpiryMode.DAYS,
    "expiry_days": 365,
    "pending_days": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What loading came to."""

    fresh: bool  # the merchant was not there before
    differences: list[str]  # what the audit of the ledger found


def load(*, access: shops.ShopAccess, credentials_file: Path, now: datetime) -> Loaded:
    """Make the demo merchant, or go on where an interrupted load stopped; what is there is left as it is.

    Raises ShopUnreachable, CredentialsFileRefused.
    """
    file = logins.CredentialsFile(credentials_file)
    shop, old_shop = shops.connect(access)
    shops.register_webhooks(shop)
    by_hand, account = shops.payout_accounts(access)
    shops.register_callbacks(account, access)
    staff = logins.staff(file)
    world = World(old_shop=old_shop, products={}, staff=staff)
    fresh = not _done(HISTORY)
    if fresh:
        _load_history(world, shop=shop, payouts=(by_hand, account), now=now)
        reading.begin_now(reader=occasions.READER)  # nobody is written to about the past
    _find(world)
    logins.customer(file, customer=world.customers[people.MAIN], now=now)
    logins.api_key(file, manager_id=staff["manager"], now=now)
    file.write()
    if not _done(TODAY):
        today.load(world=world, shop=shop, faults=shops.Faults(access), now=now)
        friends.load(world=world, now=now)
        ways.load(now=now)
        segments.load(now=now)
        _note(TODAY, now=now)
    _send_mails(now=now)
    return Loaded(fresh=fresh, differences=[str(difference) for difference in audit.differences()])


@transaction.atomic
def _load_history(
    world: World, *, shop: StoreConnection, payouts: tuple[PayoutAccount, PayoutAccount], now: datetime
) -> None:
    """Programme, catalogue, people and past: all of it or nothing. No shop is asked."""
    programme = merchant.programme()
    for name, value in PROGRAMME.items():
        setattr(programme, name, value)
    programme.save()
    by_hand, account = payouts
    world.products = catalogue.load(shop=shop, by_hand=by_hand, now=now)
    history.load(world=world, now=now)
    catalogue.sell_out(products=dict(world.products), now=now)
    catalogue.pay_through(products=dict(world.products), account=account)
    tiers.load(products=world.products, now=now)
    _note(HISTORY, now=now)


def _send_mails(*, now: datetime) -> None:
    """Those of the last days go out before anybody looks; from then on the worker sends them."""
    while occasions.read(now=now):
        pass
    sending.send_due(now=now, patience=MAIL_PATIENCE)


def _find(world: World) -> None:
    """Customers by their key, rewards by theirs, as they stand."""
    world.customers = {
        identity.external_id: identity.customer
        for identity in CustomerIdentity.objects.filter(connection=world.old_shop).select_related("customer")
    }
    keys = {names["en"][0]: key for key, names in texts.NAMES.items()}
    world.products = {
        keys[product.reward.name]: product
        for product in PointsProduct.objects.filter(reward__name__in=keys).select_related("reward").order_by("-pk")
    }


def _done(kind: str) -> bool:
    return log.exists(kind=kind, subject_type="programme", subject_id=1)


def _note(kind: str, *, now: datetime) -> None:
    log.record(kind=kind, subject_type="programme", subject_id=1, actor=SYSTEM, now=now)
