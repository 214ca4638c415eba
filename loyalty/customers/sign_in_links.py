"""Links by which a shop lets its own customer sign in without a code: good once, for five minutes."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_noop

from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import queries
from loyalty.customers.models import Customer, SignInLink
from loyalty.customers.profile import UnknownCustomer, record

LIFE = timedelta(minutes=5)
RANDOM_BYTES = 32


class NoAddress(DomainError):
    """People sign in as the user of an e-mail address, and none is known of this customer."""

    code = "no_email"

    def __init__(self) -> None:
        super().__init__("This customer has no e-mail address, and signs in with none. Add one first.")


class LinkRefused(DomainError):
    """The link was used, is too old, or never was."""

    code = "sign_in_link_refused"

    def __init__(self) -> None:
        super().__init__(
            gettext_noop("This link was used already, or it is too old. Open the page from the shop again.")
        )


@dataclass(frozen=True, slots=True)
class Link:
    """What stands in the link, kept nowhere else, and the first instant at which it is too old."""

    token: str
    expires_at: datetime


@transaction.atomic
def make(*, customer_id: int, now: datetime, actor: Actor) -> Link:
    """A new link; what is left of the customer's dead ones goes.

    Raises UnknownCustomer, NoAddress.
    """
    known = Customer.objects.filter(pk=customer_id).first()
    if known is None:
        raise UnknownCustomer(f"There is no customer {customer_id}.")
    customer = queries.survivor_of(known)
    if not customer.email and customer.user_id is None:
        raise NoAddress
    SignInLink.objects.filter(customer=customer, expires_at__lte=now).delete()
    token = secrets.token_urlsafe(RANDOM_BYTES)
    row = SignInLink.objects.create(customer=customer, digest=_digest(token), created_at=now, expires_at=now + LIFE)
    record("customer.sign_in_link_made", customer, actor=actor, now=now)
    return Link(token, row.expires_at)


def lives(*, token: str, now: datetime) -> bool:
    """Whether the link would let somebody in now."""
    return SignInLink.objects.filter(digest=_digest(token), used_at__isnull=True, expires_at__gt=now).exists()


def use(*, token: str, now: datetime) -> Customer:
    """Who the customer of the link is now; it is used up by that: one statement, so that of two only one gets in.

    Raises LinkRefused.
    """
    links = SignInLink.objects.filter(digest=_digest(token))
    if not links.filter(used_at__isnull=True, created_at__lte=now, expires_at__gt=now).update(used_at=now):
        raise LinkRefused
    return queries.survivor_of(links.select_related("customer__user").get().customer)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
