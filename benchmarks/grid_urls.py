"""Our admin and, beside it, a site with a stock ModelAdmin of redeemed rewards: the addresses of bench_grid.py."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.urls import path

from loyalty.urls import urlpatterns as ours
from rewards.models import RedeemedReward


class Stock(admin.ModelAdmin):
    """The columns, filters and search of the grid, and nothing else.

    No filter in the side bar by failure reason: the stock one reads the whole table for each page. It is asked for by
    its address.
    """

    list_display = (
        "redeemed_at",
        "used_at",
        "cost_in_points",
        "tax_value",
        "customer_email",
        "customer_phone",
        "reward_with_code",
        "type",
        "customer_first_name",
        "customer_last_name",
        "balance_after",
        "delivery_status",
        "cashback",
        "usage_status",
        "fulfillment_status",
        "pk",
    )
    list_filter = (
        "redeemed_at",
        "used_at",
        "usage_status",
        "fulfillment_status",
        "type",
        "reward",
        "delivery_status",
        "connection",
        "origin",
    )
    search_fields = (
        "customer__email",
        "customer__phone",
        "customer__first_name",
        "customer__last_name",
        "code__code",
    )
    list_select_related = ("code",)
    ordering = ("-redeemed_at",)
    list_per_page = 50

    @admin.display(description="Reward")
    def reward_with_code(self, row: RedeemedReward) -> str:
        return f"{row.name} ({row.code.code})" if row.code else row.name

    @admin.display(description="Cashback status")
    def cashback(self, row: RedeemedReward) -> str:
        return "-"

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "failure_code__exact" or super().lookup_allowed(lookup, value, request)


stock = AdminSite(name="stock")
stock.register(RedeemedReward, Stock)
urlpatterns = [path("stock/", stock.urls), *ours]
