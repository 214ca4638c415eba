"""The parcel of a gift, and all that was done with it."""

import pgtrigger
from django.db import models
from django.db.models import Q

from rewards.models.redeemed_reward import RedeemedReward


class Delivery(models.Model):
    """What is known of a parcel. Its status stands on the redeemed reward; a corrected address stands here."""

    redeemed_reward = models.OneToOneField(
        RedeemedReward, primary_key=True, on_delete=models.PROTECT, related_name="delivery"
    )
    address = models.JSONField(null=True)  # overrides the copy on the redeemed reward
    carrier = models.CharField(max_length=60, blank=True)
    tracking_number = models.CharField(max_length=80, blank=True)
    tracking_url = models.URLField(max_length=300, blank=True)
    ordered_at = models.DateTimeField(null=True)
    shipped_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)  # when the parcel that was sent last came back
    comment = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(returned_at__isnull=True) | Q(shipped_at__isnull=False),
                name="delivery_returned_was_shipped",
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery of {self.redeemed_reward_id}"


class DeliveryStep(models.TextChoices):
    """What can be done with a parcel, in the words of its history."""

    ORDERED = "ordered", "Ordered"
    WITHDRAWN = "withdrawn", "No longer ordered"
    ADDRESS = "address", "Address corrected"
    SHIPPED = "shipped", "Shipped"
    TRACKING = "tracking", "Tracking corrected"
    DELIVERED = "delivered", "Delivered"
    RETURNED = "returned", "Came back"
    CANCELLED = "cancelled", "Canceled"


class DeliveryChange(models.Model):
    """One thing done with a parcel. Insert-only, but for what is personal and must be erasable."""

    redeemed_reward = models.ForeignKey(RedeemedReward, on_delete=models.PROTECT, related_name="delivery_changes")
    step = models.CharField(max_length=10, choices=DeliveryStep)
    address_before = models.JSONField(null=True)  # what a correction replaced
    carrier = models.CharField(max_length=60, blank=True)
    tracking_number = models.CharField(max_length=80, blank=True)
    comment = models.CharField(max_length=500, blank=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name = "change of a delivery"
        verbose_name_plural = "changes of deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(step="address") | Q(address_before__isnull=True), name="delivery_change_address_fits_step"
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="delivery_change_stays", operation=pgtrigger.Delete),
            pgtrigger.ReadOnly(name="delivery_change_insert_only", exclude=["address_before", "comment"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()} {self.changed_at:%Y-%m-%d %H:%M:%S} UTC"
