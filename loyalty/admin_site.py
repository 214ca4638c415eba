"""The admin site of the project: which sections it has, in which zone it speaks, which numbers stand first."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts.second_factor import StaffEntrance
from loyalty.common import clock
from loyalty.common.adminkit import lists, show
from loyalty.common.adminkit.site import DeskSite, Notice, Section, Stat
from loyalty.hooks import wishes
from loyalty.merchant import queries as merchant_queries
from platforms import breaker
from platforms.models import IncidentKind, PayoutAccount, ShopIncident, StoreConnection
from rewards import queries
from rewards.models import Cancellation, CancellationState, DeliveryStatus, FulfillmentStatus, RewardType

GRID = "admin:rewards_redeemedreward_changelist"
FAILED = "admin:rewards_redeemedreward_failed"


class LoyaltyDeskSite(StaffEntrance, DeskSite):
    sections: ClassVar[Sequence[Section]] = (
        Section("Rewards", ("rewards.redeemedreward", "rewards.reward", "rewards.campaign", "rewards.codepool")),
        Section(
            "Customers",
            (
                "customers.customer",
                "segments.segment",
                "points.pointstransaction",
                "program.order",
                "program.referral",
                "program.viptierchange",
                "program.tierentry",
                "jobs.job",
                "messages_out.mail",
                "hooks.privacywish",
                "merging.customermerge",
                "erasure.erasure",
            ),
        ),
        Section("Programme", ("program.earningrule", "program.earningaward", "program.activity")),
        Section(
            "Shops",
            (
                "platforms.storeconnection",
                "rewards.reconciliationrun",
                "rewards.reconciliationfinding",
                "platforms.payoutaccount",
                "hooks.inboundwebhook",
            ),
        ),
        Section(
            "Settings",
            (
                "merchant.programme",
                "program.referralsettings",
                "merchant.brand",
                "messages_out.mailtext",
                "customers.tier",
                "program.tierrules",
                "accounts.user",
                "auth.group",
                "api.apikey",
                "webhooks.webhookendpoint",
                "webhooks.webhookdelivery",
                "events.event",
            ),
        ),
    )

    unlisted = frozenset(
        {"account.emailaddress", "account.emailconfirmation", "mfa.authenticator", "hooks.privacyrequest"}
    )

    def zone(self) -> ZoneInfo:
        return merchant_queries.programme().zone

    def notices(self, request: HttpRequest) -> list[Notice]:
        """Shops and payout accounts that are unwell, and what is due, of those this person may see."""
        now = timezone.now()  # noqa: TID251 (the admin is a door)
        return shop_notices(request, now) + payout_notices(request, now) + privacy_notices(request, now)

    def stats(self, request: HttpRequest) -> list[Stat]:
        """Nothing for people who may not see redeemed rewards."""
        if not request.user.has_perm("rewards.view_redeemedreward"):
            return []
        now = timezone.now()  # noqa: TID251 (the admin is a door)
        return [waiting(), failed_today(now, self.zone()), cancelling(), to_ship()]


def waiting() -> Stat:
    """Granted rewards that the shop has not made yet."""
    rows = queries.visible().filter(fulfillment_status=FulfillmentStatus.PENDING)
    return stat("Waiting for a shop", rows, url(GRID, status="pending"), tone="warn", hint="Pending redeemed rewards")


def failed_today(now: datetime, zone: ZoneInfo) -> Stat:
    """Redemptions that came to nothing since midnight, those still being checked included."""
    midnight = clock.start_of_day(now, 0, zone)
    rows = queries.attempts().filter(redeemed_at__gte=midnight)
    where = url(FAILED, redeemed_after=now.astimezone(zone).date().isoformat())
    return stat("Failed redemptions today", rows, where, tone="bad", hint="Nobody lost points")


def cancelling() -> Stat:
    """Cancellations that are not proved yet."""
    rows = Cancellation.objects.filter(state=CancellationState.CANCELLING)
    return stat(
        "Cancellations not done", rows, url(GRID, status="cancelling"), tone="warn", hint="Retried by themselves"
    )


def to_ship() -> Stat:
    """Gifts that were ordered and lie here."""
    rows = queries.visible().filter(type=RewardType.GIFT, delivery_status=DeliveryStatus.ORDERED)
    where = url(GRID, type="gift", delivery_status="ordered")
    return stat("Gifts to ship", rows, where, tone="warn", hint="Ordered, not shipped yet")


def stat(label: str, rows: QuerySet, where: str, *, tone: str, hint: str) -> Stat:
    """A number, counted no further than lists are."""
    count = rows.order_by()[: lists.COUNT_CAP + 1].count()
    text = show.points_text(min(count, lists.COUNT_CAP)) + ("+" if count > lists.COUNT_CAP else "")
    return Stat(label, text, where, tone=tone if count else "quiet", hint=hint)


def url(name: str, **parameters: str) -> str:
    return f"{reverse(name)}?{urlencode(parameters)}"


def shop_notices(request: HttpRequest, now: datetime) -> list[Notice]:
    """Shops that do not answer as of now, and other incidents as they began."""
    if not request.user.has_perm("platforms.view_storeconnection"):
        return []
    shops = StoreConnection.objects.filter(enabled=True).select_related("health").order_by("pk")
    said = {shop: breaker.trouble(connection=shop, health=shop.health, now=now) for shop in shops.exclude(health=None)}
    others = ShopIncident.objects.filter(
        ended_at=None, connection__enabled=True, kind__in=(IncidentKind.WAITING, IncidentKind.FAILING)
    )
    found = [(shop.pk, text) for shop, text in said.items() if text]
    found += others.order_by("connection_id", "kind").values_list("connection_id", "detail")
    return [Notice(text, reverse("insights:shop", args=(pk,))) for pk, text in found]


def payout_notices(request: HttpRequest, now: datetime) -> list[Notice]:
    """Payout accounts in use that do not answer, or refuse us."""
    if not request.user.has_perm("platforms.view_payoutaccount"):
        return []
    accounts = set(PayoutAccount.objects.filter(enabled=True).exclude(health=None).values_list("pk", flat=True))
    said = breaker.account_sentences(account_ids=accounts, now=now) if accounts else {}
    return [Notice(text, reverse("admin:platforms_payoutaccount_change", args=(pk,))) for pk, text in said.items()]


def privacy_notices(request: HttpRequest, now: datetime) -> list[Notice]:
    """What people asked about their data and has to be done within a week: one sentence, however many."""
    if not request.user.has_perm("hooks.view_privacywish"):
        return []
    due = list(wishes.due_soon(now=now).values_list("due_at", flat=True)[: lists.COUNT_CAP])
    if not due:
        return []
    what = "A privacy request is" if len(due) == 1 else f"{show.points_text(len(due))} privacy requests are"
    when = "overdue since" if due[0] <= now else "to be done until"
    text = f"{what} waiting, {'the first ' if len(due) > 1 else ''}{when} {show.instant_text(due[0])}."
    return [Notice(text, url("admin:hooks_privacywish_changelist", state="open"))]
