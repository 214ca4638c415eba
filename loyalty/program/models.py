"""What customers do in shops: orders, the codes they carried, what was refunded."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.program.earning.models import Activity, EarningAward, EarningRule
from loyalty.program.referrals.models import Referral, ReferralLink, ReferralSettings
from loyalty.program.tiers.models import (
    TierEntry,
    TierEntryReward,
    TierRules,
    TierStanding,
    TierTerms,
    VipTierChange,
    VipTierChangeNote,
)
from platforms.adapter import PaymentState as ShopPaymentState
from platforms.models import StoreConnection

__all__ = [
    "Activity",
    "EarningAward",
    "EarningRule",
    "Order",
    "OrderCode",
    "OrderItem",
    "OrderRefund",
    "OrderStatus",
    "PaymentState",
    "Referral",
    "ReferralLink",
    "ReferralSettings",
    "TierEntry",
    "TierEntryReward",
    "TierRules",
    "TierStanding",
    "TierTerms",
    "VipTierChange",
    "VipTierChangeNote",
]


class OrderStatus(models.TextChoices):
    PLACED = "placed", "Placed"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Canceled"


class PaymentState(models.TextChoices):
    """What became of the money, as far as the shop says; empty when it does not."""

    UNKNOWN = ShopPaymentState.UNKNOWN, "Unknown"
    PENDING = ShopPaymentState.PENDING, "Not paid yet"
    AUTHORIZED = ShopPaymentState.AUTHORIZED, "Authorized"
    PAID = ShopPaymentState.PAID, "Paid"
    PARTIALLY_REFUNDED = ShopPaymentState.PARTIALLY_REFUNDED, "Partly refunded"
    REFUNDED = ShopPaymentState.REFUNDED, "Refunded"
    VOIDED = ShopPaymentState.VOIDED, "Voided"


class Order(models.Model):
    """An order as its shop last told it. `changed_at` is the shop's clock: older news never overwrites newer.

    `total` is what the customer pays, after discounts, with tax and shipping. Null parts are those the shop does not tell.
    """

    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    external_id = models.CharField(max_length=120)
    number = models.CharField(max_length=60, blank=True)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="orders", db_index=False)
    status = models.CharField(max_length=10, choices=OrderStatus)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    refunded = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    rewardable_total = models.DecimalField(max_digits=12, decimal_places=2, null=True)  # where the shop decides it
    tax = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    shipping = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    discounts = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    payment_state = models.CharField(
        max_length=20, choices=PaymentState, default=PaymentState.UNKNOWN, db_default="", blank=True
    )
    currency = models.CharField(max_length=3)
    placed_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "external_id"], nulls_distinct=False, name="order_unique_in_connection"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0) & Q(refunded__lte=F("total")), name="order_refunded_in_range"
            ),
            models.CheckConstraint(
                condition=Q(rewardable_total__isnull=True)
                | Q(rewardable_total__gte=0, rewardable_total__lte=F("total")),
                name="order_rewardable_in_range",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "placed_at", "id"], name="order_customer"),
            models.Index(fields=["placed_at", "id"], name="order_placed"),
        ]

    def __str__(self) -> str:
        return self.number or self.external_id


class OrderItem(models.Model):
    """One line of an order. `amount` is what was paid for all its pieces, with tax; null is what the shop does not say."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="items", db_index=False)
    position = models.PositiveSmallIntegerField()
    product = models.CharField(max_length=120)  # as the shop names it
    categories = ArrayField(models.CharField(max_length=120), default=list, null=True)
    quantity = models.PositiveIntegerField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    tax = models.DecimalField(max_digits=12, decimal_places=2, null=True)  # of the amount

    class Meta:
        verbose_name = "item of an order"
        verbose_name_plural = "items of orders"
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_item_position"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="order_item_amount_not_negative"),
            models.CheckConstraint(condition=Q(tax__gte=0, tax__lte=F("amount")), name="order_item_tax_in_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"


class OrderCode(models.Model):
    """A code that took effect on an order, ours or not."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="codes")
    canonical = models.CharField(max_length=60)
    remote_id = models.CharField(max_length=120, blank=True)
    discount = models.DecimalField(max_digits=12, decimal_places=2, null=True)

    class Meta:
        verbose_name = "code on an order"
        constraints = [
            models.UniqueConstraint(fields=["order", "canonical"], name="order_code_once"),
        ]
        indexes = [models.Index(fields=["canonical"], name="order_code")]

    def __str__(self) -> str:
        return self.canonical


class OrderRefund(models.Model):
    """Money the shop gave back on an order."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="refunds")
    external_id = models.CharField(max_length=120)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    refunded_at = models.DateTimeField()

    class Meta:
        verbose_name = "refund"
        constraints = [
            models.UniqueConstraint(fields=["order", "external_id"], name="order_refund_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="order_refund_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.amount}"
