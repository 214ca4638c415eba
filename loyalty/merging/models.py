"""Which two customers turned out to be one person, what went over, and whether it was taken back."""

from django.db import models
from django.db.models import F, Q

from loyalty.customers.models import Customer
from loyalty.points.models import PointsLot


class CustomerMerge(models.Model):
    """One customer merged into another. `Customer.merged_into` repeats it, resolved to the last of a chain.

    `moved` names what went over, by ids; taking it back gives back of that what is still there, and `left` says what was
    not: neither holds an address or a name.
    """

    source = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges", db_index=False)
    survivor = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges_into", db_index=False)
    moved = models.JSONField(default=dict)
    internal_note = models.CharField(max_length=1000, blank=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True)
    merged_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by_kind = models.CharField(max_length=20, blank=True)
    undone_by_id = models.BigIntegerField(null=True)
    left = models.JSONField(default=list)  # sentences: what stayed with the survivor

    class Meta:
        verbose_name = "merge of customers"
        verbose_name_plural = "merges of customers"
        permissions = [("merge_customers", "Can merge customers and take it back")]
        constraints = [
            models.UniqueConstraint(fields=["source"], condition=Q(undone_at__isnull=True), name="merge_stands_once"),
            models.CheckConstraint(condition=~Q(source=F("survivor")), name="merge_of_two"),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True, undone_by_kind="")
                | (Q(undone_at__gte=F("merged_at")) & ~Q(undone_by_kind="")),
                name="merge_undone_by_somebody_afterwards",
            ),
        ]
        indexes = [
            models.Index(fields=["survivor", "id"], name="merge_survivor"),
            models.Index(fields=["source", "id"], name="merge_source"),
        ]

    def __str__(self) -> str:
        return f"Customer {self.source_id} into customer {self.survivor_id}"


class MergedLot(models.Model):
    """A lot that a merge opened for points of another one: right away, when some came back later, or back again."""

    lot = models.OneToOneField(PointsLot, primary_key=True, on_delete=models.PROTECT, related_name="+")
    came_from = models.ForeignKey(PointsLot, on_delete=models.PROTECT, related_name="+")
    merge = models.ForeignKey(CustomerMerge, on_delete=models.PROTECT, related_name="lots")

    class Meta:
        verbose_name = "lot moved by a merge"
        verbose_name_plural = "lots moved by merges"
        constraints = [
            models.CheckConstraint(condition=~Q(lot=F("came_from")), name="merged_lot_is_another"),
        ]

    def __str__(self) -> str:
        return f"Lot {self.lot_id} of merge {self.merge_id}"
