"""What is known of a customer, and every change of it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import contacts, queries
from loyalty.customers.models import Customer, CustomerState, ShippingAddress
from loyalty.events import log

SUBJECT = "customer"
EMAIL_CONSTRAINT = "customer_email_unique_ignoring_case"
CHANGEABLE = frozenset({"email", "phone", "first_name", "last_name", "language", "date_of_birth", "state"})

# Who may become what. A member never becomes a guest again: they agreed to take part, and only exclusion ends that.
TRANSITIONS: dict[str, frozenset[str]] = {
    CustomerState.CANDIDATE: frozenset({CustomerState.MEMBER, CustomerState.DISABLED}),
    CustomerState.MEMBER: frozenset({CustomerState.DISABLED}),
    CustomerState.DISABLED: frozenset({CustomerState.MEMBER, CustomerState.CANDIDATE}),
}


class EmailTaken(DomainError):
    """Another customer has that address. `customer_id` says who."""

    code = "email_taken"

    def __init__(self, *, customer_id: int | None) -> None:
        super().__init__("Another customer has this e-mail address already. Open that customer, or write another one.")
        self.customer_id = customer_id


class UnknownCustomer(DomainError):
    """There is no such customer."""

    code = "unknown_customer"


class Forgotten(DomainError):
    """Who this was is not known any more, on purpose."""

    code = "customer_forgotten"


class Merged(DomainError):
    """They are another customer now."""

    code = "customer_merged"


class Unreachable(DomainError):
    """Neither an e-mail address nor a phone number would be left."""

    code = "unreachable"


class StateRefused(DomainError):
    """A customer in this state does not become that."""

    code = "state_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where gifts go."""

    line_1: str
    city: str
    country: str  # two letters
    recipient: str = ""
    line_2: str = ""
    postal_code: str = ""
    region: str = ""


def update(*, customer_id: int, now: datetime, actor: Actor, **changes: Any) -> Customer:
    """Change what is known of a customer: email, phone, first_name, last_name, language, date_of_birth, state.

    What is not named stays. Raises EmailTaken, InvalidEmail, InvalidPhone, StateRefused, UnknownCustomer, Forgotten,
    Merged.
    """
    changes = cleaned(changes)
    with transaction.atomic():
        customer = locked(customer_id)
        require_present(customer)
        before = str(customer.state)
        changed = sorted(name for name, value in changes.items() if getattr(customer, name) != value)
        if not changed:
            return customer
        require_transition(before=before, after=changes.get("state", before))
        for name in changed:
            setattr(customer, name, changes[name])
        save(customer)
        if "state" in changed:
            record("customer.state_changed", customer, actor=actor, now=now, before=before, after=str(customer.state))
        if changed != ["state"]:
            record("customer.updated", customer, actor=actor, now=now, fields=[n for n in changed if n != "state"])
    return customer


def cleaned(changes: dict[str, Any]) -> dict[str, Any]:
    """The changes in the form in which they are stored. Raises InvalidEmail, InvalidPhone."""
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise TypeError(f"A customer has no {sorted(unknown)} to change here.")
    forms: dict[str, Callable[[Any], Any]] = {
        "email": contacts.email,
        "phone": contacts.phone,
        "first_name": str.strip,
        "last_name": str.strip,
    }
    return {name: forms[name](value) if name in forms else value for name, value in changes.items()}


def set_address(*, customer_id: int, address: Address | None, now: datetime, actor: Actor) -> None:
    """Where gifts go from now on; None forgets it. What was redeemed keeps its own copy.

    Raises UnknownCustomer, Forgotten, Merged.
    """
    with transaction.atomic():
        customer = locked(customer_id)
        require_present(customer)
        stored = ShippingAddress.objects.filter(customer=customer).first()
        if address is None:
            if stored is None:
                return
            stored.delete()
        else:
            fields = asdict(address)
            if stored is not None and stored.as_snapshot() == fields:
                return
            ShippingAddress.objects.update_or_create(customer=customer, defaults=fields)
        customer.save(update_fields=["updated_at"])
        record("customer.updated", customer, actor=actor, now=now, fields=["shipping_address"])


def require_transition(*, before: str, after: str) -> None:
    """Refuse a change of state that the table above does not know. Raises StateRefused."""
    if after != before and after not in TRANSITIONS[before]:
        raise StateRefused(
            f"A customer who is {CustomerState(before).label!r} does not become {CustomerState(after).label!r}. "
            "Exclude the customer instead."
        )


def require_present(customer: Customer) -> None:
    """Refuse to write anything about who was forgotten, or is another customer now. Raises Forgotten, Merged."""
    if customer.anonymised_at is not None:
        raise Forgotten(f"Customer {customer.pk} was forgotten: nothing is entered about them again.")
    if customer.merged_into_id is not None:
        raise Merged(
            f"Customer {customer.pk} was merged into customer {customer.merged_into_id}: change that one instead."
        )


def locked(customer_id: int) -> Customer:
    """The customer's row, locked until the transaction ends. Raises UnknownCustomer."""
    customer = Customer.objects.select_for_update(no_key=True).filter(pk=customer_id).first()
    if customer is None:
        raise UnknownCustomer(f"There is no customer {customer_id}.")
    return customer


def save(customer: Customer) -> None:
    """Store the row. Raises EmailTaken when the address is another customer's."""
    try:
        with transaction.atomic():
            customer.save()
    except IntegrityError as error:
        if EMAIL_CONSTRAINT not in str(error):
            raise
        other = queries.by_email(customer.email or "")
        raise EmailTaken(customer_id=other.pk if other else None) from error


def record(kind: str, customer: Customer, *, actor: Actor, now: datetime, **data: Any) -> None:
    """One event about a customer, in the caller's transaction."""
    log.record(
        kind=kind,
        subject_type=SUBJECT,
        subject_id=customer.pk,
        customer_id=customer.pk,
        actor=actor,
        now=now,
        **data,
    )
