"""One reward one customer got, redeemed or granted."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models import PointsHold, PointsTransaction
from platforms.models import StoreConnection
from rewards.models.code import RewardCode
from rewards.models.price import PointsProduct
from rewards.models.reward import Reward
from rewards.models.reward_type import RewardType, reward_types


class Origin(models.TextChoices):
    REDEMPTION = "redemption", "Redeemed for points"
    STAFF = "staff", "Granted by staff"
    API = "api", "Granted by an integrator"
    PROGRAMME = "programme", "Granted by the programme"


class FulfillmentStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    ISSUED = "issued", "Issued"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled"


class UsageStatus(models.TextChoices):
    UNUSED = "unused", "Unused"
    USED = "used", "Used"
    UNTRACKED = "untracked", "Untracked"


class DeliveryStatus(models.TextChoices):
    NONE = "", "–"
    ORDERED = "ordered", "Ordered"
    SHIPPED = "shipped", "Shipped"
    DELIVERED = "delivered", "Delivered"
    CANCELLED = "cancelled", "Canceled"


# Issued, not used as far as anybody knows, and with an end.
HELD = Q(
    on_profile=True,
    fulfillment_status="issued",
    usage_status__in=["unused", "untracked"],
    expires_at__isnull=False,
)


class RedeemedReward(models.Model):
    """The three stored axes, and copies of what was true when it was redeemed.

    `rewards.lifecycle` alone writes a status. `on_profile` is false for a redemption that has not succeeded (yet):
    an attempt, which stands in no grid, no tab, no limit and no API list, only in front of staff who look for it.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="redeemed_rewards", db_index=False)
    reward = models.ForeignKey(Reward, on_delete=models.PROTECT, related_name="redeemed_rewards", db_index=False)
    points_product = models.ForeignKey(PointsProduct, null=True, on_delete=models.SET_NULL, db_index=False)
    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    code = models.ForeignKey(RewardCode, null=True, on_delete=models.PROTECT, related_name="redeemed_rewards")
    hold = models.OneToOneField(PointsHold, null=True, on_delete=models.PROTECT, related_name="redeemed_reward")
    debit = models.OneToOneField(PointsTransaction, null=True, on_delete=models.PROTECT, related_name="redeemed_reward")
    reissue_of = models.ForeignKey(  # the one that failed, or whose code was spent for nothing
        "self", null=True, on_delete=models.PROTECT, related_name="reissues", db_index=False
    )
    origin = models.CharField(max_length=12, choices=Origin)
    on_profile = models.BooleanField()
    takes_place = models.BooleanField(default=True)  # counts in limits and stock until cancelled or failed
    idempotency_key = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001 (null: none given)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)

    # The axes.
    fulfillment_status = models.CharField(max_length=10, choices=FulfillmentStatus)
    usage_status = models.CharField(max_length=10, choices=UsageStatus)
    delivery_status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.NONE, blank=True)
    # What the payout provider said last: "0: INIT: INIT", "1: SUCCESS", "2: code: message"; empty for other types.
    cashback_status = models.CharField(max_length=180, blank=True, default="", db_default="")
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.CharField(max_length=500, blank=True)  # a sentence for staff

    # When.
    redeemed_at = models.DateTimeField()
    issued_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    used_order_id = models.CharField(max_length=120, blank=True)  # the shop's id of the order that used it
    cancelled_at = models.DateTimeField(null=True)
    starts_at = models.DateTimeField(null=True)  # until then it cannot be used; empty: from the start
    expires_at = models.DateTimeField(null=True)  # exclusive
    expiring_told = models.DateTimeField(null=True)  # the end that was told of ahead
    expired_told = models.DateTimeField(null=True)  # the end that was told of when it was over
    updated_at = models.DateTimeField()

    # Copies, never rewritten (but overwritten when the person is anonymised).
    name = models.CharField("reward", max_length=160)
    type = models.CharField(max_length=24, choices=reward_types)
    cost_in_points = models.PositiveIntegerField()
    tax_value = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    currency = models.CharField(max_length=3)
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    remaining = models.DecimalField(max_digits=12, decimal_places=2, null=True)  # of a value code; no copy: it falls
    product_reference = models.CharField(max_length=120, blank=True, default="", db_default="")
    minimum_order = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    collections = ArrayField(
        ArrayField(models.CharField(max_length=120), size=2), default=list, db_default=[], blank=True, size=20
    )
    combines_with = ArrayField(models.CharField(max_length=10), default=list, db_default=[], blank=True, size=3)
    usage_instructions = models.TextField(blank=True)
    terms = models.TextField(blank=True)
    image_url = models.CharField(max_length=300, blank=True)
    action_text = models.CharField(max_length=60, blank=True)
    action_url = models.CharField(max_length=300, blank=True)
    brand = models.CharField(max_length=80, blank=True, default="", db_default="")
    balance_after = models.PositiveIntegerField("active points after")  # spendable, right after redeeming
    customer_email = models.CharField("e-mail", max_length=254, blank=True)
    customer_phone = models.CharField("phone", max_length=32, blank=True)
    customer_first_name = models.CharField("first name", max_length=80, blank=True)
    customer_last_name = models.CharField("surname", max_length=80, blank=True)
    shipping_address = models.JSONField(null=True)
    internal_note = models.CharField(max_length=1000, blank=True)  # of the staff member who granted it

    class Meta:
        verbose_name = "redeemed reward"
        permissions = [
            ("mark_used", "Can mark redeemed rewards used"),
            ("mark_unused", "Can mark redeemed rewards unused"),
            ("cancel_redeemedreward", "Can cancel redeemed rewards"),
            ("cancel_used_redeemedreward", "Can cancel rewards that were used"),
            ("reissue_redeemedreward", "Can reissue rewards that failed"),
            ("extend_redeemedreward", "Can extend rewards that expired"),
            ("deliver_redeemedreward", "Can manage deliveries"),
            ("grant_reward", "Can grant rewards"),
            ("redeem_for_customer", "Can redeem rewards with the points of customers"),
            ("view_address", "Can see shipping addresses"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(fulfillment_status__in=["pending", "issued", "failed", "cancelled"]),
                name="redeemed_fulfillment_known",
            ),
            models.CheckConstraint(
                condition=Q(usage_status__in=["unused", "used", "untracked"]), name="redeemed_usage_known"
            ),
            models.CheckConstraint(
                condition=Q(delivery_status__in=["", "ordered", "shipped", "delivered", "cancelled"]),
                name="redeemed_delivery_known",
            ),
            models.CheckConstraint(
                condition=Q(usage_status="used", used_at__isnull=False)
                | (~Q(usage_status="used") & Q(used_at__isnull=True)),
                name="redeemed_used_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(usage_status="used") | Q(fulfillment_status__in=["issued", "cancelled"]),
                name="redeemed_used_was_issued",
            ),
            models.CheckConstraint(
                condition=Q(used_at__isnull=True) | Q(used_at__gte=F("redeemed_at")), name="redeemed_used_after_redeem"
            ),
            models.CheckConstraint(
                condition=Q(fulfillment_status__in=["pending", "failed"])
                | Q(issued_at__isnull=False)
                | Q(fulfillment_status="cancelled"),
                name="redeemed_issued_has_time",
            ),
            models.CheckConstraint(
                condition=Q(fulfillment_status="cancelled", cancelled_at__isnull=False)
                | (~Q(fulfillment_status="cancelled") & Q(cancelled_at__isnull=True)),
                name="redeemed_cancelled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(on_profile=True) | Q(origin="redemption", fulfillment_status__in=["pending", "failed"]),
                name="redeemed_only_attempts_off_profile",
            ),
            models.CheckConstraint(
                condition=~Q(origin="redemption", fulfillment_status__in=["pending", "failed"])
                | Q(on_profile=False)
                | Q(type="cashback", fulfillment_status="failed", issued_at__isnull=False),  # it failed on its way
                name="redeemed_attempts_off_profile",
            ),
            models.CheckConstraint(
                condition=Q(fulfillment_status__in=["pending", "issued"]) | Q(takes_place=False),
                name="redeemed_place_freed",
            ),
            models.CheckConstraint(
                condition=~Q(origin="redemption", fulfillment_status="issued")
                | Q(debit__isnull=False)
                | Q(cost_in_points=0),
                name="redeemed_issued_was_paid",
            ),
            models.CheckConstraint(
                condition=Q(delivery_status="") | Q(fulfillment_status__in=["issued", "cancelled"]),
                name="redeemed_delivery_after_issue",
            ),
            models.CheckConstraint(
                condition=~Q(delivery_status__in=["shipped", "delivered"]) | Q(type="gift"),
                name="redeemed_only_gifts_travel",
            ),
            models.UniqueConstraint(
                fields=["reissue_of"], condition=Q(reissue_of__isnull=False), name="redeemed_reissued_once"
            ),
            models.CheckConstraint(
                condition=Q(reissue_of__isnull=True) | ~Q(reissue_of=F("id")), name="redeemed_no_reissue_of_itself"
            ),
            models.CheckConstraint(
                condition=Q(reissue_of__isnull=True) | Q(cost_in_points=0), name="redeemed_reissue_costs_nothing"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(expires_at__isnull=True) | Q(expires_at__gt=F("starts_at")),
                name="redeemed_validity_in_order",
            ),
            models.CheckConstraint(
                condition=~Q(type="gift_card") | Q(usage_status="untracked"), name="redeemed_gift_cards_untracked"
            ),
            models.CheckConstraint(
                condition=Q(type="value_code", remaining__isnull=False, remaining__gte=0, remaining__lte=F("amount"))
                | (~Q(type="value_code") & Q(remaining__isnull=True)),
                name="redeemed_remaining_fits_type",
            ),
            models.CheckConstraint(
                condition=~Q(type__in=["gift_card", "value_code", "cashback"]) | Q(amount__gt=0, amount__isnull=False),
                name="redeemed_money_has_amount",
            ),
            models.CheckConstraint(
                condition=Q(cashback_status="") | Q(type="cashback"), name="redeemed_only_cashback_is_paid_out"
            ),
            models.CheckConstraint(
                condition=~Q(type="cashback") | Q(usage_status="untracked"), name="redeemed_cashback_untracked"
            ),
            models.CheckConstraint(
                condition=Q(remaining__isnull=True) | Q(remaining__gt=0) | ~Q(usage_status="unused"),
                name="redeemed_empty_value_code_is_used",
            ),
        ]
        indexes = [
            models.Index(fields=["redeemed_at", "id"], name="redeemed_at", condition=Q(on_profile=True)),
            models.Index(
                F("used_at").desc(nulls_last=True),
                F("id").desc(),
                name="redeemed_used_at",
                condition=Q(on_profile=True),
            ),
            models.Index(
                fields=["usage_status", "redeemed_at", "id"], name="redeemed_usage", condition=Q(on_profile=True)
            ),
            models.Index(fields=["type", "redeemed_at", "id"], name="redeemed_type", condition=Q(on_profile=True)),
            models.Index(
                fields=["delivery_status", "redeemed_at", "id"],
                name="redeemed_delivery",
                condition=Q(on_profile=True),
            ),
            models.Index(
                fields=["cashback_status", "redeemed_at", "id"],
                name="redeemed_cashback",
                condition=Q(on_profile=True),
            ),
            models.Index(
                fields=["redeemed_at", "id"],
                name="redeemed_open",
                condition=Q(fulfillment_status__in=["pending", "failed"]),
            ),
            models.Index(
                fields=["redeemed_at", "id"],
                name="redeemed_cancelled",
                condition=Q(fulfillment_status="cancelled"),
            ),
            models.Index(
                fields=["origin", "redeemed_at", "id"],
                include=["connection"],
                name="redeemed_granted",
                condition=Q(on_profile=True) & ~Q(origin="redemption"),
            ),
            models.Index(
                fields=["failure_code", "redeemed_at", "id"],
                name="redeemed_failure",
                condition=~Q(failure_code=""),
            ),
            # Filters by what there may be few rows of, and the columns that staff sort by.
            models.Index(
                fields=["connection", "redeemed_at", "id"], name="redeemed_shop", condition=Q(on_profile=True)
            ),
            # What a shop keeps waiting, and what failed there lately.
            models.Index(
                fields=["connection", "redeemed_at", "id"],
                include=["on_profile"],
                name="redeemed_pending_in_shop",
                condition=Q(fulfillment_status="pending"),
            ),
            models.Index(
                fields=["connection", "redeemed_at", "id"],
                include=["failure_code", "on_profile"],
                name="redeemed_failed_in_shop",
                condition=Q(fulfillment_status="failed"),
            ),
            models.Index(
                fields=["reward", "redeemed_at", "id"], name="redeemed_of_reward", condition=Q(on_profile=True)
            ),
            models.Index(fields=["cost_in_points", "id"], name="redeemed_by_cost", condition=Q(on_profile=True)),
            models.Index(
                F("tax_value").desc(nulls_last=True),
                F("id").desc(),
                name="redeemed_by_tax",
                condition=Q(on_profile=True),
            ),
            models.Index(fields=["customer_email", "id"], name="redeemed_by_email", condition=Q(on_profile=True)),
            models.Index(fields=["customer_phone", "id"], name="redeemed_by_phone", condition=Q(on_profile=True)),
            models.Index(fields=["name", "id"], name="redeemed_by_name", condition=Q(on_profile=True)),
            models.Index(
                fields=["customer_first_name", "id"], name="redeemed_by_first_name", condition=Q(on_profile=True)
            ),
            models.Index(fields=["customer_last_name", "id"], name="redeemed_by_surname", condition=Q(on_profile=True)),
            models.Index(fields=["balance_after", "id"], name="redeemed_by_balance", condition=Q(on_profile=True)),
            models.Index(fields=["customer", "redeemed_at", "id"], include=["on_profile"], name="redeemed_customer"),
            models.Index(fields=["reward", "customer"], name="redeemed_reward", condition=Q(takes_place=True)),
            models.Index(
                fields=["reward", "expires_at"],
                name="redeemed_outstanding",
                condition=Q(takes_place=True, usage_status__in=["unused", "untracked"])
                & (Q(amount__isnull=False) | Q(tax_value__isnull=False)),
            ),
            # The ends that nobody was told of yet, soonest first.
            models.Index(
                fields=["expires_at", "id"],
                name="redeemed_expired_untold",
                condition=HELD & (Q(expired_told__isnull=True) | Q(expired_told__lt=F("expires_at"))),
            ),
            models.Index(
                fields=["expires_at", "id"],
                name="redeemed_expiring_untold",
                condition=HELD & (Q(expiring_told__isnull=True) | Q(expiring_told__lt=F("expires_at"))),
            ),
            models.Index(fields=["updated_at", "id"], name="redeemed_updated"),
            models.Index(fields=["connection", "used_order_id"], name="redeemed_order", condition=~Q(used_order_id="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_gift(self) -> bool:
        return self.type == RewardType.GIFT

    @property
    def sure_code(self) -> str:
        """The text of its code, read with it; empty without one, and while a shop may still make up another."""
        if self.code is None or (self.code.bulk_reference and self.fulfillment_status == FulfillmentStatus.PENDING):
            return ""
        return self.code.code

    @property
    def reference(self) -> str:
        """Our own name for it in a shop: how we recognise a code as ours."""
        return f"rr-{self.pk}"
