"""Codes: what a customer types at the shop's checkout."""

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL

from platforms.models import StoreConnection

ENDS = "COALESCE(ends_at, 'infinity'::timestamptz)"


BULK_REFERENCE = "cb-[0-9]+-[0-9]+"  # a regular expression: the number of a campaign, and of its batch


class RewardCode(models.Model):
    """One code of one shop (or of no shop). Decided and committed here before the shop is ever asked."""

    connection = models.ForeignKey(StoreConnection, null=True, on_delete=models.PROTECT, db_index=False)
    code = models.CharField(max_length=60)
    canonical = models.CharField(max_length=60)  # common.codes.canonical: the form that is compared and unique
    remote_id = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)  # when the shop proved, or we decided, that it is dead
    is_shared = models.BooleanField(default=False, db_default=False)  # one code that many customers have
    # Our name for the discount that it shares with others in the shop, each used once; empty: it has one of its own.
    # While it is pending its text may still change: some shops make up the codes of such a discount.
    bulk_reference = models.CharField(max_length=40, blank=True, default="", db_default="")

    # Of codes in a pool alone.
    pool = models.ForeignKey("rewards.CodePool", null=True, on_delete=models.PROTECT, db_index=False)
    job_id = models.BigIntegerField(null=True)  # the import, or the order to make codes, that brought it
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)  # exclusive
    taken_at = models.DateTimeField(null=True)  # when it left the pool for a redeemed reward

    class Meta:
        verbose_name = "code"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "canonical"], nulls_distinct=False, name="code_unique_in_connection"
            ),
            models.CheckConstraint(condition=~Q(canonical=""), name="code_not_empty"),
            models.CheckConstraint(
                condition=Q(pool__isnull=False)
                | Q(job_id__isnull=True, starts_at__isnull=True, ends_at__isnull=True, taken_at__isnull=True),
                name="code_times_only_in_pools",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="code_times_in_order",
            ),
            models.CheckConstraint(
                condition=Q(is_shared=False) | Q(pool__isnull=True, disabled_at__isnull=True),
                name="code_shared_in_no_pool_and_never_killed",
            ),
            models.CheckConstraint(
                condition=Q(bulk_reference="") | Q(pool__isnull=True, is_shared=False), name="code_in_bulk_is_its_own"
            ),
        ]
        indexes = [
            models.Index(fields=["canonical"], opclasses=["varchar_pattern_ops"], name="code_prefix"),
            models.Index(fields=["connection", "bulk_reference"], name="code_in_bulk", condition=~Q(bulk_reference="")),
            # The codes still in a pool, in the order in which they are handed out: those that end soonest first.
            models.Index(
                F("pool"),
                RawSQL(ENDS, ()),  # noqa: S611 (our own text, without parameters)
                F("id"),
                name="code_in_pool",
                condition=Q(pool__isnull=False, taken_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.code
