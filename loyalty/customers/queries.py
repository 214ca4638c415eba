"""Finding customers."""

import re
from typing import Any

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from loyalty.accounts.models import User
from loyalty.customers.models import Customer

MOST_WORDS = 8
PHONE_LIKE = re.compile(r"[+(\d][\d\s()./+-]*")
NOT_A_DIGIT = re.compile(r"\D")


def search(text: str) -> QuerySet[Customer]:
    """Customers whose e-mail, phone and name together contain every word of the text, in any order and any case.

    A text that looks like a phone number is compared by its digits, however it was spaced. No text finds everybody.
    """
    text = text.replace("\x00", "").strip()
    words = [NOT_A_DIGIT.sub("", text)] if PHONE_LIKE.fullmatch(text) else text.lower().split()[:MOST_WORDS]
    found = Customer.objects.all()
    for word in words:
        found = found.filter(search__contains=word)
    return found


def by_email(email: str) -> Customer | None:
    """The customer with that address, ignoring case and spaces around it; whoever they were merged into."""
    address = email.replace("\x00", "").strip()
    if not address:
        return None
    found = Customer.objects.alias(lower_email=Lower("email")).filter(lower_email=Lower(Value(address))).first()
    return found and survivor_of(found)


def for_user(user: User) -> Customer | None:
    """The customer who signs in as this user, or whom they were merged into; none for staff who are no customers."""
    found = Customer.objects.filter(user_id=user.pk).first()
    return found and survivor_of(found)


def survivor_of(customer: Customer) -> Customer:
    """Who this person is now: the customer they were merged into, or they themselves. One query where they were."""
    return customer.merged_into or customer


def same_person(customer_id: int) -> QuerySet[Customer, Any]:
    """The ids of a customer and of all who were merged into them, for `customer_id__in`."""
    return Customer.objects.filter(Q(pk=customer_id) | Q(merged_into_id=customer_id)).order_by().values("pk")
