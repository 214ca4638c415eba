"""What people ask about their data, as shops pass it on: found, noted with its last day, and settled by a person.

At once only raw webhooks are emptied. Everything else is for a person to decide: see `loyalty.erasure`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.actors import shop as the_shop
from loyalty.common.errors import DomainError
from loyalty.customers import queries as customers
from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.events import log
from loyalty.hooks import retention
from loyalty.hooks.models import InboundWebhook, PrivacyKind, PrivacyRequest
from loyalty.messages.models import Mail
from loyalty.points.models import PointsTransaction
from loyalty.program.models import Order
from platforms.privacy import PrivacyAsk
from rewards import queries as rewards

SUBJECT = "privacy_request"
ASKED, SETTLED = "privacy.asked", "privacy.settled"
TIME_TO_SETTLE = timedelta(days=30)
NOTED = "Noted as a privacy request, for a person to settle."


class NotToBeSettled(DomainError):
    """It was settled before, or nobody says what was done."""

    code = "privacy_request_not_to_be_settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """How much we hold of what a request is about."""

    customers: int
    orders: int
    rewards: int
    transactions: int
    mails: int
    address: bool
    webhooks: int  # whose bodies are still kept, as far as they are about orders we know


@transaction.atomic
def receive(*, webhook: InboundWebhook, ask: PrivacyAsk, now: datetime) -> PrivacyRequest:
    """Note it, once for each webhook, and empty its own body; of somebody to be erased, also those about their orders.

    Those of a whole shop may be many: the sweep of `retention` empties them in batches while the request is open.
    """
    connection_id = webhook.connection_id or 0
    kind = PrivacyKind(ask.kind)
    customer = _whose(connection_id, ask) if kind != PrivacyKind.ERASE_SHOP else None
    request, created = PrivacyRequest.objects.get_or_create(
        webhook=webhook,
        defaults={
            "connection_id": connection_id,
            "kind": kind,
            "customer": customer,
            "customer_external_id": ask.customer_external_id,
            "orders": list(ask.orders),
            "asked_at": webhook.received_at,
            "due_at": webhook.received_at + TIME_TO_SETTLE,
        },
    )
    if not created:
        return request
    bodies = Q(pk=webhook.pk)
    if kind == PrivacyKind.ERASE_CUSTOMER:
        bodies |= told_about(request)
    request.bodies_emptied = retention.empty(InboundWebhook.objects.filter(bodies), now=now)
    request.save(update_fields=["bodies_emptied"])
    log.record(
        kind=ASKED,
        subject_type=SUBJECT,
        subject_id=request.pk,
        customer_id=request.customer_id,
        actor=the_shop(connection_id),
        now=now,
        asked=str(request.kind),
    )
    return request


def refusal(request: PrivacyRequest) -> str:
    """Why it cannot be settled; empty when it can be."""
    return "It was settled already." if request.settled_at is not None else ""


@transaction.atomic
def settle(*, request_id: int, note: str, actor: Actor, now: datetime) -> PrivacyRequest:
    """A person says that what was asked is done, and how. Raises NotToBeSettled."""
    request = PrivacyRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    reason = refusal(request)
    if not reason and actor.kind != ActorKind.STAFF:
        reason = "Only a person can say that it is done."
    if not reason and not note.strip():
        reason = "Say what was done, for whoever asks later."
    if reason:
        raise NotToBeSettled(reason)
    request.settled_at, request.settled_by, request.note = now, actor.id, note.strip()[:500]
    request.save(update_fields=["settled_at", "settled_by", "note"])
    log.record(
        kind=SETTLED, subject_type=SUBJECT, subject_id=request.pk, customer_id=request.customer_id, actor=actor, now=now
    )
    return request


def holdings(request: PrivacyRequest) -> Holdings:
    """What there is now. Half a dozen counts: for one page."""
    about = customers_of(request)
    return Holdings(
        customers=about.count(),
        orders=orders_of(request).count(),
        rewards=rewards.visible().filter(customer__in=about).count(),
        transactions=PointsTransaction.objects.filter(customer__in=about).count(),
        mails=Mail.objects.filter(customer__in=about).count(),
        address=about.filter(shipping_address__isnull=False).exists(),
        webhooks=InboundWebhook.objects.filter(told_about(request), body_emptied_at__isnull=True).count(),
    )


def _whose(connection_id: int, ask: PrivacyAsk) -> Customer | None:
    """By the shop's number for them, else by their address."""
    known = CustomerIdentity.objects.filter(connection_id=connection_id, external_id=ask.customer_external_id)
    identity = known.select_related("customer").first() if ask.customer_external_id else None
    return identity.customer if identity is not None else customers.by_email(ask.customer_email)


def customers_of(request: PrivacyRequest) -> QuerySet[Customer]:
    if request.kind == PrivacyKind.ERASE_SHOP:
        return Customer.objects.filter(identities__connection_id=request.connection_id).distinct()
    return Customer.objects.filter(pk=request.customer_id or 0)


def orders_of(request: PrivacyRequest) -> QuerySet[Order]:
    """The customer's orders in that shop and those the shop named; of a shop, all."""
    orders = Order.objects.filter(connection_id=request.connection_id)
    if request.kind == PrivacyKind.ERASE_SHOP:
        return orders
    theirs = Q(external_id__in=[str(order) for order in request.orders])
    if request.customer_id is not None:
        theirs |= Q(customer_id=request.customer_id)
    return orders.filter(theirs)


def told_about(request: PrivacyRequest) -> Q:
    """Which webhooks are about it."""
    named = Q(connection_id=request.connection_id)
    if request.kind == PrivacyKind.ERASE_SHOP:
        return named
    return named & (
        Q(subject_id__in=orders_of(request).values("external_id"))
        | Q(subject_id__in=[str(order) for order in request.orders])
    )
