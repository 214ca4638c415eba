"""The page of one redeemed reward: its true state, what it cost, where it is, and all that happened to it."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from loyalty.common import qr
from loyalty.common.adminkit import desk, show
from loyalty.customers.models import Customer
from loyalty.program.models import Order
from platforms.models import StoreConnection
from rewards import cancellation_plan, extension, issuing, payouts, payouts_by_hand, probing, queries, states, usage
from rewards import parcels as rules
from rewards.admin import parcels, payout, timeline, value_uses, why, words
from rewards.advice import advice
from rewards.models import (
    Campaign,
    CancellationState,
    Combination,
    Delivery,
    DeliveryStatus,
    FulfillmentStatus,
    Origin,
    Payout,
    RedeemedReward,
    Reward,
    RewardType,
    UsageStatus,
)
from rewards.queries import Status
from rewards.types import registry as types

# Which buttons make sense in which state. The domain decides; this only keeps the page calm.
OFFERED: dict[str, tuple[str, ...]] = {
    Status.PENDING: ("retry", "cancel"),
    Status.FAILED: ("reissue",),
    Status.ISSUED: ("mark-used", "cancel"),
    Status.USED: ("mark-unused", "cancel-used"),
    Status.CANCELLING: ("retry", "force-cancel"),
    Status.EXPIRED: ("extend", "cancel"),
}
PARCEL: dict[str, tuple[str, ...]] = {
    "ordered": ("ship", "cancel-delivery"),
    "shipped": ("deliver", "came-back", "cancel-delivery"),
    "cancelled": ("order-again",),
}


def campaign_of(redeemed: RedeemedReward) -> Campaign | None:
    """The campaign that gave it, where one did."""
    given = getattr(redeemed, "of_campaign", None)
    return given.campaign if given is not None else None


def url_of(pk: int) -> str:
    return reverse("admin:rewards_redeemedreward_change", args=(pk,))


class RewardPage(desk.ReadOnlyAdmin):
    """Replaces the change form by a page to read, with acts as buttons; its parcels have pages beside it."""

    actions = ("packing_list",)

    @admin.action(description="Packing list", permissions=["pack"])
    def packing_list(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        """Leads to the list of the chosen gifts, which is only looked at."""
        pks = queryset.filter(type=RewardType.GIFT).order_by("pk").values_list("pk", flat=True)
        chosen = ",".join(str(pk) for pk in pks[: parcels.MOST_PARCELS])
        return HttpResponseRedirect(f"{reverse(f'admin:{parcels.PACKING_URL_NAME}')}?ids={chosen}")

    def has_pack_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms((parcels.DELIVER, parcels.SEE_ADDRESSES))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("packing-list/", view(self.packing_view), name=parcels.PACKING_URL_NAME),
            path("tracking/", view(self.tracking_view), name=parcels.TRACKING_URL_NAME),
            path("<int:pk>/address/", view(self.address_view), name=parcels.ADDRESS_URL_NAME),
            path("<int:pk>/value/<int:use_id>/back/", view(self.value_back_view), name=value_uses.URL_NAME),
        ]
        return [*own, *super().get_urls()]

    def packing_view(self, request: HttpRequest) -> HttpResponse:
        return parcels.packing_view(request, model_admin=self)

    def tracking_view(self, request: HttpRequest) -> HttpResponse:
        return parcels.tracking_view(request, model_admin=self)

    def address_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return parcels.address_view(request, model_admin=self, pk=pk)

    def value_back_view(self, request: HttpRequest, pk: int, use_id: int) -> HttpResponse:
        return value_uses.view(request, model_admin=self, pk=pk, use_id=use_id)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        redeemed = self.read(object_id)
        now = timezone.now()
        status = queries.status_of(redeemed=redeemed, now=now)
        buttons = offered(redeemed, status, now=now)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "preserved_filters": self.get_preserved_filters(request),
            "title": redeemed.name,
            "subtitle": None,
            "redeemed": redeemed,
            "status_word": words.status_label(redeemed, status, now=now),
            "tone": words.TONES[status],
            "meaning": words.meaning(redeemed, status, now=now),
            "acts": self.act_links(request, redeemed.pk, only=buttons),
            "advice": advice(redeemed),
            "shop_trouble": why.shop_trouble(redeemed, status, now=now),
            "coming": why.coming(redeemed, status, now=now),
            "greyed": why.greyed(redeemed, status, acts=self.permitted_acts(request), offered=buttons, now=now),
            "facts": self.facts(redeemed),
            "qr": qr_of(redeemed, status),
            "people": self.people(redeemed),
            "points": timeline.points_of(redeemed),
            "attempts": timeline.attempts_of(redeemed),
            "work": getattr(redeemed, "issue_work", None),
            "most_attempts": issuing.MOST_ATTEMPTS,
            "cancellations": timeline.cancellations_of(redeemed),
            "steps_by_hand": self.steps_by_hand(redeemed),
            "evidence": timeline.evidence_of(redeemed),
            "history": timeline.entries(queries.history(redeemed_reward_id=redeemed.pk)),
            "parcel": self.parcel(request, redeemed),
            "value_rows": value_uses.rows_of(request, redeemed, now=now),
            "value_left": show.money(redeemed.remaining, redeemed.currency),
            "value_first": show.money(redeemed.amount, redeemed.currency),
            "payout": payout.panel(request, redeemed),
            "zone": show.zone_name(),
            "states": states.TABLE,
            "state": states.state_of(redeemed=redeemed, status=status, now=now),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/rewards/redeemedreward/page.html", {**context, **(extra_context or {})})

    def steps_by_hand(self, redeemed: RedeemedReward) -> tuple[str, ...]:
        """How a person kills a code that nobody has proved dead."""
        forced = redeemed.cancellations.filter(state=CancellationState.UNPROVED).exists()
        return probing.steps_by_hand(redeemed=redeemed) if forced else ()

    def read(self, object_id: str) -> RedeemedReward:
        rows: QuerySet[RedeemedReward] = RedeemedReward.objects.select_related(
            "code",
            "customer",
            "connection",
            "reward",
            "hold",
            "debit",
            "delivery",
            "issue_work",
            "payout__account",
            "of_campaign__campaign",
        ).prefetch_related("extensions")
        found = rows.filter(pk=int(object_id)).first() if object_id.isdecimal() and len(object_id) < 19 else None
        if found is None:
            raise Http404(f"There is no redeemed reward {object_id}.")
        return found

    def facts(self, redeemed: RedeemedReward) -> list[tuple[str, Any]]:
        """What it is, in the words of the moment it was redeemed."""
        facts: list[tuple[str, Any]] = [
            ("Code", code(redeemed)),
            ("Type", redeemed.get_type_display()),
            ("Worth", worth(redeemed)),
            ("Cost in points", show.points(redeemed.cost_in_points)),
            ("Tax value", show.money(redeemed.tax_value, redeemed.currency)),
            ("Came by", redeemed.get_origin_display()),
            ("Redeemed", show.instant(redeemed.redeemed_at)),
            ("Issued", show.instant(redeemed.issued_at)),
            ("First day", show.day_text(redeemed.starts_at) if redeemed.starts_at else "At once"),
            ("Last day", show.last_day(redeemed.expires_at) if redeemed.expires_at else "Never expires"),
            ("Used", used(redeemed)),
            ("Used on order", self.order_link(redeemed)),
            ("Delivery status", words.delivery_badge(redeemed)),
            ("Cashback status", words.cashback_badge(redeemed)),
            ("Shop", self.shop_link(redeemed)),
            ("Offer", self.link_to(Reward, redeemed.reward_id, redeemed.reward.name)),
        ]
        return facts + self.further_facts(redeemed)

    def further_facts(self, redeemed: RedeemedReward) -> list[tuple[str, Any]]:
        """What not every reward has."""
        campaign = campaign_of(redeemed)
        others = ", ".join(str(Combination(each).label).lower() for each in redeemed.combines_with)
        least, asked, old = redeemed.minimum_order, extension.latest(redeemed=redeemed), redeemed.reissue_of_id
        found = [
            ("Sort of code", sort_of_code(redeemed)),
            ("Campaign", self.link_to(Campaign, campaign.pk, campaign.name) if campaign is not None else ""),
            ("Brand", redeemed.brand),
            ("Minimum order", show.money(least, redeemed.currency) if least is not None else ""),
            ("Only for", ", ".join(name for _, name in redeemed.collections)),
            ("May be combined with", others),
            ("Reissue of", show.link(f"Reward {old}", url_of(old)) if old is not None else ""),
            *(("Reissued as", show.link(f"Reward {new.pk}", url_of(new.pk))) for new in redeemed.reissues.all()),
            ("More time", ". ".join(filter(None, (asked.get_state_display(), asked.last_reason))) if asked else ""),
            ("Canceled", show.instant(redeemed.cancelled_at) if redeemed.cancelled_at is not None else ""),
        ]
        return [(label, value) for label, value in found if value]

    def people(self, redeemed: RedeemedReward) -> list[tuple[str, Any]]:
        """The customer: the link of today, the contacts of then."""
        name = f"{redeemed.customer_first_name} {redeemed.customer_last_name}".strip()
        return [
            ("Name", self.link_to(Customer, redeemed.customer_id, name or f"Customer {redeemed.customer_id}")),
            ("E-mail", show.text(redeemed.customer_email)),
            ("Phone", show.text(redeemed.customer_phone)),
            ("Active points after", show.points(redeemed.balance_after)),
        ]

    def order_link(self, redeemed: RedeemedReward) -> Any:
        if not redeemed.used_order_id:
            return show.dash()
        order = Order.objects.filter(connection_id=redeemed.connection_id, external_id=redeemed.used_order_id).first()
        if order is None:
            return redeemed.used_order_id
        return self.link_to(Order, order.pk, redeemed.used_order_id)

    def shop_link(self, redeemed: RedeemedReward) -> Any:
        if redeemed.connection is None:
            return "None: no shop knows it"
        return self.link_to(StoreConnection, redeemed.connection.pk, redeemed.connection.name)

    def parcel(self, request: HttpRequest, redeemed: RedeemedReward) -> dict[str, Any]:
        """The address, for those who may see it, and what is known of the parcel."""
        delivery: Delivery | None = getattr(redeemed, "delivery", None)
        address, first = rules.address_of(redeemed), redeemed.shipping_address or {}
        allowed = request.user.has_perm(parcels.SEE_ADDRESSES)
        here = redeemed.is_gift and redeemed.delivery_status not in ("shipped", "delivered")
        issued = redeemed.fulfillment_status == FulfillmentStatus.ISSUED
        return {
            "allowed": allowed,
            "lines": parcels.address_lines(address) if allowed else [],
            "corrected": address != first,
            "first_lines": parcels.address_lines(first) if allowed and address != first else [],
            "correct_url": reverse(f"admin:{parcels.ADDRESS_URL_NAME}", args=(redeemed.pk,))
            if here and issued and self.has_pack_permission(request)
            else "",
            "packing_url": f"{reverse(f'admin:{parcels.PACKING_URL_NAME}')}?ids={redeemed.pk}"
            if redeemed.delivery_status == DeliveryStatus.ORDERED and self.has_pack_permission(request)
            else "",
            "changes": parcels.history_of(redeemed, addresses=allowed) if redeemed.is_gift else [],
            "delivery": delivery,
            "is_gift": redeemed.is_gift,
            "steps": parcel_steps(delivery) if delivery is not None else [],
        }


def offered(redeemed: RedeemedReward, status: str, *, now: datetime) -> list[str]:
    """The acts whose buttons stand on the page in this state."""
    if not redeemed.on_profile:
        return _with_payout(redeemed, ["retry"] if status == Status.PENDING else [], now=now)
    slugs = [*OFFERED.get(status, ())]
    if status == Status.USED and not cancellation_plan.was_consumed(redeemed):
        slugs = ["cancel" if slug == "cancel-used" else slug for slug in slugs]
    if "extend" in slugs and extension.refusal(redeemed=redeemed):
        slugs.remove("extend")
    slugs = _with_payout(redeemed, slugs, now=now)
    if status == Status.CANCELLED and probing.can_check(redeemed=redeemed):
        slugs.append("check-again")
    if usage.was_spent_for_nothing(redeemed=redeemed):
        slugs.append("reissue")
    coupon = redeemed.is_gift and redeemed.code_id is not None  # its parcel does not depend on its use
    travels = not coupon and redeemed.delivery_status in (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED)
    ended = redeemed.expires_at is not None and redeemed.expires_at <= now
    waiting = redeemed.starts_at is not None and now < redeemed.starts_at
    if redeemed.usage_status == UsageStatus.UNTRACKED or travels or ended or waiting:
        slugs = [slug for slug in slugs if slug not in ("mark-used", "mark-unused")]
    return slugs + list(PARCEL.get(redeemed.delivery_status, ()) if redeemed.is_gift else ())


def qr_of(redeemed: RedeemedReward, status: str) -> str:
    """The code as it is read at a door, as long as it opens one; empty for types that show none."""
    if redeemed.code is None or status != Status.ISSUED or not types.type_of(redeemed.type).shows_qr:
        return ""
    return qr.svg(redeemed.code.canonical, label=f"QR code {redeemed.code.code}")


def _with_payout(redeemed: RedeemedReward, slugs: list[str], *, now: datetime) -> list[str]:
    """What can be said of the money of a cashback, and nothing that its state rules out."""
    money: Payout | None = getattr(redeemed, "payout", None)
    if money is None:
        return slugs
    if redeemed.origin == Origin.REDEMPTION:
        slugs = [slug for slug in slugs if slug != "reissue"]
    if payouts.cancel_refusal(redeemed=redeemed, now=now):
        slugs = [slug for slug in slugs if slug != "cancel"]
    if money.next_attempt_at is not None and "retry" not in slugs:
        slugs = [*slugs, "retry"]
    return slugs if payouts_by_hand.refusal(money) else ["mark-paid", "mark-refused", *slugs]


def code(redeemed: RedeemedReward) -> Any:
    if redeemed.code is None:
        return show.dash()
    return show.copyable(redeemed.sure_code) if redeemed.sure_code else "The shop is making it"


def sort_of_code(redeemed: RedeemedReward) -> str:
    if redeemed.code is None:
        return ""
    if redeemed.code.is_shared:
        return "One code for many: others have it too, and canceling never disables it"
    bulk = redeemed.code.bulk_reference
    return f"Bulk code: shares the discount {bulk} in the shop with others of its campaign" if bulk else ""


def worth(redeemed: RedeemedReward) -> Any:
    if redeemed.percent is not None:
        return f"{redeemed.percent.normalize():f} % off"
    return show.money(redeemed.amount, redeemed.currency)


def used(redeemed: RedeemedReward) -> Any:
    if redeemed.usage_status == UsageStatus.UNTRACKED:
        return "Not tracked"
    return show.instant(redeemed.used_at) if redeemed.used_at else "Not yet"


def parcel_steps(delivery: Delivery) -> list[tuple[str, Any]]:
    steps = [
        ("Ordered", delivery.ordered_at),
        ("Shipped", delivery.shipped_at),
        ("Delivered", delivery.delivered_at),
        ("Came back", delivery.returned_at),
        ("Canceled", delivery.cancelled_at),
    ]
    return [(label, show.instant(at)) for label, at in steps if at is not None]
