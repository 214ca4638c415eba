"""The sweep that writes down what time has done. Balances are right without it; the ledger entries come from it."""

from datetime import datetime

from django.db import transaction

from loyalty.points import locking
from loyalty.points.models import PointsAccount


def settle_due(*, now: datetime, limit: int = 500) -> int:
    """Settle up to `limit` accounts whose next edge has passed, in id order; gives back how many. Safe to repeat.

    Accounts that somebody else is writing are left to them: every writer settles first.
    """
    due = list(PointsAccount.objects.filter(next_edge_at__lte=now).order_by("pk").values_list("pk", flat=True)[:limit])
    for customer_id in due:
        with transaction.atomic():
            account = PointsAccount.objects.select_for_update(skip_locked=True).filter(pk=customer_id).first()
            if account is not None:
                locking.settle(account=account, now=now)
    return len(due)
