"""Customers ask to be forgotten, and may take it back until somebody has done it."""

from datetime import datetime

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.customers.models import ErasureRequest
from loyalty.customers.profile import locked, record


def open_request(*, customer_id: int) -> ErasureRequest | None:
    """What the customer asked and did not take back."""
    return ErasureRequest.objects.filter(customer_id=customer_id, withdrawn_at__isnull=True).first()


@transaction.atomic
def request(*, customer_id: int, now: datetime, actor: Actor) -> ErasureRequest:
    """Ask to be forgotten. Asked twice it is one request. Raises UnknownCustomer."""
    customer = locked(customer_id)
    asked = open_request(customer_id=customer_id)
    if asked is not None:
        return asked
    record("customer.erasure_requested", customer, actor=actor, now=now)
    return ErasureRequest.objects.create(customer=customer, requested_at=now)


@transaction.atomic
def withdraw(*, customer_id: int, now: datetime, actor: Actor) -> bool:
    """Take it back; says whether there was something to take back. Raises UnknownCustomer."""
    customer = locked(customer_id)
    asked = open_request(customer_id=customer_id)
    if asked is None:
        return False
    asked.withdrawn_at = now
    asked.save(update_fields=["withdrawn_at"])
    record("customer.erasure_withdrawn", customer, actor=actor, now=now)
    return True
