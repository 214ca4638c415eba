"""The catalogue: what the merchant offers, with its words and its price on one page."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.common.adminkit import desk, lists, show
from loyalty.common.errors import DomainError
from rewards import limits, offering, pricing
from rewards.admin import giving, pools, shared_code
from rewards.admin.catalogue_form import RewardFilter, RewardForm, TextForm
from rewards.admin.catalogue_price import PRICE_FIELDS
from rewards.models import CodePool, Combination, Reward, RewardStock, RewardText
from rewards.types import registry as types

# What those see who only look: words in the place of fields.
WORTH = (
    *("carries_code", "percent", "amount", "product_reference", "minimum_order", "only_for", "beside"),
    *("tax_value", "currency"),
)
WINDOWS = ("active_from", "active_until", "visible_from", "visible_until", "restricted")


class TextInline(admin.StackedInline):
    model = RewardText
    form = TextForm
    extra = 0
    min_num = 1
    verbose_name_plural = "What customers read"


@admin.register(Reward)
class RewardAdmin(desk.DeskAdmin):
    """Changes concern what is redeemed from now on: redeemed rewards keep copies of what was true then."""

    class Media:
        js = ("desk/catalogue.js",)

    form = RewardForm
    inlines = (TextInline,)
    change_form_template = "admin/rewards/reward/change_form.html"
    list_display = ("name", "on", "kind", "price", "worth", "left", "per_customer", "window", "shop")
    list_select_related = ("connection", "payout_account", "points_product", "pool")
    ordering = ("-enabled", "name", "pk")
    sortable_by = ()
    filterset_class = RewardFilter
    chips = (
        lists.Chip("State", "enabled"),
        lists.Chip("Type", "type"),
        lists.Chip("Kind", "kind"),
        lists.Chip("Category", "category"),
        lists.Chip("Shop", "connection"),
    )
    list_empty = "There is no reward yet. Add the first one; it starts switched off."
    fieldsets = (
        (None, {"fields": ("name", "type", "connection", "payout_account", "enabled", "featured")}),
        (
            "Value",
            {
                "fields": (
                    "carries_code",
                    "percent",
                    "amount",
                    "product_reference",
                    "minimum_order",
                    "collections",
                    "combines_with",
                    "tax_value",
                    "currency",
                )
            },
        ),
        ("Cost", {"fields": ("cost", *PRICE_FIELDS)}),
        ("Code", {"fields": ("prefix", "days_inactive", "days_valid")}),
        (
            "Availability",
            {
                "fields": (
                    "active_from",
                    "active_until",
                    "visible_from",
                    "visible_until",
                    "restricted",
                    "tiers",
                    "audience",
                )
            },
        ),
        (
            "Limits",
            {
                "fields": (
                    "limit_total",
                    "limit_per_customer",
                    "limit_per_period",
                    "period",
                    "liability_limit",
                    "daily_limit",
                )
            },
        ),
        ("Categories and labels", {"fields": ("shelves", "labels")}),
        ("Image and link", {"fields": ("image_url", "action_url")}),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/shared-code/", view(self.shared_code_view), name=shared_code.URL_NAME),
            path("<int:pk>/give/", view(self.give_view), name=giving.URL_NAME),
            *super().get_urls(),
        ]

    def give_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return giving.view(request, model_admin=self, reward=self.seen_reward(request, pk))

    def shared_code_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return shared_code.view(request, model_admin=self, reward=self.seen_reward(request, pk))

    def seen_reward(self, request: HttpRequest, pk: int) -> Reward:
        """A reward this person may look at."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = Reward.objects.select_related("connection", "shared_code").filter(pk=pk).first()
        if found is None:
            raise Http404(f"There is no reward {pk}.")
        return found

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"tools": self.page_tools(request, object_id), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def page_tools(self, request: HttpRequest, object_id: str) -> list[desk.Tool]:
        """Buttons above the form of a reward."""
        reward = self.get_object(request, object_id)
        tools: list[desk.Tool] = []
        if reward is None:
            return tools
        if reward.enabled and giving.may_give(request):
            tools.append(desk.Tool("Give to a customer", reverse(f"admin:{giving.URL_NAME}", args=(reward.pk,))))
        if types.type_of(reward.type).carries_code(reward):
            code = f": {reward.shared_code.code}" if reward.shared_code is not None else ""
            tools.append(desk.Tool(f"Shared code{code}", reverse(f"admin:{shared_code.URL_NAME}", args=(reward.pk,))))
        return tools

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rewards are switched off, not deleted: what was redeemed points at them."""
        return False

    def get_list_queryset(self, request: HttpRequest) -> QuerySet:
        stock = RewardStock.objects.filter(reward=OuterRef("pk")).order_by().values("reward")
        rows: QuerySet[Reward] = super().get_list_queryset(request)
        rows = pools.with_free(rows, CodePool.objects.values_list("pk", flat=True))
        return rows.annotate(pieces=Subquery(stock.annotate(sum=Sum("left")).values("sum")))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Shops and payout accounts are connected on their own pages, not from here."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in ("connection", "payout_account") and field is not None:
            widget: Any = field.widget
            widget.can_add_related = widget.can_change_related = widget.can_view_related = False
        return field

    def get_fieldsets(self, request: HttpRequest, obj: Reward | None = None) -> Any:
        """A new reward starts switched off, so there is nothing to switch yet; who only looks sees the price as text."""
        if obj is None:
            return (
                (None, {"fields": ("name", "type", "connection", "payout_account", "featured")}),
                *self.fieldsets[1:],
            )
        if self.has_change_permission(request, obj):
            return self.fieldsets
        shown = {"Cost": ("price",), "Categories and labels": ("labels",), "Availability": WINDOWS, "Value": WORTH}
        return tuple(
            (title, {"fields": shown[str(title)]} if title in shown else rest) for title, rest in self.fieldsets
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Reward | None = None) -> Any:
        looks = obj is not None and not self.has_change_permission(request, obj)
        return ("price", "only_for", "beside") if looks else ()

    def save_model(self, request: HttpRequest, obj: Reward, form: Any, change: bool) -> None:  # noqa: FBT001
        """All but the total, which moves the stock with it and is therefore the domain's to change."""
        wanted = obj.limit_total
        obj.limit_total = form.initial.get("limit_total") if change else None
        super().save_model(request, obj, form, change)
        offering.set_price(reward_id=obj.pk, price=form.price(), now=timezone.now())
        offering.set_audience(reward_id=obj.pk, customer_ids=form.customer_ids)
        offering.set_tiers(reward_id=obj.pk, tier_ids=form.tier_ids())
        offering.set_categories(reward_id=obj.pk, names=form.category_names())
        if wanted == obj.limit_total:
            return
        try:
            limits.set_total(reward_id=obj.pk, limit=wanted, now=timezone.now())
        except DomainError as refusal:
            messages.error(request, f"{refusal.sentence} Everything else was saved.")
        else:
            obj.limit_total = wanted

    @admin.display(description="State")
    def on(self, reward: Reward) -> SafeString:
        return show.badge("On", tone="good") if reward.enabled else show.badge("Off", tone="quiet")

    @admin.display(description="Type")
    def kind(self, reward: Reward) -> str:
        return reward.get_type_display()

    @admin.display(description="Cost in points")
    def price(self, reward: Reward) -> SafeString:
        product = getattr(reward, "points_product", None)
        if product is None:
            return show.text("Only granted")
        least = show.points(pricing.least_points(product))
        return format_html("from {}", least) if pricing.steps_of(product) is not None else least

    @admin.display(description="Worth")
    def worth(self, reward: Reward) -> SafeString:
        if reward.product_reference:
            return show.clipped(reward.product_reference)
        if reward.percent is not None:
            return format_html("{} %", f"{reward.percent.normalize():f}")
        product = getattr(reward, "points_product", None)
        steps = pricing.steps_of(product) if product is not None else None
        if steps is not None:
            value, points = show.money_text(steps.worth(steps.step), reward.currency), show.points_text(steps.step)
            return format_html("{} per {} points", value, points)
        return show.money(reward.amount, reward.currency)

    @admin.display(description="Only for these collections")
    def only_for(self, reward: Reward) -> SafeString:
        return show.text(", ".join(name for _, name in reward.collections))

    @admin.display(description="May be combined with")
    def beside(self, reward: Reward) -> SafeString:
        return show.text(", ".join(str(Combination(each).label) for each in reward.combines_with))

    @admin.display(description="Left")
    def left(self, reward: Any) -> SafeString:
        codes = pools.catalogue_cell(reward)
        if reward.limit_total is None:
            return codes or show.dash()
        return format_html("{} {}", self.pieces(reward), codes) if codes else self.pieces(reward)

    def pieces(self, reward: Any) -> SafeString:
        left = reward.pieces or 0
        if not left:
            return show.badge("Sold out", tone="warn")
        return format_html(
            '<span class="desk-number">{} <span class="desk-unit">of {}</span></span>',
            show.points_text(left),
            show.points_text(reward.limit_total),
        )

    @admin.display(description="Per customer")
    def per_customer(self, reward: Reward) -> SafeString:
        return show.points(reward.limit_per_customer)

    @admin.display(description="Available")
    def window(self, reward: Reward) -> str:
        start, end = reward.active_from, reward.active_until
        if start is None and end is None:
            return "Always"
        return " ".join(
            part
            for part in (
                f"from {show.instant_text(start)}" if start else "",
                f"until {show.instant_text(end)}" if end else "",
            )
            if part
        )

    @admin.display(description="Shop")
    def shop(self, reward: Reward) -> SafeString:
        where = reward.connection or reward.payout_account
        return show.text(where.name) if where is not None else show.dash()
