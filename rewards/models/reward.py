"""What the merchant offers: the reward, its words, its price, and how many there are."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer, Tier
from platforms.models import PayoutAccount, StoreConnection
from rewards.models.reward_type import RewardType, reward_types

MOST_DAYS = 36_500  # a century: more is a slip of the keyboard, and dates end
OF_AN_AMOUNT = [RewardType.DISCOUNT_CODE, RewardType.VALUE_CODE, RewardType.GIFT_CARD, RewardType.CASHBACK]
CODES_OF_MONEY = [RewardType.VALUE_CODE, RewardType.GIFT_CARD]
MADE_IN_SHOPS = [
    RewardType.PERCENTAGE_DISCOUNT,
    RewardType.DISCOUNT_CODE,
    RewardType.FREE_DELIVERY,
    RewardType.FREE_PRODUCT,
    RewardType.GIFT_CARD,
]


class Period(models.TextChoices):
    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"


class Combination(models.TextChoices):
    """Other discounts that a code may be used beside; the values are those of `platforms.adapter.CombinesWith`."""

    PRODUCT = "product", "Product discounts"
    ORDER = "order", "Order discounts"
    SHIPPING = "shipping", "Shipping discounts"


class RewardCategory(models.Model):
    """A shelf of the catalogue."""

    name = models.CharField(max_length=60, unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Lower ones come first.")

    class Meta:
        verbose_name = "category"
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Reward(models.Model):
    """One offer. Type, value and terms are copied onto what is redeemed, so changing them never rewrites the past."""

    name = models.CharField("name for staff", max_length=120)
    type = models.CharField(max_length=24, choices=reward_types)
    connection = models.ForeignKey(
        StoreConnection,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        verbose_name="shop",
        help_text="The shop that takes the code. Empty: a code or gift that no shop knows.",
    )
    payout_account = models.ForeignKey(
        PayoutAccount,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="Who sends the money of a cashback.",
    )
    percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01), MaxValueValidator(100)],
        help_text="What a percentage discount takes off.",
    )
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01)],
        help_text="What it is worth, in the shop's currency. Bought for a variable cost it is worth what its points "
        "buy; then this is what one is worth that staff give away.",
    )
    product_reference = models.CharField(
        "product",
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="The product that is free: its id or SKU, as the shop names it.",
    )
    carries_code = models.BooleanField(
        "comes with a printed coupon",
        default=False,
        db_default=False,
        help_text="A code in the parcel that takes off a percentage or an amount. Use and delivery are both followed.",
    )
    minimum_order = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0.01)]
    )
    collections = ArrayField(  # [as the shop names it, as customers read it]
        ArrayField(models.CharField(max_length=120), size=2), default=list, db_default=[], blank=True, size=20
    )
    combines_with = ArrayField(
        models.CharField(max_length=10, choices=Combination), default=list, db_default=[], blank=True, size=3
    )
    tax_value = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    currency = models.CharField(max_length=3, default="USD")
    prefix = models.CharField(
        max_length=8,
        blank=True,
        validators=[RegexValidator("^[A-Z0-9]*$", "Only capital letters and digits.")],
        help_text="Codes start with it, as in SUMMER-7KQ2M9XWPB. For codes made from now on.",
    )
    shared_code = models.ForeignKey(  # what everybody gets who has it from now on; empty: codes of their own
        "rewards.RewardCode",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    days_inactive = models.PositiveIntegerField(
        default=0,
        db_default=0,
        blank=True,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text="Days before a code can be used; it begins with the day. Empty: at once.",
    )
    days_valid = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text="Days a code lives once it can be used; it dies at the end of the day. Empty: for ever.",
    )
    active_from = models.DateTimeField(null=True, blank=True)
    active_until = models.DateTimeField(null=True, blank=True)
    visible_from = models.DateTimeField(
        null=True, blank=True, help_text="Customers see it in this time. Both empty: while it can be redeemed."
    )
    visible_until = models.DateTimeField(null=True, blank=True)
    limit_total = models.PositiveIntegerField(null=True, blank=True, help_text="How many there are. Empty: no limit.")
    limit_per_customer = models.PositiveIntegerField(null=True, blank=True)
    limit_per_period = models.PositiveIntegerField(
        "limit per customer and period", null=True, blank=True, help_text="How many a customer gets in one period."
    )
    period = models.CharField(
        max_length=5, choices=Period, blank=True, default="", db_default="", help_text="In the programme's time zone."
    )
    liability_limit = models.DecimalField(
        "limit of value outstanding",
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="The most that rewards may be worth together that customers have and have not used.",
    )
    daily_limit = models.DecimalField(
        "limit of money a day",
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="The most that this cashback pays out in a day of the programme's time zone. Empty: no limit.",
    )
    restricted = models.BooleanField(
        "only for some customers",
        default=False,
        db_default=False,
        help_text="For those in the tiers below and those on the list. Nobody else sees or redeems it; staff may give "
        "it to anybody.",
    )
    categories = models.ManyToManyField(RewardCategory, blank=True, related_name="rewards")
    labels = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=[],
        blank=True,
        size=20,
        help_text="Words of your own, separated by commas.",
    )
    image_url = models.CharField(max_length=300, blank=True)
    action_url = models.URLField(max_length=300, blank=True)
    enabled = models.BooleanField(default=False, help_text="A new reward starts switched off.")
    featured = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(type="percentage_discount", percent__isnull=False)
                | Q(type="gift", carries_code=True)
                | (~Q(type="percentage_discount") & Q(percent__isnull=True)),
                name="reward_percent_fits_type",
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(type__in=OF_AN_AMOUNT) | Q(type="gift", carries_code=True),
                name="reward_amount_fits_type",
            ),
            models.CheckConstraint(
                condition=Q(carries_code=False)
                | Q(type="gift", percent__isnull=False, amount__isnull=True)
                | Q(type="gift", percent__isnull=True, amount__isnull=False),
                name="reward_coupon_in_gift_has_one_value",
            ),
            models.CheckConstraint(
                condition=Q(type="free_product", connection__isnull=False) & ~Q(product_reference="")
                | (~Q(type="free_product") & Q(product_reference="")),
                name="reward_product_fits_type",
            ),
            models.CheckConstraint(
                condition=~Q(type="custom") | ~Q(action_url=""), name="reward_custom_leads_somewhere"
            ),
            models.CheckConstraint(
                condition=Q(connection__isnull=True) | Q(type__in=MADE_IN_SHOPS) | Q(type="gift", carries_code=True),
                name="reward_shop_fits_type",
            ),
            models.CheckConstraint(
                condition=Q(percent__isnull=True) | (Q(percent__gt=0) & Q(percent__lte=100)),
                name="reward_percent_in_range",
            ),
            models.CheckConstraint(condition=Q(amount__isnull=True) | Q(amount__gt=0), name="reward_amount_positive"),
            models.CheckConstraint(
                condition=Q(active_from__isnull=True)
                | Q(active_until__isnull=True)
                | Q(active_until__gt=F("active_from")),
                name="reward_window_in_order",
            ),
            models.CheckConstraint(
                condition=Q(visible_from__isnull=True)
                | Q(visible_until__isnull=True)
                | Q(visible_until__gt=F("visible_from")),
                name="reward_visibility_in_order",
            ),
            models.CheckConstraint(
                condition=Q(limit_per_period__isnull=True, period="")
                | Q(limit_per_period__isnull=False, period__in=["day", "week", "month"]),
                name="reward_limit_has_its_period",
            ),
            models.CheckConstraint(
                condition=Q(liability_limit__isnull=True) | Q(liability_limit__gte=0),
                name="reward_liability_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(shared_code__isnull=True) | ~Q(type__in=CODES_OF_MONEY),
                name="reward_shares_no_code_that_is_money",
            ),
            models.CheckConstraint(
                condition=Q(combines_with__contained_by=["product", "order", "shipping"]),
                name="reward_combinations_known",
            ),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="reward_currency_code"),
            models.CheckConstraint(
                condition=Q(type="cashback", payout_account__isnull=False)
                | (~Q(type="cashback") & Q(payout_account__isnull=True, daily_limit__isnull=True)),
                name="reward_payout_fits_type",
            ),
            models.CheckConstraint(
                condition=Q(daily_limit__isnull=True) | Q(daily_limit__gte=0), name="reward_daily_limit_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RewardAudience(models.Model):
    """One customer of the list a restricted reward is for."""

    reward = models.ForeignKey(Reward, on_delete=models.CASCADE, related_name="audience")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name = "customer of the list"
        verbose_name_plural = "customers of the list"
        constraints = [models.UniqueConstraint(fields=["reward", "customer"], name="reward_audience_once")]

    def __str__(self) -> str:
        return f"Customer {self.customer_id}"


class RewardTier(models.Model):
    """One VIP tier a restricted reward is for."""

    reward = models.ForeignKey(Reward, on_delete=models.CASCADE, related_name="tiers")
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = "tier of the audience"
        verbose_name_plural = "tiers of the audience"
        constraints = [models.UniqueConstraint(fields=["reward", "tier"], name="reward_tier_once")]

    def __str__(self) -> str:
        return f"Tier {self.tier_id}"


class RewardText(models.Model):
    """What customers read, a row per language."""

    reward = models.ForeignKey(Reward, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=10)
    name = models.CharField(max_length=160)
    short_description = models.CharField(max_length=500, blank=True)
    usage_instructions = models.TextField(blank=True)
    terms = models.TextField("terms and conditions", blank=True)
    action_text = models.CharField(max_length=60, blank=True)
    brand = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text="Whose it is, where that is worth saying."
    )

    class Meta:
        verbose_name = "text"
        constraints = [
            models.UniqueConstraint(fields=["reward", "language"], name="reward_text_once_per_language"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"


class RewardStock(models.Model):
    """Pieces left of a limited reward. A table of its own, locked last, so that redeems meet on nothing else."""

    reward = models.ForeignKey(Reward, on_delete=models.CASCADE, related_name="stock")
    bucket = models.PositiveSmallIntegerField(default=0)
    left = models.PositiveIntegerField()

    class Meta:
        verbose_name = "stock"
        constraints = [
            models.CheckConstraint(condition=Q(left__gte=0), name="stock_not_negative"),
            models.UniqueConstraint(fields=["reward", "bucket"], name="stock_bucket_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.left} left"
