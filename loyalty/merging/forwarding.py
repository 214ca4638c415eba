"""What happens to merged customers afterwards: points that come back go on, and refunds are paid by who has the points.

A canceled reward gives its points to the account that paid, and a refund takes from the account that earned: both are
the ledger's rows, and stay. A sweep moves on what stands there.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer
from loyalty.merging import joining
from loyalty.merging.models import CustomerMerge
from loyalty.points import effects, locking, shortfalls
from loyalty.points.allocation import Charge
from loyalty.points.models import PointsAccount

STANDS = Q(balance__gt=0) | Q(pending__gt=0)


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Move on what stands on accounts of merged customers; gives back how many there were. Safe to repeat."""
    payer = PointsAccount.objects.filter(pk=OuterRef("customer__merged_into"), balance__gt=0)
    found = PointsAccount.objects.filter(STANDS | Q(Exists(payer), owed__gt=0), customer__merged_into__isnull=False)
    ids = list(found.order_by("pk").values_list("pk", flat=True)[:limit])
    return sum(_forward(customer_id, now=now) for customer_id in ids)


@transaction.atomic
def _forward(customer_id: int, *, now: datetime) -> bool:
    """One account's points to the survivor, or as many as it owes from who they are now. Whether anything moved."""
    made, last_id = _standing(customer_id)
    if made is None or last_id is None:
        return False
    accounts = {pk: locking.lock(customer_id=pk, now=now) for pk in sorted({customer_id, made.survivor_id, last_id})}
    if _standing(customer_id) != (made, last_id):  # merged on, or taken back, while we waited: next time
        return False
    source, payer = accounts[customer_id], accounts[last_id]
    missing = min(max(source.owed - source.balance, 0), payer.balance)
    if missing:
        lines = effects.paying(customer_id=last_id, points=missing, at=payer.settled_at)
        charges = [Charge(line.lot_id, line.points) for line in lines if line.lot_id is not None]
        joining.move_lots(made, sender_id=last_id, receiver_id=customer_id, charges=charges, actor=SYSTEM, now=now)
    if source.owed:
        shortfalls.collect(customer_id=customer_id, actor=SYSTEM, now=now)
    on = joining.move_points(made, sender_id=customer_id, receiver_id=made.survivor_id, actor=SYSTEM, now=now)
    return bool(missing or on)


def _standing(customer_id: int) -> tuple[CustomerMerge | None, int | None]:
    """The customer's merge that stands, and who they are now."""
    made = CustomerMerge.objects.filter(source_id=customer_id, undone_at__isnull=True).first()
    return made, Customer.objects.filter(pk=customer_id).values_list("merged_into", flat=True).first()
