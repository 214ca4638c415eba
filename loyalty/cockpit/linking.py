"""From the user who signed in to the customer they are."""

from datetime import datetime

from django.db import IntegrityError
from django.utils.translation import gettext as _

from loyalty.accounts import adapter
from loyalty.accounts.models import User
from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.customers import enrollment, profile, queries
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant import queries as merchant


class NotACustomer(DomainError):
    """The user stays outside the cockpit.

    `code` is one of: staff_only, address_unproved, address_taken, programme_closed, switched_off.
    """

    code = "not_a_customer"


def customer_of(*, user: User, now: datetime) -> Customer:
    """The user's customer: linked before, linked now by a proved address, or enrolled now. Raises NotACustomer.

    An address nobody proved links nothing. Staff are linked to the customer who has their address, and never enrolled.
    """
    linked: Customer | None = getattr(user, "customer", None) or queries.for_user(user)  # read with the user, mostly
    if linked is not None:
        return queries.survivor_of(linked)
    addresses = adapter.verified_addresses(user=user)
    known = next((found for address in addresses if (found := queries.by_email(address))), None)
    if known is not None:
        return _link(known, user, now=now)
    if user.is_staff:
        raise NotACustomer(_("You sign in as staff and have no points of your own here."), code="staff_only")
    if not addresses:
        raise NotACustomer(
            _("Your e-mail address is not confirmed yet. Sign out, then sign in with a code that we send to it."),
            code="address_unproved",
        )
    if not merchant.programme().open_to_all:
        raise NotACustomer(
            _("This programme takes no new members by itself. Write to us if you think that you are one."),
            code="programme_closed",
        )
    return _enroll(addresses[0], user, now=now)


def may_join(*, email: str) -> bool:
    """Whether somebody with that address is a customer already, or would be let in as a new one."""
    known, is_open = queries.by_email(email) is not None, merchant.programme().open_to_all  # both asked, always
    return known or is_open


def user_by_link(*, customer: Customer, now: datetime) -> User:
    """Who a shop's link signs in: the customer's user, made or linked now where there is none. Raises NotACustomer.

    Never staff: a shop's key must not open the admin.
    """
    user = customer.user or adapter.user_for_code(email=customer.email or "")
    if user is None or not user.is_active:
        raise NotACustomer(_("Somebody switched off signing in with this address."), code="switched_off")
    if user.is_staff or user.is_superuser:
        raise NotACustomer(_("Staff cannot sign in with a link. Sign in with a code or a password."), code="staff_only")
    if customer.user_id is None:
        _link(customer, user, now=now)
    return user


def _link(customer: Customer, user: User, *, now: datetime) -> Customer:
    try:
        linked = enrollment.link_user(
            customer_id=customer.pk, user_id=user.pk, now=now, actor=actors.customer(customer.pk)
        )
    except enrollment.UserTaken as error:
        raise NotACustomer(
            _(
                "The points of this e-mail address belong to somebody who signs in with another one. Write to us and "
                "we will sort it out."
            ),
            code="address_taken",
        ) from error
    if linked.state == CustomerState.CANDIDATE:
        return profile.update(
            customer_id=linked.pk, state=CustomerState.MEMBER, now=now, actor=actors.customer(linked.pk)
        )
    return linked


def _enroll(address: str, user: User, *, now: datetime) -> Customer:
    try:
        return enrollment.enroll(email=address, user_id=user.pk, now=now, actor=actors.SYSTEM)
    except (profile.EmailTaken, IntegrityError):  # a second tab, or a shop, was quicker
        found = queries.for_user(user) or queries.by_email(address)
        if found is None:
            raise
        return _link(found, user, now=now)
