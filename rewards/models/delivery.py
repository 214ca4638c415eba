"""The parcel of a gift."""

from django.db import models

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
    comment = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"Delivery of {self.redeemed_reward_id}"
