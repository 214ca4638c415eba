"""Who recommended whom, what came of it, and by which rules it is judged."""

from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from rewards.models import RedeemedReward, Reward


class ReferralSettings(models.Model):
    """What both sides get, and what makes a referral suspicious. One row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    active = models.BooleanField(default=False, help_text="Off: links lead nowhere, and nobody is offered one.")
    friend_reward = models.ForeignKey(
        Reward,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Given to the friend right away, for the first order.",
    )
    sender_reward = models.ForeignKey(
        Reward,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Given to the customer who recommended the shop, once the friend's first order is completed.",
    )
    block_similar_emails = models.BooleanField(
        "block similar e-mail addresses", default=True, help_text="anna1@… recommends anna2@…"
    )
    block_same_name = models.BooleanField("block the same name", default=True)
    block_same_address = models.BooleanField("block the same shipping address or phone", default=True)
    most_from_one_address = models.PositiveSmallIntegerField(
        "friends from one place",
        default=10,
        help_text="So many in a week from one internet address; more are blocked. 0: any number.",
    )

    class Meta:
        verbose_name = "referral settings"
        verbose_name_plural = "referral settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="referral_settings_one_row"),
        ]

    def __str__(self) -> str:
        return "Referral settings"


class ReferralLink(models.Model):
    """The code in a customer's personal link. It never changes."""

    customer = models.OneToOneField(Customer, primary_key=True, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(max_length=16, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.code


class ReferralState(models.TextChoices):
    PENDING = "pending", "Pending"
    COMPLETED = "completed", "Completed"
    BLOCKED = "blocked", "Blocked"
    CANCELLED = "cancelled", "Canceled"


class BlockReason(models.TextChoices):
    SAME_PERSON = "same_person", "The friend is the customer"
    SIMILAR_EMAIL = "similar_email", "The e-mail addresses are similar"
    SAME_NAME = "same_name", "Both have the same name"
    SAME_ADDRESS = "same_address", "Both have the same shipping address or phone"
    MANY_FROM_ONE_ADDRESS = "many_from_one_address", "Many friends came from one internet address within a week"
    NOT_FIRST_ORDER = "not_first_order", "The friend had bought before"


class CancelReason(models.TextChoices):
    ORDER_REFUNDED = "order_refunded", "The friend's order was refunded or canceled"
    SENDER_EXCLUDED = "sender_excluded", "The customer is excluded from the programme"
    BY_STAFF = "by_staff", "Canceled by staff"


class Referral(models.Model):
    """One friend, recommended once. `due_at` says that a worker has rewards to give or to undo; the row is the work."""

    sender = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="referrals", db_index=False)
    friend = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="referred_by")
    state = models.CharField(max_length=10, choices=ReferralState)
    block_reason = models.CharField(max_length=24, choices=BlockReason, blank=True)
    cancel_reason = models.CharField(max_length=24, choices=CancelReason, blank=True)
    released_at = models.DateTimeField(null=True)  # staff looked: it is not blocked again
    source = models.CharField(max_length=64, blank=True)  # keyed digest of the internet address; never the address
    order = models.OneToOneField("program.Order", null=True, on_delete=models.PROTECT, related_name="referral")
    friend_reward = models.OneToOneField(RedeemedReward, null=True, on_delete=models.PROTECT, related_name="+")
    sender_reward = models.OneToOneField(RedeemedReward, null=True, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=500, blank=True)  # what a person has to look at
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(sender=F("friend")), name="referral_of_somebody_else"),
            models.CheckConstraint(
                condition=Q(state=ReferralState.BLOCKED) ^ Q(block_reason=""), name="referral_blocked_for_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(state=ReferralState.CANCELLED) ^ Q(cancel_reason=""),
                name="referral_canceled_for_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state=ReferralState.COMPLETED) | Q(order__isnull=False, completed_at__isnull=False),
                name="referral_completed_by_an_order",
            ),
        ]
        indexes = [
            models.Index(fields=["sender", "id"], name="referral_sender"),
            models.Index(fields=["updated_at", "id"], name="referral_updated"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="referral_due"),
            models.Index(fields=["source", "created_at"], condition=~Q(source=""), name="referral_source"),
        ]

    def __str__(self) -> str:
        return f"Referral {self.pk}"
