"""Becoming a customer, and how shops and users are tied to one."""

from datetime import date, datetime
from typing import Any

from django.db import transaction

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import contacts, profile, queries
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState

TRIES = 3  # a find-or-create that loses a race finds the winner the next time round


class UnidentifiedCustomer(DomainError):
    """Neither an e-mail address nor an id of a shop says who this is."""

    code = "unidentified_customer"


class IdentityTaken(DomainError):
    """The shop's id belongs to another customer."""

    code = "identity_taken"


class UnknownIdentity(DomainError):
    """No customer has that id there."""

    code = "unknown_identity"


class KnownElsewhere(DomainError):
    """Other systems, or the same one by another id, know the customer as well."""

    code = "known_elsewhere"


class UserTaken(DomainError):
    """The customer signs in as another user already, or the user is another customer."""

    code = "user_taken"


def enroll(
    *,
    now: datetime,
    actor: Actor,
    email: str | None = None,
    phone: str | None = None,
    first_name: str = "",
    last_name: str = "",
    state: str = CustomerState.MEMBER,
    language: str = "",
    date_of_birth: date | None = None,
    user_id: int | None = None,
) -> Customer:
    """A new customer. Raises EmailTaken, InvalidEmail and InvalidPhone; of two at once with one address, one is refused."""
    customer = Customer(
        email=contacts.email(email),
        phone=contacts.phone(phone),
        first_name=first_name.strip(),
        last_name=last_name.strip(),
        state=CustomerState(state),
        language=language,
        date_of_birth=date_of_birth,
        user_id=user_id,
    )
    with transaction.atomic():
        profile.save(customer)
        profile.record("customer.enrolled", customer, actor=actor, now=now, state=str(customer.state))
    return customer


def find_or_create_by_identity(
    *,
    connection_id: int | None,
    external_id: str,
    now: datetime,
    actor: Actor,
    email: str | None = None,
    phone: str | None = None,
    first_name: str = "",
    last_name: str = "",
    state: str = CustomerState.CANDIDATE,
) -> Customer:
    """The customer a shop speaks of: by its own id for them, else by e-mail, else a new one. Safe when called at once.

    A found customer is given the shop's id, and the e-mail address and phone we did not have; what we have stays. Where the id says one customer
    and the e-mail another, the id wins and neither is changed: two people are never made one here. A guest without an
    id is found by e-mail alone; with an id, an unreadable e-mail or phone is left out.
    Raises UnidentifiedCustomer without both, InvalidEmail.
    """
    external_id = external_id.strip()
    address, number = _readable(email, phone, strict=not external_id)
    if not external_id and address is None:
        raise UnidentifiedCustomer("Neither an e-mail address nor the shop's id of the customer was given: give one.")
    fields = {"first_name": first_name, "last_name": last_name, "state": state, "phone": number, "email": address}
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return _find_or_create(connection_id, external_id, fields, now=now, actor=actor)
        except (profile.EmailTaken, IdentityTaken):  # somebody else was quicker: look again
            continue
    return _find_or_create(connection_id, external_id, fields, now=now, actor=actor)


def create_or_update(
    *,
    external_id: str,
    email: str,
    now: datetime,
    actor: Actor,
    first_name: str | None = None,
    last_name: str | None = None,
) -> tuple[CustomerIdentity, bool]:
    """The identity under which an integrator knows a customer, and whether it is new; names and address are as told now.

    Told twice at the same moment, both may hear that it is new. A new id with an address that a customer has is that customer's; else they are a new member. What is None stays.
    Raises EmailTaken when the id is one customer's and the address another's, UnidentifiedCustomer, InvalidEmail.
    """
    external_id = external_id.strip()
    if not external_id:
        raise UnidentifiedCustomer("The id of the customer in your system is empty: give it.")
    known = CustomerIdentity.objects.filter(connection_id=None, external_id=external_id)
    with transaction.atomic():
        new = not known.exists()
        customer = find_or_create_by_identity(
            connection_id=None, external_id=external_id, email=email, now=now, actor=actor, state=CustomerState.MEMBER
        )
        told = {"email": contacts.email(email), "first_name": first_name, "last_name": last_name}
        changes = {name: value for name, value in told.items() if value is not None}
        profile.update(customer_id=customer.pk, now=now, actor=actor, **changes)
        return known.select_related("customer").get(), new


def link_identity(
    *, customer_id: int, connection_id: int | None, external_id: str, now: datetime, actor: Actor
) -> CustomerIdentity:
    """Remember under which id a shop knows a customer. Again is harmless.

    Raises IdentityTaken, UnknownCustomer, Forgotten, Merged.
    """
    external_id = external_id.strip()
    if not external_id:
        raise UnidentifiedCustomer("The shop's id of the customer is empty: give it.")
    with transaction.atomic():
        customer = profile.locked(customer_id)
        profile.require_present(customer)
        return _attach(customer, connection_id, external_id, now=now, actor=actor)


def link_user(*, customer_id: int, user_id: int, now: datetime, actor: Actor) -> Customer:
    """Let a user sign in as this customer. The caller has proved that the user owns the customer's address.

    Again is harmless. Raises UserTaken, UnknownCustomer, Forgotten, Merged.
    """
    with transaction.atomic():
        customer = profile.locked(customer_id)
        profile.require_present(customer)
        if customer.user_id == user_id:
            return customer
        if customer.user_id is not None or Customer.objects.filter(user_id=user_id).exists():
            raise UserTaken("The customer signs in as another user already, or the user is another customer.")
        customer.user_id = user_id
        customer.save(update_fields=["user", "updated_at"])
        profile.record("customer.user_linked", customer, actor=actor, now=now, user_id=user_id)
    return customer


def leave(*, external_id: str, now: datetime, actor: Actor, connection_id: int | None = None) -> Customer:
    """A system deleted its customer: they are excluded here, and keep what they have. Twice changes nothing more.

    To be forgotten is another act, which cannot be undone. Raises UnknownIdentity, KnownElsewhere.
    """
    with transaction.atomic():
        found = CustomerIdentity.objects.select_related("customer__merged_into")
        identity = found.filter(connection_id=connection_id, external_id=external_id.strip()).first()
        if identity is None:
            raise UnknownIdentity(
                f"There is no customer {external_id[:60]} here that you told of. Nothing was changed."
            )
        customer = profile.locked(queries.survivor_of(identity.customer).pk)
        if customer.identities.exclude(pk=identity.pk).exists():
            raise KnownElsewhere(
                f"Customer {customer.pk} is known by other ids as well. Exclude them by POST /customers/{customer.pk} if "
                "they left for good."
            )
        return profile.update(customer_id=customer.pk, state=CustomerState.DISABLED, now=now, actor=actor)


def _readable(email: str | None, phone: str | None, *, strict: bool) -> tuple[str | None, str | None]:
    """What of a shop's contact data can be stored."""
    try:
        address = contacts.email(email)
    except contacts.InvalidEmail:
        if strict:
            raise
        address = None
    try:
        return address, contacts.phone(phone)
    except contacts.InvalidPhone:
        return address, None


def _find_or_create(
    connection_id: int | None, external_id: str, fields: dict[str, Any], *, now: datetime, actor: Actor
) -> Customer:
    if external_id:
        known = CustomerIdentity.objects.filter(connection_id=connection_id, external_id=external_id)
        identity = known.select_related("customer").first()
        if identity is not None:
            return _complete(queries.survivor_of(identity.customer), fields, now=now, actor=actor)
    customer = queries.by_email(fields["email"] or "") or enroll(now=now, actor=actor, **fields)
    if external_id:
        _attach(customer, connection_id, external_id, now=now, actor=actor)
    return customer


def _complete(customer: Customer, fields: dict[str, Any], *, now: datetime, actor: Actor) -> Customer:
    """Fill in the contacts we lack, unless the address is somebody else's."""
    missing = {name: fields[name] for name in ("email", "phone") if fields[name] and not getattr(customer, name)}
    if "email" in missing and queries.by_email(missing["email"]) is not None:
        del missing["email"]
    return profile.update(customer_id=customer.pk, now=now, actor=actor, **missing) if missing else customer


def _attach(
    customer: Customer, connection_id: int | None, external_id: str, *, now: datetime, actor: Actor
) -> CustomerIdentity:
    identity, created = CustomerIdentity.objects.get_or_create(
        connection_id=connection_id, external_id=external_id, defaults={"customer": customer}
    )
    if identity.customer_id != customer.pk:
        raise IdentityTaken(f"The shop's id {external_id!r} belongs to another customer already.")
    if created:
        profile.record("customer.identity_added", customer, actor=actor, now=now, connection_id=connection_id)
    return identity
