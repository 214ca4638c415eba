"""Lock whole persons, for what goes through everything that is theirs: merging, parting, forgetting."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from loyalty.customers import profile
from loyalty.customers.models import Customer
from loyalty.points import locking
from loyalty.program.models import Order, Referral


def lock(*, customer_ids: Collection[int], now: datetime) -> dict[int, Customer]:
    """These customers by id, with all that is theirs locked: orders, referrals, the accounts, at last the customers.

    One order for all who do so, and that of whoever earns by an order or gives what a referral calls for. Must be called
    inside a transaction. Raises UnknownCustomer.
    """
    ids = sorted(set(customer_ids))
    missing = set(ids) - set(Customer.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if missing:
        raise profile.UnknownCustomer(f"There is no customer {min(missing)}.")
    list(Order.objects.select_for_update(no_key=True).filter(customer_id__in=ids).order_by("pk").values_list("pk"))
    of_either_side = Referral.objects.filter(Q(sender_id__in=ids) | Q(friend_id__in=ids)).order_by("pk")
    list(of_either_side.select_for_update(no_key=True).values_list("pk"))
    for customer_id in ids:
        locking.lock(customer_id=customer_id, now=now)
    return {customer_id: profile.locked(customer_id) for customer_id in ids}
