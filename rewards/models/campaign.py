"""One reward given to many customers at once: what was meant, the job that does it, and who got it."""

import pgtrigger
from django.db import models
from django.db.models import Q

from loyalty.customers.models import Customer
from loyalty.jobs.models import Job
from rewards.models.redeemed_reward import RedeemedReward
from rewards.models.reward import Reward


class AudienceKind(models.TextChoices):
    """How the customers of a campaign were chosen."""

    LIST = "list", "Those a reward is for"
    FILTER = "filter", "All who fit"
    TABLE = "table", "Those in a table"
    SEGMENT = "segment", "Those in a segment"


class Campaign(models.Model):
    """A reward for many. Its customers, and what became of each, are the rows and outcomes of its job.

    The name is unique, so that whoever begins the same campaign again is told of the first one.
    """

    name = models.CharField(max_length=120, unique=True)
    reward = models.ForeignKey(Reward, on_delete=models.PROTECT, related_name="campaigns")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="campaign")
    audience = models.CharField(max_length=10, choices=AudienceKind)
    audience_text = models.CharField(max_length=500)  # who is meant, in words, as it was chosen
    beyond_audience = models.BooleanField(default=False)  # also customers a restricted reward is not for
    once = models.BooleanField(default=True)  # nobody who has had the reward before
    bulk_codes = models.BooleanField(
        default=False, db_default=False
    )  # the codes of a batch share a discount in the shop
    internal_note = models.CharField(max_length=1000, blank=True)  # why, for staff; stands on each reward, too
    actor_kind = models.CharField(max_length=20)  # who planned it
    actor_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "reward campaign"
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="campaign_has_name"),
            models.CheckConstraint(
                condition=Q(audience__in=["list", "filter", "table", "segment"]), name="campaign_audience_known"
            ),
        ]
        indexes = [models.Index(fields=["created_at", "id"], name="campaign_created")]

    def __str__(self) -> str:
        return self.name


class CampaignReward(models.Model):
    """What one customer got by a campaign: at most one, however often it was begun, killed or gone on with."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="given", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    redeemed_reward = models.OneToOneField(RedeemedReward, on_delete=models.PROTECT, related_name="of_campaign")

    class Meta:
        verbose_name = "reward of a campaign"
        verbose_name_plural = "rewards of campaigns"
        constraints = [models.UniqueConstraint(fields=["campaign", "customer"], name="campaign_gives_once")]
        triggers = [
            pgtrigger.Protect(name="campaign_reward_insert_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"Customer {self.customer_id}"
