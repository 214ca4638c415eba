"""The redeemed rewards grid: every reward somebody got, in the merchant's columns."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, show
from loyalty.customers.models import Customer
from rewards import queries
from rewards.admin import acts, export, failures, inline, page, parcels, payout, views, words
from rewards.admin.grid_list import GridChangeList
from rewards.filters import RedeemedRewardFilter
from rewards.models import RedeemedReward

COLUMN_NAMES = {"view": "View icon"}
# Nothing of these is shown in a list, and they are long.
UNSHOWN = ("usage_instructions", "terms", "shipping_address", "image_url", "action_text", "action_url")


class RedeemedRewardColumns(desk.ReadOnlyAdmin):
    """The cells that both lists of redeemed rewards share."""

    @admin.display(description="Redeem date and time", ordering="redeemed_at")
    def redeemed(self, row: RedeemedReward) -> SafeString:
        return show.instant(row.redeemed_at)

    @admin.display(description="Cost in points")
    def cost(self, row: RedeemedReward) -> SafeString:
        return show.points(row.cost_in_points)

    @admin.display(description="E-mail")
    def email(self, row: RedeemedReward) -> SafeString:
        return self.customer_link(row, row.customer_email)

    @admin.display(description="Phone")
    def phone(self, row: RedeemedReward) -> SafeString:
        return show.text(row.customer_phone)

    @admin.display(description="Reward")
    def reward_with_code(self, row: RedeemedReward) -> SafeString:
        url = getattr(row, "page_url", "") or page.url_of(row.pk)
        return words.named(row, url=url, shop_url=getattr(row, "shop_url", ""))

    @admin.display(description="Status")
    def status_word(self, row: RedeemedReward) -> SafeString:
        return words.status_badge(row, row.status)  # type: ignore[attr-defined]

    def customer_link(self, row: RedeemedReward, text: str) -> SafeString:
        if not text:
            return show.dash()
        url = getattr(row, "customer_url", "")  # a page of the grid makes the addresses of all its rows at once
        return show.link(text, url) if url else self.link_to(Customer, row.customer_id, text)


@admin.register(RedeemedReward)
class RedeemedRewardAdmin(page.RewardPage, RedeemedRewardColumns):
    """Read-only: what staff change, they change by acts."""

    list_display = (
        "redeemed",
        "status_word",
        "used",
        "cost",
        "tax",
        "email",
        "phone",
        "reward_with_code",
        "kind",
        "first_name",
        "surname",
        "points_after",
        "delivery_word",
        "cashback",
        "used_or_not",
        "view",
    )
    list_display_links = ("redeemed",)
    always: ClassVar[tuple[str, ...]] = ("redeemed",)  # the column that names the row and leads to its page
    ordering = ("-redeemed_at", "-pk")
    # Column → the fields of its index, and whether the first may be empty. The status is derived, and has no order.
    sorts: ClassVar[dict[str, tuple[tuple[str, ...], bool]]] = {
        "redeemed": (("redeemed_at",), False),
        "used": (("used_at",), True),
        "cost": (("cost_in_points",), False),
        "tax": (("tax_value",), True),
        "email": (("customer_email",), False),
        "phone": (("customer_phone",), False),
        "reward_with_code": (("name",), False),
        "kind": (("type", "redeemed_at"), False),
        "first_name": (("customer_first_name",), False),
        "surname": (("customer_last_name",), False),
        "points_after": (("balance_after",), False),
        "delivery_word": (("delivery_status", "redeemed_at"), False),
        "cashback": (("cashback_status", "redeemed_at"), False),
        "used_or_not": (("usage_status", "redeemed_at"), False),
    }
    change_list_template = "admin/rewards/grid.html"
    filterset_class = RedeemedRewardFilter
    chips = (
        lists.Chip("Redeemed", "redeemed_after", "redeemed_before"),
        lists.Chip("Used", "used_after", "used_before"),
        lists.Chip("Unused / used", "usage"),
        lists.Chip("Status", "status"),
        lists.Chip("Type", "kind", "type"),
        lists.Chip("Reward", "reward"),
        lists.Chip("Delivery", "delivery_status"),
        lists.Chip("Cashback", "payout_state"),
        lists.Chip("Shop", "shop"),
        lists.Chip("Origin", "origin"),
        lists.Chip("Campaign", "campaign"),
        lists.Chip("Failure reason", "failure"),
    )
    acts = (
        acts.MarkUsed(),
        acts.MarkUnused(),
        payout.MarkPaid(),
        payout.MarkRefused(),
        acts.Ship(),
        acts.Deliver(),
        acts.CameBack(),
        acts.CancelDelivery(),
        acts.OrderAgain(),
        acts.Cancel(),
        acts.CancelUsed(),
        acts.ForceCancel(),
        acts.CheckAgain(),
        acts.Retry(),
        acts.Reissue(),
        acts.Extend(),
    )
    list_empty = "No reward has been redeemed or granted yet."

    def get_list_queryset(self, request: HttpRequest) -> QuerySet:
        """What filters read. The rows of one page are read by `shown`."""
        return queries.with_status(queries.visible(), now=timezone.now())

    def shown(self, rows: QuerySet) -> QuerySet:
        """What a row of the grid shows, for the few rows of one page."""
        return (
            queries.with_status(rows, now=timezone.now())
            .select_related("code", "connection")
            .defer(*UNSHOWN, "connection__credentials")
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[GridChangeList]:
        return GridChangeList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns this person chose."""
        return views.columns(request, every=self.list_display, always=self.always)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        named = views.drawn(request)
        shown = self.get_list_display(request)
        extra = {
            "views": named,
            "views_present": next((each["name"] for each in named if each["present"]), ""),
            "columns": [
                {"name": name, "label": COLUMN_NAMES.get(name) or getattr(self, name).short_description}
                | {"shown": name in shown, "fixed": name in self.always}
                for name in self.list_display
            ],
            "columns_chosen": len(shown) < len(self.list_display),
        }
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    def list_tools(self, request: HttpRequest) -> list[desk.Tool]:
        tools = [
            desk.Tool(label, reverse(f"admin:{export.URL_NAME}", args=(name,)) + lists.query(request))
            for name, label in (("csv", "Export CSV"), ("xlsx", "Export Excel"))
        ]
        if request.user.has_perm(parcels.DELIVER):
            tools.append(desk.Tool("Tracking numbers", reverse(f"admin:{parcels.TRACKING_URL_NAME}")))
        return tools

    def menu_links(self, request: HttpRequest) -> list[desk.Tool]:
        tools = [desk.Tool("Failed redemptions", reverse(f"admin:{FAILED_URL_NAME}"))]
        if request.user.has_perm(acts.Reissue.permission):
            tools.append(desk.Tool("Failed grants", reverse(f"admin:{failures.URL_NAME}")))
        return tools

    def get_urls(self) -> list[URLPattern]:
        own = [
            *views.urls(self),
            path("export/<slug:file_format>/", self.admin_site.admin_view(self.export_view), name=export.URL_NAME),
            path("failures/", self.admin_site.admin_view(self.failures_view), name=failures.URL_NAME),
            path("<int:pk>/usage/", self.admin_site.admin_view(self.usage_view), name=inline.URL_NAME),
            path("failed/", self.admin_site.admin_view(self.failed_view), name=FAILED_URL_NAME),
        ]
        return [*own, *super().get_urls()]

    def export_view(self, request: HttpRequest, file_format: str) -> HttpResponseBase:
        return export.view(request, model_admin=self, chips=self.chips, file_format=file_format)

    def failures_view(self, request: HttpRequest) -> HttpResponse:
        return failures.view(request, model_admin=self)

    def usage_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return inline.view(request, pk, model_admin=self)

    def failed_view(self, request: HttpRequest) -> HttpResponse:
        return FailedRedemptions(RedeemedReward, self.admin_site).changelist_view(request)

    @admin.display(description="Usage date and time")
    def used(self, row: RedeemedReward) -> SafeString:
        return show.instant(row.used_at)

    @admin.display(description="Tax value")
    def tax(self, row: RedeemedReward) -> SafeString:
        return show.money(row.tax_value, row.currency)

    @admin.display(description="Type")
    def kind(self, row: RedeemedReward) -> str:
        return row.get_type_display()

    @admin.display(description="First name")
    def first_name(self, row: RedeemedReward) -> SafeString:
        return show.clipped(row.customer_first_name)

    @admin.display(description="Surname")
    def surname(self, row: RedeemedReward) -> SafeString:
        return show.clipped(row.customer_last_name)

    @admin.display(description="Active points after")
    def points_after(self, row: RedeemedReward) -> SafeString:
        return show.points(row.balance_after)

    @admin.display(description="Delivery status")
    def delivery_word(self, row: RedeemedReward) -> SafeString:
        return words.delivery_badge(row)

    @admin.display(description="Cashback status")
    def cashback(self, row: RedeemedReward) -> SafeString:
        return words.cashback_badge(row)

    @admin.display(description="Unused / used")
    def used_or_not(self, row: RedeemedReward) -> SafeString:
        return inline.box(row)

    @admin.display(description="")
    def view(self, row: RedeemedReward) -> SafeString:
        """The reward's page, where the name and the address stand."""
        return format_html(
            '<a class="desk-eye" href="{}#address" aria-label="View {}" title="View with address"></a>',
            row.page_url,  # type: ignore[attr-defined]
            words.title(row),
        )


FAILED_URL_NAME = "rewards_redeemedreward_failed"


class FailedRedemptions(RedeemedRewardColumns):
    """Attempts to redeem that came to nothing, or whose outcome is not known yet. On no profile, in no grid."""

    list_display = ("redeemed", "status_word", "reason", "reward_with_code", "email", "phone", "cost")
    list_display_links = ("redeemed",)
    ordering = ("-redeemed_at", "-pk")
    filterset_class = RedeemedRewardFilter
    chips = (
        lists.Chip("Tried", "redeemed_after", "redeemed_before"),
        lists.Chip("Type", "type"),
        lists.Chip("Shop", "shop"),
    )
    list_noun = "failed redemptions"
    list_intro = "Redemptions that did not succeed. Nobody lost points, and the customers were told."
    list_empty = "No redemption has failed."

    def get_list_queryset(self, request: HttpRequest) -> QuerySet:
        rows = queries.with_status(queries.attempts(), now=timezone.now())
        return rows.select_related("code").defer(*UNSHOWN)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("rewards.view_redeemedreward")

    def get_preserved_filters(self, request: HttpRequest) -> Any:
        return ""

    @admin.display(description="Reason")
    def reason(self, row: RedeemedReward) -> SafeString:
        return show.clipped(row.failure_reason, wide=True)
